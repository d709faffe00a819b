import { setTimeout as delay } from 'node:timers/promises'
import type { Bus, Following } from '#shared/bus.ts'
import type { AuditEntry } from './audit-log.ts'
import { RecordUnread } from './release-record.ts'

/** Oldest first. `leftOut`: older ones within that time, of which there were too many. `unreadable`: that this version cannot read. */
export interface AuditRecord { entries: AuditEntry[]; leftOut: number; unreadable: number }

/** The audit log since a date (Unix epoch, milliseconds), as it stands in its stream now. Throws RecordUnread. */
export async function readAuditRecord(bus: Bus, { sinceMs, most, timeoutMs }: { sinceMs: number; most: number; timeoutMs: number }): Promise<AuditRecord> {
  const facts = bus.follow({ types: ['audit.request'] })
  const over = new AbortController()
  const late = delay(timeoutMs, undefined, { signal: over.signal }).then(() => {
    throw new RecordUnread(`the audit log was not read within ${timeoutMs / 1_000} s; is NATS there?`)
  })
  late.catch(() => undefined) // whoever waits for both hears of it
  try {
    return await Promise.race([read(facts, sinceMs, most), late])
  } finally {
    over.abort()
    void facts.stop() // without NATS it takes longer than anybody would wait
  }
}

async function read(following: Following, sinceMs: number, most: number): Promise<AuditRecord> {
  const record: AuditRecord = { entries: [], leftOut: 0, unreadable: 0 }
  for await (const next of following) {
    if (next.is === 'caught-up') {
      record.leftOut += Math.max(0, record.entries.length - most)
      return { ...record, entries: record.entries.slice(-most) }
    }
    if (next.is === 'invalid') record.unreadable += 1
    else if (next.stored.kind === 'audit.request' && next.stored.fact.data.atMs >= sinceMs) record.entries.push(next.stored.fact.data)
    if (record.entries.length >= 2 * most) record.leftOut += record.entries.splice(0, most).length // not all of a long time in memory
  }
  throw new RecordUnread('the stream of the audit log ended before all of it was read; is NATS there?')
}
