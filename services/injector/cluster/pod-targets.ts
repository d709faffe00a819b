import type { V1Pod } from '@kubernetes/client-node'
import { printTargetSpec, type BoundPod, type PodsTarget } from '#shared/target.ts'
import type { BlastRadius } from '#shared/blast-radius.ts'
import type { Joining } from '#shared/commands.ts'
import { FaultRefused } from '../fault-refused.ts'
import { resolvePods, type ResolverWorld } from '../pod-resolver.ts'
import { pickJoining, pickTargets } from '../process-targets.ts'
import { isRunning } from './kubernetes.ts'
import { demandOptIn } from './opt-in.ts'
import { serviceOf } from './tested-services.ts'

/** Rejects with FaultRefused. */
export async function findPods(target: PodsTarget, run: string, blastRadius: BlastRadius, world: ResolverWorld): Promise<BoundPod[]> {
  const bound = (await running(target, world)).flatMap(bindPod)
  if (bound.length === 0) throw new FaultRefused(`there are no running ${printTargetSpec({ pods: target })}; compare with: kubectl -n ${target.namespace} get pods --show-labels`)
  return pickTargets(bound, target.pick, run, blastRadius)
}

/**
 * Those that were born since, as far as the fault asks for them: maybe none. Of all pods, those too that were there and did not run yet. Who was
 * spared when the fault began stays spared. Rejects with FaultRefused.
 */
export async function findJoiningPods(target: PodsTarget, { held, sinceMs }: Joining, run: string, blastRadius: BlastRadius, world: ResolverWorld): Promise<BoundPod[]> {
  const pods = await running(target, world)
  const young = new Set(pods.filter(pod => target.pick === 'all' || isYounger(pod, sinceMs)).flatMap(bindPod).map(({ id }) => id))
  return pickJoining(pods.flatMap(bindPod), { held, isFree: ({ id }) => young.has(id) }, target.pick, run, blastRadius)
}

/** Those that have the fault and still run. */
export async function findHeldPods(target: PodsTarget, { held }: Joining, world: ResolverWorld): Promise<BoundPod[]> {
  return (await running(target, world)).flatMap(bindPod).filter(({ id }) => held.includes(id))
}

/** The API tells a birth in whole seconds, rounded down. */
const isYounger = ({ metadata }: V1Pod, thanMs: number) => (metadata?.creationTimestamp?.getTime() ?? 0) + 1_000 > thanMs

async function running(target: PodsTarget, world: ResolverWorld): Promise<V1Pod[]> {
  await demandOptIn(world.kubernetes, target.namespace)
  return (await resolvePods(target, target.namespace, world)).filter(isRunning)
}

function bindPod(pod: V1Pod): BoundPod[] {
  const { metadata, spec } = pod
  const { namespace, name, uid } = metadata ?? {}
  if (namespace === undefined || name === undefined || uid === undefined || spec?.nodeName === undefined) return []
  return [{ id: `pod:${uid}`, pod: { namespace, name, uid, node: spec.nodeName }, services: [serviceOf(pod)], description: `${namespace}/${name} on ${spec.nodeName}` }]
}
