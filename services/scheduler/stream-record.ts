import { setTimeout as delay } from 'node:timers/promises'
import type { Bus, Followed, Following } from '#shared/bus.ts'
import { FaultlineError } from '#shared/errors.ts'
import type { FactType } from '#shared/events.ts'

/** NATS did not give what is on record in time. */
export class RecordUnread extends FaultlineError {
  readonly code = 'record_unread'
}

export type OnRecord = Exclude<Followed, { is: 'caught-up' }>

/** `record` and `stream`: what both are called in errors. */
export interface RecordToRead { types: FactType[]; record: string; stream: string; timeoutMs: number }

/** Everything of these types as it stands in the stream now, told one after another. Throws RecordUnread. */
export async function readRecord(bus: Bus, { types, record, stream, timeoutMs }: RecordToRead, tell: (next: OnRecord) => void): Promise<void> {
  const following = bus.follow({ types })
  const over = new AbortController()
  const late = delay(timeoutMs, undefined, { signal: over.signal }).then(() => {
    throw new RecordUnread(`${record} was not read within ${timeoutMs / 1_000} s; is NATS there?`)
  })
  late.catch(() => undefined) // whoever waits for both hears of it
  try {
    await Promise.race([readHistory(following, stream, tell), late])
  } finally {
    over.abort()
    void following.stop() // without NATS it takes longer than anybody would wait
  }
}

async function readHistory(following: Following, stream: string, tell: (next: OnRecord) => void): Promise<void> {
  for await (const next of following) {
    if (next.is === 'caught-up') return
    tell(next)
  }
  throw new RecordUnread(`${stream} ended before all of it was read; is NATS there?`)
}
