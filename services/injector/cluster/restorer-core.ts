/**
 * What a restorer decides, with no I/O and no clock of its own. It sees the records of faults change, and counts the time of each from then:
 *
 *   seen --changed--> seen again, for its new time
 *     '---time over--> looked at --same version--> ended --confirmed--> gone
 *                           '-----changed-----> seen again
 *
 * Any number of restorers may do so at once: what they do is repeatable, and the first to mark a record is believed.
 */
export interface Watched { version: string; endsMs: number }
export type WatchedRecords = ReadonlyMap<string, Watched>

export const retryMs = 1_000

/** A record as it is now. `isOver`: somebody has marked it as reverted. */
export function see(records: WatchedRecords, id: string, { version, remainingMs, isOver }: { version: string; remainingMs: number; isOver: boolean }, nowMs: number): WatchedRecords {
  if (isOver) return forget(records, id)
  if (records.get(id)?.version === version) return records
  return new Map(records).set(id, { version, endsMs: nowMs + remainingMs })
}

export function forget(records: WatchedRecords, id: string): WatchedRecords {
  const left = new Map(records)
  left.delete(id)
  return left
}

/** Ids of those to be looked at now. */
export const due = (records: WatchedRecords, nowMs: number): string[] => [...records].flatMap(([id, { endsMs }]) => nowMs >= endsMs ? [id] : [])

/** The record was looked at when it was due: whether it is to be ended, or was renewed meanwhile. */
export const isStillDue = (records: WatchedRecords, id: string, version: string): boolean => records.get(id)?.version === version

/** It could not be ended, or that could not be confirmed. */
export function tryLater(records: WatchedRecords, id: string, nowMs: number): WatchedRecords {
  const known = records.get(id)
  return known ? new Map(records).set(id, { ...known, endsMs: nowMs + retryMs }) : records
}
