import type { FoundHalt } from '#shared/halt-file.ts'

/** A halt by a file or a ConfigMap, as whoever looks for it has seen it. Without `goneAtMs` it is there still. Dates: Unix epoch, milliseconds, `sinceMs` the file's own, the others of who looks. */
export interface HaltSighting {
  /** `the file /var/lib/faultline/halt` */
  where: string
  why: string
  sinceMs: number
  foundAtMs: number
  goneAtMs?: number | undefined
}

/** Those before are on record long since, or nobody could be told for so long that it no longer matters. */
export const mostSightings = 10

/** With what is found now, the latest last. The same array when that is nothing new. Pure. */
export function sight(seen: readonly HaltSighting[], found: FoundHalt | undefined, nowMs: number): readonly HaltSighting[] {
  const last = seen.at(-1)
  const open = last?.goneAtMs === undefined ? last : undefined
  if (open === undefined && found === undefined) return seen
  if (open && found && open.where === found.where && open.sinceMs === found.sinceMs) return seen
  return [
    ...open ? [...seen.slice(0, -1), { ...open, goneAtMs: nowMs }] : seen,
    ...found ? [{ where: found.where, why: found.why, sinceMs: found.sinceMs, foundAtMs: nowMs }] : [],
  ].slice(-mostSightings)
}
