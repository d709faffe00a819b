import { setTimeout as delay } from 'node:timers/promises'
import type { Bus, Following } from '#shared/bus.ts'
import { FaultlineError } from '#shared/errors.ts'
import type { StoredFact } from '#shared/events.ts'
import { releaseFacts, releaseRunsOf, type ReleaseRun } from '#shared/release-run.ts'

/** NATS did not give what is on record in time. */
export class RecordUnread extends FaultlineError {
  readonly code = 'record_unread'
}

/** `unreadable`: facts that this version cannot read, in words; whose they are, nobody can tell. */
export interface ReleaseRecord { runs: ReleaseRun[]; unreadable: string[] }

/**
 * All runs as they stand in the stream now. It is read anew each time: what a scheduler has folded may lack, for some seconds after NATS was
 * away, just the run that failed. Throws RecordUnread.
 */
export async function readReleaseRecord(bus: Bus, { timeoutMs }: { timeoutMs: number }): Promise<ReleaseRecord> {
  const facts = bus.follow({ types: releaseFacts })
  const over = new AbortController()
  const late = delay(timeoutMs, undefined, { signal: over.signal }).then(() => {
    throw new RecordUnread(`the record of runs was not read within ${timeoutMs / 1_000} s; is NATS there?`)
  })
  late.catch(() => undefined) // whoever waits for both hears of it
  try {
    return await Promise.race([readHistory(facts), late])
  } finally {
    over.abort()
    void facts.stop() // without NATS it takes longer than anybody would wait
  }
}

async function readHistory(following: Following): Promise<ReleaseRecord> {
  const facts: StoredFact[] = []
  const unreadable: string[] = []
  for await (const next of following) {
    if (next.is === 'fact') facts.push(next.stored)
    if (next.is === 'invalid') unreadable.push(`fact ${next.stream} of the log cannot be read by this version of faultline, so nobody knows what it says: ${next.why}`)
    if (next.is === 'caught-up') return { runs: releaseRunsOf(facts), unreadable }
  }
  throw new RecordUnread('the stream of facts ended before all of it was read; is NATS there?')
}
