import { setTimeout as delay } from 'node:timers/promises'
import { AppsV1Api, CoreV1Api, type KubeConfig, type V1Node, type V1Pod } from '@kubernetes/client-node'
import { messageOf } from '#shared/errors.ts'
import { readWorkload, type Workload } from './ready-elsewhere.ts'

export interface Spreading { kubeConfig: KubeConfig; namespace: string; workloads: readonly Workload[]; withinMs: number; signal: AbortSignal; say(doing: string): void }

/**
 * Of pods that share a node with another of theirs while a node has none, the youngest: it is the one that was made elsewhere when its own node was lost.
 * Undefined when they are spread as well as can be. `pods`: of one workload. Pure.
 */
export function crowded(pods: readonly V1Pod[], nodes: readonly string[]): V1Pod | undefined {
  const on = (node: string) => pods.filter(({ spec, metadata }) => spec?.nodeName === node && metadata?.deletionTimestamp === undefined)
  if (!nodes.some(node => on(node).length === 0)) return undefined
  return nodes.map(on).filter(sharing => sharing.length > 1).flat().toSorted((one, other) => createdMs(other) - createdMs(one))[0]
}
const createdMs = ({ metadata }: V1Pod): number => metadata?.creationTimestamp?.getTime() ?? 0

const isOpen = ({ spec, status }: V1Node): boolean => !spec?.unschedulable && Boolean(status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True'))

/**
 * Waits until every node is Ready and schedulable and every replica Ready, and evicts, one at a time and within disruption budgets, what is crowded
 * meanwhile. Kubernetes itself never moves a pod back to a node that has returned (a descheduler does), so without this the loss of one node after another
 * gathers the members of a workload, until one node is all of them. `undefined`: spread; else what it waited for when time was over.
 */
export async function spread({ kubeConfig, namespace, workloads, withinMs, signal, say }: Spreading): Promise<string | undefined> {
  const apis = { apps: kubeConfig.makeApiClient(AppsV1Api), core: kubeConfig.makeApiClient(CoreV1Api) }
  const untilMs = performance.now() + withinMs
  let missing = 'nothing was looked at'

  async function look(): Promise<string | undefined> {
    const nodes = (await apis.core.listNode()).items
    const closed = nodes.filter(node => !isOpen(node)).map(({ metadata }) => metadata?.name ?? '')
    if (closed.length > 0) return `node ${closed.join(', ')} is not Ready and schedulable`
    for (const workload of workloads) {
      const { name } = workload
      const { wanted, ready, pods } = await readWorkload(apis, namespace, workload)
      if (ready < wanted) return `${name}: ${ready} of ${wanted} Ready`
      if (pods.some(({ metadata }) => metadata?.deletionTimestamp !== undefined)) return `${name}: a pod is going`
      const pod = crowded(pods, nodes.map(({ metadata }) => metadata?.name ?? ''))?.metadata
      if (!pod?.name) continue
      say(`moving ${pod.name}, which shares its node with another of ${name}`)
      await apis.core.createNamespacedPodEviction({ namespace, name: pod.name, body: { metadata: { name: pod.name, namespace } } })
      return `${pod.name} was evicted`
    }
    return undefined
  }

  while (performance.now() < untilMs && !signal.aborted) {
    const waitsFor = await look().catch((error: unknown) => messageOf(error)) // 429: a disruption budget, for now
    if (waitsFor === undefined) return undefined
    missing = waitsFor
    await delay(1_000, undefined, { signal }).catch(() => undefined)
  }
  return missing
}
