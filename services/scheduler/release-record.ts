import type { Bus } from '#shared/bus.ts'
import type { StoredFact } from '#shared/events.ts'
import { releaseFacts, releaseRunsOf, type ReleaseRun } from '#shared/release-run.ts'
import { readRecord } from './stream-record.ts'

/** `unreadable`: facts that this version cannot read, in words; whose they are, nobody can tell. */
export interface ReleaseRecord { runs: ReleaseRun[]; unreadable: string[] }

/**
 * All runs as they stand in the stream now. It is read anew each time: what a scheduler has folded may lack, for some seconds after NATS was
 * away, just the run that failed. Throws RecordUnread.
 */
export async function readReleaseRecord(bus: Bus, { timeoutMs }: { timeoutMs: number }): Promise<ReleaseRecord> {
  const facts: StoredFact[] = []
  const unreadable: string[] = []
  await readRecord(bus, { types: releaseFacts, record: 'the record of runs', stream: 'the stream of facts', timeoutMs }, next => {
    if (next.is === 'fact') facts.push(next.stored)
    else unreadable.push(`fact ${next.stream} of the log cannot be read by this version of faultline, so nobody knows what it says: ${next.why}`)
  })
  return { runs: releaseRunsOf(facts), unreadable }
}
