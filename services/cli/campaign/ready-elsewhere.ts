import { setTimeout as delay } from 'node:timers/promises'
import { AppsV1Api, CoreV1Api, type KubeConfig, type V1Pod } from '@kubernetes/client-node'
import type { FactData } from '#shared/events.ts'
import { isNode, isPod } from '#shared/target.ts'

export interface Workload { kind: 'Deployment' | 'StatefulSet'; name: string }

/** What a fault was done to: neither such a pod nor one on such a node counts. */
export interface Hit { pods: ReadonlySet<string>; nodes: ReadonlySet<string> }

export const hitBy = ({ targets }: Pick<FactData<'fault.injected'>, 'targets'>): Hit => ({
  pods: new Set(targets.flatMap(target => isPod(target) ? [target.pod.uid] : [])),
  nodes: new Set(targets.flatMap(target => isNode(target) ? [target.node.name] : [])),
})

/** How many of the pods are Ready, not going, and none of those that were hit. Pure. */
export function readyPods(pods: readonly V1Pod[], { pods: hitPods, nodes }: Hit): number {
  return pods.filter(({ metadata, spec, status }) => (
    metadata?.deletionTimestamp === undefined && !hitPods.has(metadata?.uid ?? '') && !nodes.has(spec?.nodeName ?? '')
    && status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True')
  )).length
}

interface Apis { apps: AppsV1Api; core: CoreV1Api }

/** How many pods it is to have, and those it has. Throws what asking the API server throws. */
export async function readWorkload({ apps, core }: Apis, namespace: string, { kind, name }: Workload): Promise<{ wanted: number; ready: number; pods: V1Pod[] }> {
  const { spec, status } = await (kind === 'Deployment' ? apps.readNamespacedDeployment({ namespace, name }) : apps.readNamespacedStatefulSet({ namespace, name }))
  const labelSelector = Object.entries(spec?.selector.matchLabels ?? {}).map(([label, value]) => `${label}=${value}`).join(',')
  const { items } = await core.listNamespacedPod({ namespace, labelSelector })
  return { wanted: spec?.replicas ?? 1, ready: status?.readyReplicas ?? 0, pods: items }
}

export interface Waiting { kubeConfig: KubeConfig; namespace: string; workloads: readonly Workload[]; hit: Hit; withinMs: number; signal: AbortSignal }

/** How long it took until every workload had all its replicas Ready elsewhere; `missing`: which had not, when time was over. Reads only. */
export async function untilReadyElsewhere({ kubeConfig, namespace, workloads, hit, withinMs, signal }: Waiting): Promise<{ tookMs: number } | { missing: string }> {
  const apis = { apps: kubeConfig.makeApiClient(AppsV1Api), core: kubeConfig.makeApiClient(CoreV1Api) }
  const startedMs = performance.now()
  let missing = 'never looked at'
  while (performance.now() - startedMs < withinMs && !signal.aborted) {
    try {
      const counted = await Promise.all(workloads.map(async workload => {
        const { wanted, pods } = await readWorkload(apis, namespace, workload)
        return { name: workload.name, wanted, ready: readyPods(pods, hit) }
      }))
      const short = counted.filter(({ wanted, ready }) => ready < wanted)
      if (short.length === 0) return { tookMs: performance.now() - startedMs }
      missing = short.map(({ name, wanted, ready }) => `${name}: ${ready} of ${wanted}`).join(', ')
    } catch {
      // an API server that does not answer now is asked again
    }
    await delay(500, undefined, { signal }).catch(() => undefined)
  }
  return { missing }
}
