import type { V1ObjectMeta, V1Pod } from '@kubernetes/client-node'
import { distinctServices, type TestedService } from '#shared/tested-service.ts'
import { refusedNamespaces } from '../node-driver.ts'
import { ask, isRunning, type Kubernetes } from './kubernetes.ts'
import { hasOptedIn, optInLabel } from './opt-in.ts'

const nameLabels = ['app.kubernetes.io/name', 'app'] as const
const versionLabel = 'app.kubernetes.io/version'

/** Which service a pod belongs to, and in which version. Pure. */
export function serviceOf({ metadata, spec }: V1Pod): TestedService {
  const labels = metadata?.labels ?? {}
  const named = nameLabels.map(label => labels[label]).find(name => name !== undefined && name !== '')
  return {
    namespace: metadata?.namespace ?? '',
    app: named ?? workloadOf(metadata) ?? metadata?.name ?? '',
    version: labels[versionLabel] || versionOfImage(spec?.containers[0]?.image ?? ''),
  }
}

/** A ReplicaSet is called like its Deployment, with a hash behind, which its pods bear as a label. */
function workloadOf(metadata: V1ObjectMeta | undefined): string | undefined {
  const owner = metadata?.ownerReferences?.find(({ controller }) => controller)
  const hash = metadata?.labels?.['pod-template-hash']
  return owner?.kind === 'ReplicaSet' && hash !== undefined && owner.name.endsWith(`-${hash}`) ? owner.name.slice(0, -hash.length - 1) : owner?.name
}

/** `shop:1.4` is 1.4, `shop@sha256:ab…` is the digest; a port of the registry is neither. */
function versionOfImage(image: string): string {
  const [name = '', digest] = image.split('@')
  return digest ?? /:([^:/]+)$/.exec(name)?.[1] ?? 'latest'
}

/** The services of every namespace that has opted in, as its running pods show them. Rejects with FaultRefused. */
export async function discoverServices({ core }: Kubernetes): Promise<TestedService[]> {
  const namespaces = (await optedInNamespaces(core)).filter(name => !refusedNamespaces.includes(name))
  const pods = await Promise.all(namespaces.map(async namespace => (await ask(`pods of ${namespace}`, core.listNamespacedPod({ namespace }))).items))
  return distinctServices(pods.flat().filter(isRunning).filter(isService).map(serviceOf))
}

/** Those that had a pod on the node, of namespaces that have opted in. Rejects with FaultRefused. */
export async function servicesOn({ core }: Kubernetes, node: string): Promise<TestedService[]> {
  const [namespaces, { items: pods }] = await Promise.all([
    optedInNamespaces(core),
    ask(`pods on ${node}`, core.listPodForAllNamespaces({ fieldSelector: `spec.nodeName=${node}` })),
  ])
  return distinctServices(pods.filter(isRunning).filter(isService).filter(({ metadata }) => namespaces.includes(metadata?.namespace ?? '')).map(serviceOf))
}

async function optedInNamespaces(core: Kubernetes['core']): Promise<string[]> {
  const { items } = await ask('the namespaces that have opted in', core.listNamespace({ labelSelector: optInLabel }))
  return items.filter(({ metadata }) => hasOptedIn(metadata?.labels)).flatMap(({ metadata }) => metadata?.name ?? [])
}

/** What runs to an end, like a Job, serves nobody. */
const isService = ({ metadata }: V1Pod): boolean => !metadata?.ownerReferences?.some(({ kind }) => kind === 'Job')
