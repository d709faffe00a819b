import type { Experiment } from '#shared/experiment.ts'

/** What the first fault must leave free for a gate that looks before it. */
const leastQuietMs = 1_000

/**
 * Why faults would be done to a system of which nobody has seen whether it is well: a gate's phase is `during` when the file does not say it. Undefined where a
 * gate looks before the first fault, or a probe, which must have worked once; and where nothing is done. Pure.
 */
export function noLookBefore({ faults, gates, probes, steadyMs }: Experiment): string | undefined {
  if (faults.length === 0 || probes.length > 0 || gates.some(({ phase }) => phase === 'steady')) return undefined
  return 'no gate looks whether the system is well before the first fault: one that is ill gets the fault too, and what was ill before it counts against the run; '
    + `nothing is done before a gate with phase: steady holds${steadyMs < leastQuietMs ? ', which takes an at of 1s or more for each fault' : ''}`
}
