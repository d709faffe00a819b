import type { FactData, StoredFact } from '#shared/events.ts'
import { printFoundHalt, type FoundHalt } from '#shared/halt-file.ts'

/** Whether everything is stopped: as the last of the facts says, so it holds across restarts and changes of leaders, or because a halt was found. `toldAtMs`: date of the newest fact that says so. */
export type Halt = { halted: false } | { halted: true; by: string; why: string; sinceMs: number; toldAtMs: number }

/** In place of a run's name, in the subject of its facts. */
export const haltSubject = 'halt'

export const notHalted: Halt = { halted: false }

/** What was halted already stays as it was: the first word tells since when, and why. Pure. */
export function foldHalt(state: Halt, stored: StoredFact): Halt {
  if (stored.kind === 'halt.released') return notHalted
  if (stored.kind !== 'halt.set') return state
  const toldAtMs = Date.parse(stored.fact.time)
  if (state.halted) return { ...state, toldAtMs }
  const { by, why, atMs } = stored.fact.data
  return { halted: true, by, why, sinceMs: atMs, toldAtMs }
}

const tellAgainMs = 24 * 3_600_000

/** The stream forgets after a week, and a halt holds for longer: it is told anew each day, with its own date. Undefined: not yet. Pure. */
export function toldAgain(halt: Halt, nowMs: number): FactData<'halt.set'> | undefined {
  return halt.halted && nowMs - halt.toldAtMs > tellAgainMs ? { by: halt.by, why: halt.why, atMs: halt.sinceMs } : undefined
}

/** What the facts say comes first: `resume` takes it away, and whoever put a file there knows of it. Pure. */
export function inForce(told: Halt, found: FoundHalt | undefined): Halt {
  return told.halted || !found ? told : { halted: true, by: found.where, why: found.why, sinceMs: found.sinceMs, toldAtMs: found.sinceMs }
}

/** `halted by a user since 2026-03-01T10:00:00Z: the release is today` */
export const printHalt = ({ by, why, sinceMs }: Halt & { halted: true }): string => printFoundHalt({ where: by, why, sinceMs })
