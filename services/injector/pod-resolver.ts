import type { V1Pod } from '@kubernetes/client-node'
import { load } from '#shared/registry.ts'
import type { PodSelector } from '#shared/target.ts'
import { ask, type Kubernetes } from './cluster/kubernetes.ts'

/** One way to name pods: one file in `resolvers/`, which names all of it. Its schema is in shared/target.ts. */
export interface PodResolver {
  kind: string
  /** What it narrows the pods of a namespace to; undefined when the selector does not use this way. Rejects with FaultRefused. */
  narrow(selector: PodSelector, namespace: string, world: ResolverWorld): Promise<Narrowing> | Narrowing | undefined
}

/** What the API is asked for, as label and field selectors, and what is then looked at in each pod of the answer. */
export interface Narrowing { labels?: string; fields?: string; fits?(pod: V1Pod): boolean }

export interface ResolverWorld {
  kubernetes: Kubernetes
  sentinel: SentinelSettings
}

/** Where the Sentinels of a namespace are: the operator's word, never the experiment's. */
export interface SentinelSettings {
  /** Name and port of a Service in the target's namespace. */
  service: string
  /** Name of the master that the Sentinels watch; undefined: the only one. */
  master?: string | undefined
  user?: string | undefined
  password?: string | undefined
}

const resolvers = await load<PodResolver>('resolvers', import.meta.url)

/** Pods of the namespace that fit every way in which the selector names them, in any phase. Rejects with FaultRefused. */
export async function resolvePods(selector: PodSelector, namespace: string, world: ResolverWorld): Promise<V1Pod[]> {
  const asked = await Promise.all([...resolvers.values()].map(async resolver => resolver.narrow(selector, namespace, world)))
  const narrowings = asked.filter(narrowing => narrowing !== undefined)
  const joined = (key: 'labels' | 'fields') => narrowings.flatMap(narrowing => narrowing[key] ?? []).join(',')
  const [labelSelector, fieldSelector] = [joined('labels'), joined('fields')]
  const { items } = await ask(`pods of ${namespace}`, world.kubernetes.core.listNamespacedPod({
    namespace, ...(labelSelector !== '' && { labelSelector }), ...(fieldSelector !== '' && { fieldSelector }),
  }))
  return items.filter(pod => narrowings.every(({ fits }) => fits?.(pod) ?? true))
}
