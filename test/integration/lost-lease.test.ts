import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from 'nats'
import { pino } from 'pino'
import { systemClock } from '#shared/clock.ts'
import type { Epoch } from '#shared/events.ts'
import { ensureEpochBucket, epochStream, epochSubject } from '../../services/scheduler/epoch.ts'
import { joinLeadership } from '../../services/scheduler/leadership.ts'
import { startNats } from '../parts/nats.ts'
import { until } from '../parts/until.ts'

const log = pino({ level: 'silent' })
const rounds = 6

test('the bucket of the lease is lost while one leads: two never lead at once, and the epoch that comes next is later than any before', async () => {
  await using nats = await startNats()
  const raw = await connect({ servers: nats.servers, token: nats.token })
  const manager = await raw.jetstreamManager()
  const both = await Promise.all(['one', 'other'].map(holder => joinLeadership({ nats, replicas: 1, holder, address: () => undefined, clock: systemClock, log })))
  await Promise.all(both.map(leadership => leadership.campaign()))
  const leading = () => {
    const epochs = both.flatMap(leadership => leadership.epoch() ?? [])
    assert.ok(epochs.length < 2, `two lead: ${JSON.stringify(epochs)}`)
    return epochs[0]
  }
  const untilLeading = async (afterRevision: number) => {
    let found: Epoch | undefined
    await until(`one leads with a later epoch than ${afterRevision}`, () => {
      const epoch = leading()
      if (epoch && epoch.revision > afterRevision) found = epoch
      return found !== undefined
    }, 10_000, { lookMs: 1 })
    return found ?? assert.fail()
  }
  try {
    let epoch = await untilLeading(0)
    for (let round = 0; round < rounds; round++) {
      await manager.streams.delete(epochStream)
      const next = await untilLeading(epoch.revision)
      assert.ok(next.bucketCreatedMs > epoch.bucketCreatedMs)
      epoch = next
    }
  } finally {
    await Promise.all(both.map(leadership => leadership.stop()))
    await raw.close()
  }
})

test('what renews a lease in a bucket that is lost is refused by the one in its place, however many revisions that has', async () => {
  await using nats = await startNats()
  const raw = await connect({ servers: nats.servers, token: nats.token })
  const manager = await raw.jetstreamManager()
  const write = (over?: number) => raw.jetstream().publish(epochSubject, '', over === undefined ? {} : { expect: { lastSubjectSequence: over } })
  await ensureEpochBucket(manager, 1)
  const { seq: remembered } = await write()
  await manager.streams.delete(epochStream)
  await ensureEpochBucket(manager, 1)
  for (let writes = 0; writes < 5; writes++) {
    await write()
    await assert.rejects(write(remembered), /wrong last sequence/)
  }
  await raw.close()
})
