import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import type { Bus } from '#shared/bus.ts'
import { connectBus } from '#shared/bus-nats.ts'
import { systemClock } from '#shared/clock.ts'
import type { FactType, StoredFact } from '#shared/events.ts'
import { newSigningKey, signerOf, type Signer } from '#shared/signing-key.ts'
import { judge, printJudgement } from '#shared/verdict.ts'
import { printEventLog } from '../../services/cli/report/event-log.ts'
import { startSloEvaluator } from '../../services/slo-evaluator/service.ts'
import { startNats, type Nats } from '../parts/nats.ts'
import { recordOf, saidAgainst, verifyLines } from '../parts/signed-record.ts'
import { duringFault, logOf, t0 } from '../parts/verdict-log-builder.ts'

const log = pino({ level: 'silent' })
/** The scripted runs have dates of their own; the evaluator's clock stands before them, so that only the log's ticks tell time. */
const clock = { ...systemClock, nowMs: () => t0 }
const connect = (nats: Nats, service: string) => connectBus({ servers: nats.servers, token: nats.token, service, log })

/** An evaluator with a connection of its own; both end with `stop`. */
async function startOn(nats: Nats, signer?: Signer): Promise<{ stop(): Promise<void> }> {
  const bus = await connect(nats, 'slo-evaluator')
  const evaluator = await startSloEvaluator({ bus, clock, log, ...(signer && { signer: () => signer }) })
  return {
    async stop() {
      await evaluator.stop()
      await bus.close()
    },
  }
}

/** Writes facts as their services would, one after another. */
async function replay(bus: Bus, run: string, facts: readonly StoredFact[], writers = new Map<string, ReturnType<Bus['writer']>>()) {
  for (const { kind, fact } of facts) {
    const service = fact.source.split('/')[2] ?? ''
    const writer = writers.get(service) ?? bus.writer(service)
    writers.set(service, writer)
    await writer.write(run, kind, fact.data)
  }
  return writers
}

/** Every fact of a run up to and with the first of a type. */
async function until(bus: Bus, run: string, type: FactType): Promise<StoredFact[]> {
  await using following = bus.follow({ run })
  const facts: StoredFact[] = []
  for await (const followed of following) {
    if (followed.is === 'fact') facts.push(followed.stored)
    if (followed.is === 'fact' && followed.stored.kind === type) break
  }
  return facts
}

test('a run is judged once, as its facts say, and a breach is told before that', async () => {
  await using nats = await startNats()
  const bus = await connect(nats, 'test')
  const evaluator = await startOn(nats)
  const broken = { ok: { 20: 1 }, failed: { 20: 9 } }
  const abort = { cause: 'gate' as const, detail: 'errors: broken', gate: 'errors', atMs: t0 + 8_300 }
  await replay(bus, 'r1', logOf({ sampleAt: duringFault(broken, abort.atMs), abort }))
  const facts = await until(bus, 'r1', 'run.judged')
  const judged = facts.at(-1)
  assert.ok(judged?.kind === 'run.judged')
  assert.deepEqual(judged.fact.data, { verdict: 'failed', reasons: ['errors: broken'], revertUnconfirmed: false })
  assert.equal(judge(facts).verdict, 'failed')
  assert.equal(printJudgement(judge(facts.toReversed())), printJudgement(judge(facts)))
  const told = facts.flatMap(stored => stored.kind === 'gate.status' ? [`${stored.fact.data.phase} ${stored.fact.data.status}`] : [])
  assert.ok(told.includes('during breached') && told.includes('recovery met'), told.join(', '))
  assert.equal(new Set(told).size, told.length, told.join(', '))
  await evaluator.stop()
  await bus.close()
})

test('an evaluator that starts in mid-run takes up what it finds, and a judged run is not judged again', async () => {
  await using nats = await startNats()
  const bus = await connect(nats, 'test')
  const script = logOf()
  const cut = script.findIndex(({ kind, fact }) => kind === 'slo.tick' && 'atMs' in fact.data && fact.data.atMs === t0 + 12_000)
  const first = await startOn(nats)
  const writers = await replay(bus, 'r1', script.slice(0, cut))
  await first.stop()
  await replay(bus, 'r1', script.slice(cut), writers)
  const second = await startOn(nats)
  const judged = (await until(bus, 'r1', 'run.judged')).at(-1)
  assert.ok(judged?.kind === 'run.judged')
  assert.equal(judged.fact.data.verdict, 'passed', judged.fact.data.reasons.join('\n'))
  await second.stop()

  const third = await startOn(nats)
  await replay(bus, 'r2', script)
  await until(bus, 'r2', 'run.judged') // by then it would have judged the first run again
  await third.stop()
  await using following = bus.follow({ types: ['run.judged'] })
  const runs: string[] = []
  for await (const followed of following) {
    if (followed.is === 'caught-up') break
    if (followed.is === 'fact') runs.push(followed.stored.fact.subject)
  }
  assert.deepEqual(runs, ['r1', 'r2'])
  await bus.close()
})

test('two evaluators that judge the same run write one verdict, signed by the one that was first, and it verifies', async () => {
  await using nats = await startNats()
  const bus = await connect(nats, 'test')
  const signers = [signerOf(newSigningKey().seed), signerOf(newSigningKey().seed)]
  const evaluators = await Promise.all(signers.map(signer => startOn(nats, signer)))
  const runs = ['r1', 'r2', 'r3']
  const script = recordOf(logOf()).filter(({ kind }) => kind !== 'run.judged' && kind !== 'load.stats')
  await Promise.all(runs.map(run => replay(bus, run, script)))
  await Promise.all(runs.map(run => until(bus, run, 'run.judged')))
  await Promise.all(evaluators.map(evaluator => evaluator.stop())) // what they were about to write is written, or was refused
  for (const run of runs) {
    await using following = bus.follow({ run })
    const facts: StoredFact[] = []
    for await (const followed of following) {
      if (followed.is === 'caught-up') break
      if (followed.is === 'fact') facts.push(followed.stored)
    }
    assert.equal(facts.filter(({ kind }) => kind === 'run.judged').length, 1)
    const found = await verifyLines(printEventLog(facts).trimEnd().split('\n'), signers.map(({ publicKey }) => publicKey))
    assert.deepEqual([found.result, found.verdict, saidAgainst(found)], ['verified', 'passed', ''])
  }
  await bus.close()
})
