import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from 'nats'
import { pino } from 'pino'
import { systemClock } from '#shared/clock.ts'
import { ensureEpochBucket, epochStream, epochSubject } from '../../services/scheduler/epoch.ts'
import { joinLeadership } from '../../services/scheduler/leadership.ts'
import { leaseTimes } from '../../services/scheduler/lease.ts'
import { startNatsDoor } from '../parts/nats-door.ts'
import { startNats } from '../parts/nats.ts'
import { onSteadyMachine } from '../parts/steady-machine.ts'
import { until } from '../parts/until.ts'

const log = pino({ level: 'silent' })

test('the bucket of the lease is lost, and whoever leads is cut off and does not know: nobody leads beside it, and the epoch that comes next is later', () => onSteadyMachine(async () => {
  await using nats = await startNats()
  await using door = await startNatsDoor(nats.servers)
  const join = async (holder: string, servers: string) => {
    const leadership = await joinLeadership({ nats: { servers, token: nats.token }, replicas: 1, holder, address: () => undefined, clock: systemClock, log })
    await leadership.campaign()
    return leadership
  }
  const one = await join('one', door.servers)
  const other = await join('other', nats.servers)
  const raw = await connect({ servers: nats.servers, token: nats.token })
  try {
    await until('it leads', () => one.epoch() !== undefined, 20_000)
    const epoch = one.epoch() ?? assert.fail()
    door.shut()
    await (await raw.jetstreamManager()).streams.delete(epochStream)
    assert.ok(one.epoch(), 'it leads on until its lease is over')
    await until('the other leads', () => {
      assert.ok(!(one.epoch() && other.epoch()), 'two lead')
      return other.epoch() !== undefined
    }, 20_000, { lookMs: 1 })
    const next = other.epoch() ?? assert.fail()
    assert.ok(next.bucketCreatedMs > epoch.bucketCreatedMs && next.revision > epoch.revision, JSON.stringify([epoch, next]))
    door.open()
    await until('the one that was cut off knows who leads', () => one.leader()?.holder === 'other', 20_000)
    assert.deepEqual([one.epoch(), other.epoch()], [undefined, next])
  } finally {
    door.open()
    await Promise.all([one.stop(), other.stop(), raw.close()])
  }
}))

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

test('who is about to take an empty lease when its bucket is lost again is refused by the next, although nothing is in that either, and waits anew', async () => {
  await using nats = await startNats()
  await using door = await startNatsDoor(nats.servers)
  const raw = await connect({ servers: nats.servers, token: nats.token })
  const manager = await raw.jetstreamManager()
  const late = await joinLeadership({ nats: { servers: door.servers, token: nats.token }, replicas: 1, holder: 'late', address: () => undefined, clock: systemClock, log })
  let remadeAtMs: number | undefined
  door.whenSaid('"holder":"late"', async () => { // between its choice and the server
    await manager.streams.delete(epochStream)
    await ensureEpochBucket(manager, 1)
    remadeAtMs = performance.now()
  })
  try {
    await late.campaign()
    await until('it leads', () => late.epoch() !== undefined, 20_000)
    const waitedMs = performance.now() - (remadeAtMs ?? assert.fail('the bucket was not lost'))
    assert.ok(waitedMs >= leaseTimes.goneMs, `it led ${Math.round(waitedMs)} ms after the bucket was there, in which another may have led in the one before`)
  } finally {
    await Promise.all([late.stop(), raw.close()])
  }
})
