/** A fault as it would be in time, and whom it may pick. */
export interface TimedFault {
  id: string
  atMs: number
  /** Undefined: done in an instant. */
  durationMs?: number
  /** Ids of all that it may pick. */
  candidates: readonly string[]
  /** How many of them a run takes. */
  takes: number
  /** What no other fault may have of a target meanwhile. */
  alone?: string | undefined
}

/** The fault `id` would find `target` in the hands of the fault `holder`, which has it until then. */
export interface HeldTarget {
  id: string
  target: string
  holder: string
  untilMs: number
  /** Whether it is so in every run; otherwise only in those whose name makes both pick it. */
  certain: boolean
}

/**
 * A fault begins some time after its `at` and so ends as much after its planned end, and its revert is confirmed later still. One that is
 * due sooner than this after the end of another may find the target held. Measured on 2 cores: begun 0.2 to 0.4 s late.
 */
export const settleMs = 500

/**
 * Whom a fault would find held by an earlier one of its run, which the agent refuses (services/injector/core.ts): some kinds can have a
 * target only alone. Of two that are due together, the later in the list is refused. Pure.
 */
export function heldTargets(faults: readonly TimedFault[]): HeldTarget[] {
  const inTime = faults.toSorted((a, b) => a.atMs - b.atMs) // stable: the list decides between those due together
  return inTime.flatMap((fault, index) => inTime.slice(0, index).flatMap(holder => {
    const untilMs = holder.atMs + (holder.durationMs ?? 0)
    if (fault.atMs > untilMs + settleMs || fault.alone === undefined || fault.alone !== holder.alone) return []
    const shared = fault.candidates.filter(target => holder.candidates.includes(target))
    const certain = meetAlways(holder, fault, shared.length)
    return shared.map(target => ({ id: fault.id, target, holder: holder.id, untilMs, certain }))
  }))
}

/**
 * Within a run every fault ranks the processes alike (pickTargets in services/injector/process-targets.ts). Two of them miss each other only
 * when one can be served with processes that the other does not name; else both take the first of those that they share.
 */
function meetAlways(one: TimedFault, other: TimedFault, shared: number): boolean {
  return one.takes > one.candidates.length - shared && other.takes > other.candidates.length - shared
}
