import { isDeepStrictEqual } from 'node:util'
import type { RunPhase } from '#shared/events.ts'
import { patience, type FaultState, type RunState } from './core.ts'

/**
 * A run with no date far ahead of this scheduler's clock, for what it waits for. Facts bear the dates of whoever led when they were written. If that clock was ahead, or this one was put
 * back since, the run would be waited with until this clock is there: an hour, if it was an hour. A date ahead counts as the moment when that is seen, from then on, so that
 * each wait begins anew at most, and none is shorter for it. The facts, and what is judged by them, stay as they are.
 * A date that is ahead by little is left, and waited for: clocks of two schedulers are never quite the same, and who counted a phase from when it was seen would end it that much
 * too early by the dates, with a look too few for a pass.
 *
 * Dates of injections are the agents', and are left: core.ts gives the run up when they are too far ahead to say how long a fault was held.
 *
 * @param before what this gave for the run last, if it did
 * @param nowMs Unix epoch, milliseconds, as all dates of a run
 */
export function inOwnTime(state: RunState, before: RunState | undefined, nowMs: number): RunState {
  const own = (toldMs: number, beforeMs = toldMs) => beforeMs > nowMs + patience.clocksApartMs ? nowMs : beforeMs
  const phases = (Object.entries(state.phases) as [RunPhase, number][]).map(([phase, atMs]) => [phase, own(atMs, before?.phases[phase])])
  return {
    ...state,
    submittedAtMs: own(state.submittedAtMs, before?.submittedAtMs),
    phases: Object.fromEntries(phases) as RunState['phases'],
    faults: new Map([...state.faults].map(([id, fault]): [string, FaultState] => {
      const { ordered } = fault
      const known = before?.faults.get(id)?.ordered
      return [id, ordered ? { ...fault, ordered: { ...ordered, atMs: own(ordered.atMs, isDeepStrictEqual(known?.epoch, ordered.epoch) ? known?.atMs : undefined) } } : fault]
    })),
    ...(state.abort && { abort: { ...state.abort, atMs: own(state.abort.atMs, before?.abort?.atMs) } }),
  }
}
