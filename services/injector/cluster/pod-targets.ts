import type { V1Pod } from '@kubernetes/client-node'
import { printTargetSpec, type BoundPod, type PodsTarget } from '#shared/target.ts'
import type { BlastRadius } from '#shared/blast-radius.ts'
import { FaultRefused } from '../fault-refused.ts'
import { resolvePods, type ResolverWorld } from '../pod-resolver.ts'
import { pickTargets } from '../process-targets.ts'
import { isRunning } from './kubernetes.ts'
import { demandOptIn } from './opt-in.ts'

/** Rejects with FaultRefused. */
export async function findPods(target: PodsTarget, run: string, blastRadius: BlastRadius, world: ResolverWorld): Promise<BoundPod[]> {
  await demandOptIn(world.kubernetes, target.namespace)
  const bound = (await resolvePods(target, target.namespace, world)).filter(isRunning).flatMap(bindPod)
  if (bound.length === 0) throw new FaultRefused(`there are no running ${printTargetSpec({ pods: target })}; compare with: kubectl -n ${target.namespace} get pods --show-labels`)
  return pickTargets(bound, target.pick, run, blastRadius)
}

export function bindPod({ metadata, spec }: V1Pod): BoundPod[] {
  const { namespace, name, uid } = metadata ?? {}
  if (namespace === undefined || name === undefined || uid === undefined || spec?.nodeName === undefined) return []
  return [{ id: `pod:${uid}`, pod: { namespace, name, uid, node: spec.nodeName }, description: `${namespace}/${name} on ${spec.nodeName}` }]
}
