import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from 'nats'
import { pino } from 'pino'
import type { Bus, Followed, Following } from '#shared/bus.ts'
import { connectBus, newCommandKeys } from '#shared/bus-nats.ts'
import { CommandUnanswered, FactAlreadyWritten, FactNotStored, MessageInvalid, NatsUnreachable } from '#shared/errors.ts'
import { factStreams, type StoredFact } from '#shared/events.ts'
import { startNats, type Nats } from '../parts/nats.ts'

const log = pino({ level: 'silent' })
const keys = newCommandKeys()
const open = ({ servers, token }: Nats, service = 'scheduler') => connectBus({ servers, token, service, log, ...keys })
const tick = (atMs: number) => ({ atMs })

async function take(following: Following, until: (seen: Followed[]) => boolean): Promise<Followed[]> {
  const seen: Followed[] = []
  for await (const next of following) {
    seen.push(next)
    if (until(seen)) break
  }
  await following.stop()
  return seen
}
const facts = (seen: Followed[]): StoredFact[] => seen.flatMap(next => next.is === 'fact' ? [next.stored] : [])

test('facts come back in the order in which one source wrote them, numbered from 1 for each run, and history ends once', async () => {
  await using nats = await startNats()
  const bus = await open(nats)
  const writer = bus.writer('scheduler')
  await Promise.all([...Array(50).keys()].map(n => writer.write(n % 2 === 0 ? 'even' : 'odd', 'slo.tick', tick(n))))
  const seen = await take(bus.follow({ run: 'even' }), all => all.at(-1)?.is === 'caught-up')
  assert.deepEqual(facts(seen).map(({ fact }) => fact.data), [...Array(25).keys()].map(n => tick(n * 2)))
  assert.deepEqual(facts(seen).map(({ fact }) => fact.sequence), [...Array(25).keys()].map(n => n + 1))
  assert.equal(seen.filter(next => next.is === 'caught-up').length, 1)
  await bus.close()
})

test('a follower of an empty stream is told at once that history is over, then hears what comes', async () => {
  await using nats = await startNats()
  const bus = await open(nats)
  const following = bus.follow({ types: ['run.sealed'] })
  const writer = bus.writer('scheduler')
  const seen = await take(following, all => {
    if (all.length === 1) void writer.write('r', 'slo.tick', tick(1)).then(() => writer.write('r', 'run.sealed', tick(2)))
    return all.length === 2
  })
  assert.equal(seen[0]?.is, 'caught-up')
  assert.equal(facts(seen)[0]?.kind, 'run.sealed')
  await bus.close()
})

test('a fact written while the server is killed and restarted is stored exactly once', async () => {
  await using nats = await startNats()
  const bus = await open(nats)
  const writer = bus.writer('scheduler')
  await writer.write('r', 'slo.tick', tick(0))
  await nats.kill()
  const written = Promise.all([1, 2, 3].map(n => writer.write('r', 'slo.tick', tick(n), { deadlineMs: 20_000 })))
  await nats.restart()
  await written
  const seen = await take(bus.follow({ run: 'r' }), all => all.at(-1)?.is === 'caught-up')
  assert.deepEqual(facts(seen).map(({ fact }) => fact.data), [0, 1, 2, 3].map(tick))
  await bus.close()
})

test('a follower whose consumer is lost while his connection stays hears on within seconds, and misses nothing; so does another beside him', async () => {
  await using nats = await startNats()
  const bus = await open(nats)
  const writer = bus.writer('scheduler')
  const first = Promise.withResolvers<void>()
  const hearing = ['one', 'other'].map(run => take(bus.follow({ run }), all => {
    if (run === 'one' && facts(all).length === 1) first.resolve()
    return facts(all).length === 3
  }))
  const write = (...numbers: number[]) => Promise.all(['one', 'other'].flatMap(run => numbers.map(n => writer.write(run, 'slo.tick', tick(n)))))
  await write(1)
  await first.promise
  const connection = await connect({ servers: nats.servers, token: nats.token })
  const { consumers } = await connection.jetstreamManager()
  for await (const { name } of consumers.list(factStreams.runs.name)) await consumers.delete(factStreams.runs.name, name)
  const lostMs = performance.now()
  await write(2, 3)
  for (const heard of await Promise.all(hearing)) assert.deepEqual(facts(heard).map(({ fact }) => fact.data), [1, 2, 3].map(tick))
  const tookMs = Math.round(performance.now() - lostMs)
  assert.ok(tookMs < 15_000, `${tookMs} ms`)
  await connection.close()
  await bus.close()
})

test('a fact that cannot be stored is reported, and one that is not in the catalogue is refused before it is sent', async () => {
  await using nats = await startNats()
  const bus = await open(nats)
  const writer = bus.writer('scheduler')
  await assert.rejects(writer.write('r', 'slo.tick', { atMs: -1 }), MessageInvalid)
  await nats.kill()
  await assert.rejects(writer.write('r', 'slo.tick', tick(1), { deadlineMs: 300 }), FactNotStored)
  await bus.close()
})

test('what is no fact does not keep one that is written once from its place, and makes no room for a second', async () => {
  await using nats = await startNats()
  const bus = await open(nats)
  const raw = await connect({ servers: nats.servers, token: nats.token })
  const verdict = { verdict: 'passed' as const, reasons: ['a'], revertUnconfirmed: false }
  const garbage = async () => { await raw.jetstream().publish('faultline.fact.r.run.judged', 'garbage') }
  await garbage()
  await garbage()
  await bus.writer('a').write('r', 'run.judged', verdict, { once: true })
  await garbage()
  await assert.rejects(bus.writer('b').write('r', 'run.judged', verdict, { once: true }), FactAlreadyWritten)
  await raw.close()
  await bus.close()
})

test('of a fact that is written once the first is stored, whoever writes it, for each run and type by itself', async () => {
  await using nats = await startNats()
  const bus = await open(nats)
  const verdict = (reason: string) => ({ verdict: 'passed' as const, reasons: [reason], revertUnconfirmed: false })
  const outcomes = await Promise.allSettled(['a', 'b', 'c'].map(name => bus.writer(name).write('r', 'run.judged', verdict(name), { once: true })))
  assert.deepEqual(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected', 'rejected'])
  for (const outcome of outcomes) if (outcome.status === 'rejected') assert.ok(outcome.reason instanceof FactAlreadyWritten, String(outcome.reason))
  const [one, other] = [bus.writer('d'), bus.writer('d')]
  await one.write('other', 'run.judged', verdict('d'), { once: true })
  await one.write('r', 'run.sealed', { atMs: 1 }, { once: true })
  await assert.rejects(other.write('r', 'run.sealed', { atMs: 2 }, { once: true }), FactAlreadyWritten)
  await other.write('r', 'run.sealed', { atMs: 3 })
  const seen = await take(bus.follow({ run: 'r' }), all => all.at(-1)?.is === 'caught-up')
  assert.deepEqual(facts(seen).map(({ kind }) => kind), ['run.judged', 'run.sealed', 'run.sealed'])
  await bus.close()
})

test('a fact that is written once while the server is away is stored, and its writer is told so', async () => {
  await using nats = await startNats()
  const bus = await open(nats)
  await nats.kill()
  const written = bus.writer('a').write('r', 'run.sealed', { atMs: 1 }, { deadlineMs: 20_000, once: true })
  await nats.restart()
  assert.equal(await written, 1)
  await bus.close()
})

test('a signed command is answered, one with another signature or none is refused, and one that nobody hears fails at once', async () => {
  await using nats = await startNats()
  const [scheduler, agent] = [await open(nats), await open(nats, 'injector')]
  const stranger = await connectBus({ servers: nats.servers, token: nats.token, service: 'x', log, signingSeed: newCommandKeys().signingSeed })
  const unsigned = await connectBus({ servers: nats.servers, token: nats.token, service: 'x', log })
  const obeyed: string[] = []
  for (const [bus, name] of [[unsigned, 'keyless'], [agent, 'n1']] as const) {
    bus.answer('revert', name, async ({ run }) => {
      obeyed.push(run)
      return { outcome: 'done', held: true }
    })
  }
  const ask = (bus: Bus, to: string, run: string) => bus.request('revert', to, { run, fault: '1-pause' }, { timeoutMs: 20_000 })
  await untilHeard(() => ask(scheduler, 'n1', 'a'))
  assert.deepEqual(await ask(scheduler, 'n1', 'b'), { outcome: 'done', held: true })
  assert.equal((await ask(stranger, 'n1', 'c')).outcome, 'refused')
  assert.equal((await ask(unsigned, 'n1', 'd')).outcome, 'refused')
  await assert.rejects(ask(scheduler, 'n2', 'e'), CommandUnanswered)
  for (const bus of [scheduler, unsigned]) assert.equal((await ask(bus, 'keyless', 'f')).outcome, 'refused', 'who knows no key obeys nobody')
  assert.deepEqual(obeyed.filter(run => run !== 'a'), ['b'])
  await Promise.all([scheduler, agent, stranger, unsigned].map(bus => bus.close()))
})

test('once it is settled, whoever asks finds who answers; with the server gone that is not waited for', async () => {
  await using nats = await startNats()
  await using buses = new AsyncDisposableStack()
  const [scheduler, agent] = [await open(nats), await open(nats, 'injector')]
  for (const bus of [scheduler, agent]) buses.defer(() => bus.close())
  for (let index = 0; index < 50; index++) {
    agent.answer('revert', `n${index}`, async () => ({ outcome: 'done', held: false }))
    await agent.settled()
    assert.equal((await scheduler.request('revert', `n${index}`, { run: 'r', fault: '1-pause' }, { timeoutMs: 20_000 })).outcome, 'done')
  }
  await nats.kill()
  await agent.settled()
})

test('a signal reaches every listener with its name, and an unsigned abort none', async () => {
  await using nats = await startNats()
  const [scheduler, agent] = [await open(nats), await open(nats, 'injector')]
  const unsigned = await connectBus({ servers: nats.servers, token: nats.token, service: 'x', log })
  const heard: string[] = []
  const often = Promise.withResolvers<void>()
  agent.onSignal('abort', '*', ({ run }, to) => {
    heard.push(`${run} to ${to}`)
    if (heard.length === 10) often.resolve()
  })
  const repeating = setInterval(() => {
    unsigned.signal('abort', 'forged', { run: 'forged', sentAtMs: 1 })
    scheduler.signal('abort', 'r1', { run: 'r1', sentAtMs: 1 })
  }, 20)
  await often.promise // of two connections either may be a little behind
  clearInterval(repeating)
  await Promise.all([scheduler, agent, unsigned].map(bus => bus.close()))
  assert.deepEqual([...new Set(heard)], ['r1 to r1'])
})

test('a server that is not there is named with the next step', async () => {
  await assert.rejects(connectBus({ servers: '127.0.0.1:1', service: 'x', log }), (error: unknown) => error instanceof NatsUnreachable && error.message.includes('127.0.0.1:1'))
})

/** Subscriptions of another connection take a moment to reach the server. */
async function untilHeard(ask: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await ask()
      return
    } catch (error) {
      if (!(error instanceof CommandUnanswered)) throw error
    }
  }
}
