import type { FactData, StoredFact } from '#shared/events.ts'

/** Whether everything is stopped: as the last of the facts says, so it holds across restarts and changes of leaders. */
export type Halt = { halted: false } | { halted: true; by: string; why: string; sinceMs: number }

/** In place of a run's name, in the subject of its facts. */
export const haltSubject = 'halt'

export const notHalted: Halt = { halted: false }

/** What was halted already stays as it was: the first word tells since when, and why. Pure. */
export function foldHalt(state: Halt, stored: StoredFact): Halt {
  if (stored.kind === 'halt.released') return notHalted
  if (stored.kind !== 'halt.set' || state.halted) return state
  const { by, why, atMs }: FactData<'halt.set'> = stored.fact.data
  return { halted: true, by, why, sinceMs: atMs }
}

/** `halted by a user since 2026-03-01T10:00:00Z: the release is today` */
export function printHalt({ by, why, sinceMs }: Halt & { halted: true }): string {
  return `halted by ${by} since ${new Date(sinceMs).toISOString().replace(/\.\d+Z$/, 'Z')}${why === '' ? '' : `: ${why}`}`
}
