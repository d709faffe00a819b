import { setTimeout as delay } from 'node:timers/promises'
import type { BlastRadius } from '#shared/blast-radius.ts'
import type { PlannedTarget } from '#shared/commands.ts'
import type { ApiStep } from '#shared/fault.ts'
import { unlessMissing } from '#shared/kubernetes-answer.ts'
import type { BoundPod } from '#shared/target.ts'
import type { Seen, StepInHand } from '../step-in-hand.ts'
import { ask, type Kubernetes } from './kubernetes.ts'

const goneWithinMs = 10_000
type DeletePod = ApiStep & { do: 'delete-pod' }
export type Budgets = BlastRadius['disruptionBudgets']

export function describeDeletion({ gracePeriodSeconds }: DeletePod, { pod: { namespace, name, uid } }: BoundPod, budgets: Budgets): PlannedTarget['steps'][number] {
  const grace = gracePeriodSeconds === null ? '' : ` --grace-period=${gracePeriodSeconds}${gracePeriodSeconds === 0 ? ' --force' : ''}`
  const how = budgets === 'respect' ? ', by eviction, which asks the PodDisruptionBudgets' : ''
  return { lease: 'none', act: `kubectl -n ${namespace} delete pod ${name}${grace} (if its UID is ${uid}${how})`, undo: 'none: its controller makes another' }
}

export function prepareDeletion(kubernetes: Kubernetes, { gracePeriodSeconds }: DeletePod, { pod }: BoundPod, budgets: Budgets): StepInHand {
  return {
    undo: { undo: 'nothing' },
    async act({ requireTimeLeft }) {
      requireTimeLeft()
      await ask(`deleting ${pod.namespace}/${pod.name}`, remove(kubernetes, pod, budgets, gracePeriodSeconds))
      return untilGone(kubernetes, pod)
    },
  }
}

/** By eviction where budgets are respected: the API server then asks them itself. The UID is a precondition either way. */
export async function remove({ core }: Kubernetes, { namespace, name, uid }: { namespace: string; name: string; uid: string }, budgets: Budgets, gracePeriodSeconds: number | null): Promise<void> {
  const options = { preconditions: { uid }, ...(gracePeriodSeconds !== null && { gracePeriodSeconds }) }
  await (budgets === 'ignore'
    ? core.deleteNamespacedPod({ namespace, name, body: options })
    : core.createNamespacedPodEviction({ namespace, name, body: { metadata: { namespace, name }, deleteOptions: options } }))
}

/** Marked for deletion is what was asked for; how long it then takes to end is the pod's own. */
async function untilGone({ core }: Kubernetes, { namespace, name, uid }: BoundPod['pod']): Promise<Seen> {
  const givenUpAt = performance.now() + goneWithinMs
  for (;;) {
    const found = await ask(`reading ${namespace}/${name} back`, unlessMissing(core.readNamespacedPod({ namespace, name })))
    if (!found || found.metadata?.uid !== uid) return { verified: true, readBack: [`${namespace}/${name} of UID ${uid} is gone`] }
    if (found.metadata.deletionTimestamp) return { verified: true, readBack: [`${namespace}/${name} is marked for deletion`] }
    if (performance.now() >= givenUpAt) return { verified: false, readBack: [`${namespace}/${name} is still there`] }
    await delay(100)
  }
}
