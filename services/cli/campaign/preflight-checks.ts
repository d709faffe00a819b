import { AppsV1Api, AuthorizationV1Api, CoreV1Api, Metrics } from '@kubernetes/client-node'
import { quantityToScalar } from '@kubernetes/client-node/dist/util.js'
import { clusterFinding } from './cluster-finding.ts'
import type { StepContext } from './step.ts'

export interface Demands { nodes: number; cpus: number; memoryGiB: number; images: string[]; namespaces: string[]; optedInNodes: number }
export interface Seen { required: string; measured: string; met: boolean }
export type Check = 'cluster' | 'permissions' | 'nodes' | 'capacity' | 'metrics' | 'images' | 'agents' | 'opt-in'

/** Admission by ValidatingAdmissionPolicy is there from this version on. */
const leastVersion = [1, 30] as const

/** What a campaign asks of the API server, beside reading. */
const deeds = [
  { verb: 'create', resource: 'namespaces' }, { verb: 'create', resource: 'secrets' }, { verb: 'create', group: 'apps', resource: 'deployments' },
  { verb: 'create', group: 'rbac.authorization.k8s.io', resource: 'clusterroles' }, { verb: 'create', resource: 'pods', subresource: 'portforward' },
] as const

/** Rejects, when it cannot be looked at. Reads only. */
export const preflightChecks: Record<Check, (demands: Demands, context: StepContext) => Promise<Seen>> = {
  async cluster(_demands, { kubeConfig }) {
    const { version, context } = await clusterFinding(kubeConfig)
    const [, major = '0', minor = '0'] = /^v(\d+)\.(\d+)/.exec(version) ?? []
    const isEnough = Number(major) > leastVersion[0] || (Number(major) === leastVersion[0] && Number(minor) >= leastVersion[1])
    return { required: `Kubernetes ${leastVersion.join('.')} or later answers`, measured: `${version}, context ${context}`, met: isEnough }
  },

  async permissions(_demands, { kubeConfig }) {
    const api = kubeConfig.makeApiClient(AuthorizationV1Api)
    const answers = await Promise.all(deeds.map(async resourceAttributes => {
      const { status } = await api.createSelfSubjectAccessReview({ body: { spec: { resourceAttributes } } })
      return status?.allowed ? [] : [`${resourceAttributes.verb} ${resourceAttributes.resource}`]
    }))
    const refused = answers.flat()
    return { required: 'may do what the campaign does', measured: refused.length === 0 ? 'may' : `may not ${refused.join(', ')}`, met: refused.length === 0 }
  },

  async nodes({ nodes: least }, { kubeConfig }) {
    const { nodes } = await clusterFinding(kubeConfig)
    const ready = nodes.filter(node => node.ready).map(({ name }) => name)
    return { required: `${least} or more Ready`, measured: `${ready.length} of ${nodes.length} Ready${ready.length > 0 ? ` (${ready.join(', ')})` : ''}`, met: ready.length >= least }
  },

  async capacity({ cpus, memoryGiB }, { kubeConfig }) {
    const nodes = (await clusterFinding(kubeConfig)).nodes.filter(({ ready }) => ready)
    const total = (of: (node: typeof nodes[number]) => string) => nodes.reduce((sum, node) => sum + Number(quantityToScalar(of(node))), 0)
    const [allCpus, allGiB] = [total(({ cpu }) => cpu), total(({ memory }) => memory) / 2 ** 30]
    return { required: `${cpus} CPUs and ${memoryGiB} GiB allocatable`, measured: `${allCpus} CPUs, ${allGiB.toFixed(1)} GiB`, met: allCpus >= cpus && allGiB >= memoryGiB }
  },

  async metrics(_demands, { kubeConfig }) {
    const [{ items }, { nodes }] = await Promise.all([new Metrics(kubeConfig).getNodeMetrics(), clusterFinding(kubeConfig)])
    const without = nodes.filter(node => node.ready && !items.some(({ metadata }) => metadata.name === node.name)).map(({ name }) => name)
    return { required: 'figures of every Ready node', measured: without.length === 0 ? `figures of ${items.length}` : `none of ${without.join(', ')}`, met: without.length === 0 && items.length > 0 }
  },

  async images({ images }, { kubeConfig, settings: { registry, version = 'dev' } }) {
    if (registry !== undefined) return { required: 'from a registry', measured: `${registry}, tag ${version}`, met: true }
    const { items } = await kubeConfig.makeApiClient(CoreV1Api).listNode()
    const missing = items.flatMap(({ metadata, status }) => images
      .filter(image => !status?.images?.some(({ names }) => names?.includes(`localhost/faultline/${image}:${version}`)))
      .map(image => `${image} on ${metadata?.name}`))
    return { required: `${images.join(', ')} on every node`, measured: missing.length === 0 ? 'there' : `missing: ${missing.join(', ')}; npm run images -- --load kind|cluster`, met: missing.length === 0 }
  },

  async agents(_demands, { kubeConfig, settings: { namespace } }) {
    const apps = kubeConfig.makeApiClient(AppsV1Api)
    const [{ items: deployments }, { items: agents }] = await Promise.all([apps.listNamespacedDeployment({ namespace }), apps.listNamespacedDaemonSet({ namespace })])
    const unready = [
      ...deployments.filter(({ spec, status }) => (status?.readyReplicas ?? 0) < (spec?.replicas ?? 1)).map(({ metadata }) => metadata?.name),
      ...agents.filter(({ status }) => (status?.numberReady ?? 0) < (status?.desiredNumberScheduled ?? 1)).map(({ metadata, status }) => `${metadata?.name} (${status?.numberReady} of ${status?.desiredNumberScheduled})`),
    ]
    const isThere = agents.length > 0 && deployments.length > 0
    return {
      required: 'services ready, agents on every node', met: isThere && unready.length === 0,
      measured: !isThere ? `faultline is not in ${namespace}; npm run k8s:install` : unready.length === 0 ? `${deployments.length} services, ${agents[0]?.status?.numberReady} agents` : `not ready: ${unready.join(', ')}`,
    }
  },

  async 'opt-in'({ namespaces, optedInNodes }, { kubeConfig }) {
    const api = kubeConfig.makeApiClient(CoreV1Api)
    const found = await Promise.all(namespaces.map(async name => ({ name, labels: (await api.readNamespace({ name })).metadata?.labels ?? {} })))
    const isOpen = (labels: Readonly<Record<string, string>> = {}) => labels['faultline.dev/chaos'] === 'allowed'
    const closed = found.filter(({ labels }) => !isOpen(labels)).map(({ name }) => name)
    const openNodes = (await api.listNode()).items.filter(({ metadata }) => isOpen(metadata?.labels)).length
    const missing = [
      ...(closed.length > 0 ? [`not ${closed.join(', ')}; kubectl label namespace NAME faultline.dev/chaos=allowed`] : []),
      ...(openNodes < optedInNodes ? [`${openNodes} nodes; kubectl label node NAME faultline.dev/chaos=allowed`] : []),
    ]
    return { required: `${[...namespaces, `${optedInNodes} nodes`].join(', ')} opted in`, measured: missing.join('; ') || [...namespaces, `${openNodes} nodes`].join(', '), met: missing.length === 0 }
  },
}
