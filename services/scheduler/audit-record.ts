import type { Bus } from '#shared/bus.ts'
import type { AuditEntry } from './audit-log.ts'
import type { HaltEntry } from './halt-record.ts'
import { readRecord } from './stream-record.ts'

/**
 * Oldest first, by when they asked: an entry that nothing waited for may stand behind a later one in the stream. `leftOut`: older ones within that time, of
 * which there were too many. `unreadable`: that this version cannot read.
 */
export interface AuditRecord { entries: AuditEntry[]; leftOut: number; unreadable: number }

/** The audit log since a date (Unix epoch, milliseconds), as it stands in its stream now. Throws RecordUnread. */
export async function readAuditRecord(bus: Bus, { sinceMs, most, timeoutMs }: { sinceMs: number; most: number; timeoutMs: number }): Promise<AuditRecord> {
  const entries: AuditEntry[] = []
  let [leftOut, unreadable] = [0, 0]
  await readRecord(bus, { types: ['audit.request', 'audit.halt'], record: 'the audit log', stream: 'the stream of the audit log', timeoutMs }, next => {
    if (next.is === 'invalid') unreadable += 1
    else if (next.stored.kind === 'audit.request' && next.stored.fact.data.atMs >= sinceMs) entries.push(next.stored.fact.data)
    else if (next.stored.kind === 'audit.halt' && next.stored.fact.data.atMs >= sinceMs) entries.push(haltEntry(next.stored.fact.data))
    if (entries.length >= 2 * most) leftOut += entries.splice(0, most).length // not all of a long time in memory
  })
  return { entries: entries.sort((one, other) => one.atMs - other.atMs).slice(-most), leftOut: leftOut + Math.max(0, entries.length - most), unreadable }
}

/** In the shape that everything has which reads the audit log: nobody asked for it, so the file is who, and whoever saw it is where from. */
const haltEntry = ({ where, seenBy, is, why, atMs }: HaltEntry): AuditEntry => ({
  who: where, role: 'no token', address: seenBy, request: is === 'found' ? 'halts' : 'halts no more', outcome: 'allowed', atMs, ...(why !== '' && { about: why }),
})
