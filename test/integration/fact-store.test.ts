import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { connect, nanos, StorageType } from 'nats'
import { pino } from 'pino'
import type { Bus } from '#shared/bus.ts'
import { connectBus } from '#shared/bus-nats.ts'
import { FactAlreadyWritten, FactNotStored } from '#shared/errors.ts'
import { factStreams } from '#shared/events.ts'
import { startNatsDoor, type NatsDoor } from '../parts/nats-door.ts'
import { startNats, type Nats } from '../parts/nats.ts'

/** What is written once: whether it is on record is known, or found out again, or told as unknown; it is never guessed. */
const log = pino({ level: 'silent' })
const stream = factStreams.runs.name
const subject = 'faultline.fact.r.run.judged'
const verdict = (reason: string) => ({ verdict: 'passed' as const, reasons: [reason], revertUnconfirmed: false })
/** How the evaluator asks what is there. */
const look = `$JS.API.STREAM.MSG.GET.${stream}`

interface Room { nats: Nats; door: NatsDoor; bus: Bus; write(options?: { deadlineMs?: number }): Promise<number>; onRecord(): Promise<string[]> }

/** A verdict is on record, behind garbage; another evaluator, whose way to NATS is a door, is about to write one too. */
async function inRoom(act: (room: Room) => Promise<void>, { judged = true } = {}): Promise<void> {
  await using nats = await startNats()
  await using door = await startNatsDoor(nats.servers)
  const raw = await connect({ servers: nats.servers, token: nats.token })
  const first = await connectBus({ servers: nats.servers, token: nats.token, service: 'scheduler', log })
  const bus = await connectBus({ servers: door.servers, token: nats.token, service: 'slo-evaluator', log })
  try {
    await raw.jetstream().publish(subject, 'garbage')
    if (judged) await first.writer('slo-evaluator').write('r', 'run.judged', verdict('first'), { once: true })
    const writer = bus.writer('slo-evaluator')
    await act({
      nats, door, bus,
      write: options => writer.write('r', 'run.judged', verdict('second'), { once: true, ...options }),
      async onRecord() {
        const manager = await raw.jetstreamManager()
        const { state } = await manager.streams.info(stream)
        const found: string[] = []
        for (let seq = 1; seq <= state.last_seq; seq++) {
          const text = (await manager.streams.getMessage(stream, { seq })).string()
          if (text !== 'garbage') found.push(...(JSON.parse(text) as { data: { reasons: string[] } }).data.reasons)
        }
        return found
      },
    })
  } finally {
    await Promise.all([bus.close(), first.close(), raw.close()])
  }
}

test('the connection is lost in the middle of the look: it is looked again, and the verdict that is there is found', () => inRoom(async ({ door, write, onRecord }) => {
  let looks = 0
  door.whenSaid(look, () => {
    looks += 1
    door.whenSaid(look, () => { looks += 1 })
    door.shut()
    door.open()
  })
  await assert.rejects(write(), FactAlreadyWritten)
  assert.equal(looks, 2)
  assert.deepEqual(await onRecord(), ['first'])
}))

test('the connection is lost in the middle of the look, and does not come back: that is told as not stored, so that it is tried again, and no second verdict is there', () => inRoom(async ({ door, write, onRecord }) => {
  door.whenSaid(look, () => door.shut())
  await assert.rejects(write({ deadlineMs: 500 }), FactNotStored)
  door.open()
  await assert.rejects(write(), FactAlreadyWritten)
  assert.deepEqual(await onRecord(), ['first'])
}))

test('the bus is closed in the middle of the look: what could not be seen is not taken for nothing', () => inRoom(async ({ door, bus, write, onRecord }) => {
  door.whenSaid(look, () => {
    door.shut()
    void bus.close()
  })
  await assert.rejects(write(), FactNotStored)
  door.open()
  assert.deepEqual(await onRecord(), ['first'])
}))

test('the stream is gone in the middle of the look: that is told as not stored, within the deadline', () => inRoom(async ({ nats, door, write }) => {
  door.whenSaid(look, async () => {
    const raw = await connect({ servers: nats.servers, token: nats.token })
    await (await raw.jetstreamManager()).streams.delete(stream)
    await raw.close()
  })
  const startedMs = performance.now()
  await assert.rejects(write({ deadlineMs: 500 }), FactNotStored)
  assert.ok(performance.now() - startedMs < 5_000)
}))

test('garbage that comes in the middle of the look does not pass for looked at: what is behind it is found', () => inRoom(async ({ nats, door, write, onRecord }) => {
  door.whenSaid(look, async () => {
    const other = await connectBus({ servers: nats.servers, token: nats.token, service: 'scheduler', log })
    const raw = await connect({ servers: nats.servers, token: nats.token })
    await raw.jetstream().publish(subject, 'garbage')
    await other.writer('slo-evaluator').write('r', 'run.judged', verdict('meanwhile'), { once: true })
    await Promise.all([raw.close(), other.close()])
  })
  await assert.rejects(write(), FactAlreadyWritten)
  assert.deepEqual(await onRecord(), ['meanwhile'])
}, { judged: false }))

test('a verdict that was stored by a try that nobody answered is found as one\'s own, when the server has forgotten its id', async () => {
  await using nats = await startNats()
  const raw = await connect({ servers: nats.servers, token: nats.token })
  const windowMs = 100
  await (await raw.jetstreamManager()).streams.add({ name: stream, subjects: [`${factStreams.runs.subjects}.>`], storage: StorageType.File, duplicate_window: nanos(windowMs) })
  await using door = await startNatsDoor(nats.servers)
  const bus = await connectBus({ servers: door.servers, token: nats.token, service: 'slo-evaluator', log })
  const stored = Promise.withResolvers<void>()
  door.whenTold(`"stream":"${stream}"`, () => { // the acknowledgement, which reaches nobody
    door.shut()
    stored.resolve()
  })
  try {
    const written = bus.writer('slo-evaluator').write('r', 'run.judged', verdict('own'), { once: true })
    await stored.promise
    const later = () => raw.jetstream().publish('faultline.fact.other.run.sealed', 'x', { msgID: 'later' })
    await later()
    while ((await later()).duplicate) await delay(windowMs / 5)
    door.open()
    assert.equal(await written, 1)
    const { state } = await (await raw.jetstreamManager()).streams.info(stream, { subjects_filter: subject })
    assert.deepEqual(state.subjects, { [subject]: 1 })
  } finally {
    await Promise.all([bus.close(), raw.close()])
  }
})
