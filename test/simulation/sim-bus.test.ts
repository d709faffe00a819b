import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Followed } from '#shared/bus.ts'
import { CommandUnanswered, FactNotStored, MessageInvalid } from '#shared/errors.ts'
import { Chance } from './chance.ts'
import { Ledger } from './ledger.ts'
import { Machine } from './machine.ts'
import { SimBus } from './sim-bus.ts'
import { Nats, type Weather } from './sim-nats.ts'
import { inVirtualTime } from './virtual-time.ts'
import { World } from './world.ts'

/** The contract of test/integration/bus.test.ts, as far as a bus without a server and signatures can be held to it. */
const fair: Weather = { signal: () => [0], command: () => [0], losesAnswer: () => false, losesAck: () => false, stalls: () => false }
const tick = (atMs: number) => ({ atMs })

/** Runs `use` as a process of its own machine, until nothing is left to happen. */
async function onBus(use: (at: { bus: SimBus; nats: Nats; machine: Machine; other: SimBus }) => Promise<void>, weather: Partial<Weather> = {}): Promise<void> {
  const world = new World()
  const nats = new Nats(world, { ...fair, ...weather })
  const ledger = new Ledger()
  const machine = new Machine(world, 'm')
  const outcome = Promise.withResolvers<void>()
  await inVirtualTime(world, async () => {
    machine.start('test', process => {
      const bus = new SimBus({ nats, machine, process, chance: new Chance(1), ledger })
      const elsewhere = new Machine(world, 'elsewhere')
      elsewhere.start('other', own => {
        const other = new SimBus({ nats, machine: elsewhere, process: own, chance: new Chance(2), ledger })
        world.after(0, process, () => void use({ bus, nats, machine, other }).then(outcome.resolve, outcome.reject))
      })
    })
    await world.run({ isOver: () => false, mostMs: 60_000, eachStep: () => undefined })
    outcome.reject(new Error('it has not come to its end'))
    await outcome.promise
  })
}

test('facts come back in the order in which one source wrote them, numbered from 1 for each run, and history ends once', async () => {
  await onBus(async ({ bus }) => {
    const writer = bus.writer('scheduler')
    await Promise.all(Array.from({ length: 20 }, (_, n) => writer.write(n % 2 === 0 ? 'even' : 'odd', 'slo.tick', tick(n))))
    const seen: Followed[] = []
    for await (const next of bus.follow({ run: 'even' })) {
      seen.push(next)
      if (next.is === 'caught-up') break
    }
    const facts = seen.flatMap(next => next.is === 'fact' ? [next.stored.fact] : [])
    assert.deepEqual(facts.map(({ data }) => data), Array.from({ length: 10 }, (_, n) => tick(2 * n)))
    assert.deepEqual(facts.map(({ sequence }) => sequence), Array.from({ length: 10 }, (_, n) => n + 1))
  })
})

test('a fact whose acknowledgement is lost is asked for again, and stored once', async () => {
  let losses = 2
  await onBus(async ({ bus, nats }) => {
    assert.equal(await bus.writer('scheduler').write('r', 'slo.tick', tick(1)), 1)
    assert.equal(nats.facts.length, 1)
    assert.equal(losses, -1)
  }, { losesAck: () => losses-- > 0 })
})

test('a fact that cannot be stored is reported, and one that is not in the catalogue is refused before it is sent', async () => {
  await onBus(async ({ bus, nats, machine }) => {
    await assert.rejects(bus.writer('scheduler').write('r', 'slo.tick', tick(-1)), MessageInvalid)
    machine.isCutOff = true
    await assert.rejects(bus.writer('scheduler').write('r', 'slo.tick', tick(1), { deadlineMs: 3_000 }), FactNotStored)
    assert.equal(nats.facts.length, 0)
  })
})

test('a command is answered, fails at once when nobody listens, and in time when the answer is lost', async () => {
  let isLost = false
  await onBus(async ({ bus, other, machine: { world } }) => {
    await assert.rejects(bus.request('load-stop', 'locust-bridge', { run: 'r' }, { timeoutMs: 5_000 }), (error: unknown) => error instanceof CommandUnanswered && /nobody listens/.test(error.message))
    assert.ok(world.nowMs < 100)
    other.answer('load-stop', 'locust-bridge', () => Promise.resolve({ outcome: 'done' }))
    assert.deepEqual(await bus.request('load-stop', 'locust-bridge', { run: 'r' }, { timeoutMs: 5_000 }), { outcome: 'done' })
    isLost = true
    await assert.rejects(bus.request('load-stop', 'locust-bridge', { run: 'r' }, { timeoutMs: 5_000 }), CommandUnanswered)
    assert.ok(world.nowMs >= 5_000)
  }, { losesAnswer: () => isLost })
})
