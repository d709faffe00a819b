import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { FactData, StoredFact } from '#shared/events.ts'
import { emptyGates, fold, recoveryGates, reports } from '#shared/gate-core.ts'
import { judge, printJudgement } from '#shared/verdict.ts'
import { judgeProbes } from '#shared/verdict-probes.ts'
import { ledgerOf, proberFact, samplesOf, type Looking } from '../parts/probe-log.ts'
import { clock, document, injectedMs, logOf, revertedMs, t0, type Story } from '../parts/verdict-log-builder.ts'

const endMs = t0 + 30_000
const gates = [{ name: 'recovered', recoveryTime: { probe: 'orders', max: '10s' } }, { name: 'kept', lostWrites: { probe: 'orders' } }]
const probes = [{ name: 'orders', postgres: { endpoint: 'shop-database' } }]

interface Probed extends Partial<Looking> { story?: Story; ledger?: Partial<FactData<'probe.ledger'>> | null; verify?: boolean; gates?: object[] }

/** A run without load whose prober looks from its start to its end. */
function probed({ story = {}, ledger = {}, verify = true, gates: wanted = gates, ...looking }: Probed = {}): StoredFact[] {
  const written = document({ gates: wanted, load: false }) as object
  const before = logOf({ load: false, ...story, gates: wanted, seal: false }).map(stored => stored.kind === 'run.submitted'
    ? { ...stored, fact: { ...stored.fact, data: { ...stored.fact.data, experiment: { ...written, probes } } } } : stored)
  const sequences = new Map<string, number>()
  for (const { fact: { source, sequence } } of before) sequences.set(source, Math.max(sequence, sequences.get(source) ?? 0))
  let stream = before.length
  let sequence = 0
  const facts: StoredFact[] = [...before]
  const add = (...args: Parameters<typeof proberFact>) => facts.push(proberFact(args[0], args[1], { stream: ++sequence }))
  add('probe.opened', { node: 'n1', probes: ['orders'], atMs: t0, clock })
  for (const data of samplesOf({ fromMs: t0, toMs: endMs, ...looking })) add('probe.samples', data)
  if (ledger) add('probe.ledger', ledgerOf(ledger))
  add('probe.closed', { node: 'n1', atMs: endMs })
  const scheduler = '/faultline/scheduler/1'
  const byScheduler = (type: 'run.phase' | 'run.sealed', data: object) => {
    const next = (sequences.get(scheduler) ?? 0) + 1
    sequences.set(scheduler, next)
    const made = proberFact(type, data as never, { stream: next })
    facts.push({ ...made, fact: { ...made.fact, source: scheduler, id: `${scheduler}/r1/${next}` } } as StoredFact)
  }
  if (verify) byScheduler('run.phase', { phase: 'verify', atMs: endMs })
  byScheduler('run.sealed', { atMs: endMs })
  stream = 0
  return facts.map(stored => ({ ...stored, stream: ++stream }))
}
const failedBetween = (fromMs: number, toMs: number) => (atMs: number) => atMs >= fromMs && atMs < toMs ? 'failed' as const : 'ok' as const
const outage = failedBetween(injectedMs + 200, injectedMs + 2_700)

test('an experiment of probe gates alone passes, with its figures from the slots and the ledger', () => {
  const judgement = judge(probed({ outcomeAt: outage }))
  assert.equal(judgement.verdict, 'passed', judgement.reasons.join('\n'))
  assert.deepEqual(judgement.gates.map(({ name, source, verdict, value }) => [name, source, verdict, value]), [['recovered', 'probe', 'passed', 2.5], ['kept', 'probe', 'passed', 0]])
  assert.deepEqual([judgement.recovery?.met, judgement.recovery?.recoveredInMs], [true, 0], 'long before the fault was reverted')
  const [probe] = judgement.probes
  assert.deepEqual([probe?.attempts, probe?.failures, probe?.rtoMs, probe?.rpoMs, probe?.longestOutageMs, probe?.ledger?.acknowledged], [301, 25, 2_500, 0, 2_500, 90])
})

const notPassed: [name: string, run: Probed, verdict: 'failed' | 'inconclusive', reason: RegExp][] = [
  ['a recovery that took too long', { outcomeAt: failedBetween(injectedMs, injectedMs + 10_100) }, 'failed', /recovered: .*10.1 s/],
  ['a lost write', { outcomeAt: outage, ledger: { missing: 1, oldestMissingAtMs: injectedMs } }, 'failed', /1 of 90 acknowledged writes are missing/],
  ['a system that is not steady by the deadline', { gates: gates.slice(1), outcomeAt: failedBetween(injectedMs, endMs) }, 'failed', /did not recover in time/],
  ['a ledger that never came', { ledger: null }, 'inconclusive', /no ledger came/],
  ['a prober that was blind for three seconds', { outcomeAt: atMs => atMs > t0 + 9_000 && atMs < t0 + 12_000 ? undefined : 'ok' }, 'inconclusive', /no prober that counts watched orders for 3000 ms/],
  ['a probing without an end', { verify: false }, 'inconclusive', /did not come to its end/],
  ['a prober that looked at nothing', { outcomeAt: () => undefined }, 'inconclusive', /no prober that counts watched orders/],
]
for (const [name, run, verdict, reason] of notPassed) {
  test(`does not pass: ${name}`, () => {
    const judgement = judge(probed(run))
    assert.equal(judgement.verdict, verdict, judgement.reasons.join('\n'))
    assert.match(judgement.reasons.join('\n'), reason)
  })
}

test('a refused probe makes the run inconclusive, with the reason', () => {
  const facts = probed()
  const refusal = proberFact('probe.refused', { node: 'n1', probe: 'orders', why: 'no endpoint is called shop-database; known are shop', atMs: t0 }, { prober: 'p2' })
  const judgement = judge([...facts.slice(0, -1), { ...refusal, stream: facts.length }, ...facts.slice(-1).map(stored => ({ ...stored, stream: stored.stream + 1 }))])
  assert.deepEqual([judgement.verdict, judgement.reasons], ['inconclusive', ['the probe orders was refused by the prober on n1: no endpoint is called shop-database; known are shop']])
})

test('a log with probes, shuffled and doubled, is judged to the same bytes', () => {
  const facts = probed({ outcomeAt: outage, ledger: { missing: 1, oldestMissingAtMs: injectedMs } })
  const judged = printJudgement(judge(facts))
  fc.assert(fc.property(fc.shuffledSubarray([...facts, ...facts.slice(0, 50)], { minLength: facts.length + 50 }), shuffled => printJudgement(judge(shuffled)) === judged), { numRuns: 20 })
})

test('a gate on a probe tells of its recovery once the run waits for it', () => {
  const told = (facts: readonly StoredFact[]) => reports(facts.reduce(fold, emptyGates('r1'))).map(({ gate, phase, status, evidence }) => [gate, phase, status, evidence])
  const facts = probed({ outcomeAt: outage })
  const [recovered] = told(facts)
  assert.deepEqual(recovered, ['recovered', 'recovery', 'met', 'the probe orders was steady for 3000 ms from 0 ms after the last fault\'s end (allowed: 10000 ms)'])
  assert.deepEqual(told(facts.filter(({ kind }) => !kind.startsWith('probe'))).map(([, , status]) => status), ['no-data', 'no-data'])
  assert.deepEqual(told(probed({ outcomeAt: failedBetween(injectedMs, endMs) }))[0]?.slice(2), ['missed', 'the probe orders was not steady 10000 ms after the last fault\'s end'])
  assert.deepEqual(told(probed({ toMs: revertedMs + 1_000 }))[0]?.slice(2), ['breaking', 'the probe orders has not been steady for 3000 ms yet'])
  assert.deepEqual(told(facts.filter(stored => stored.kind !== 'run.phase' || stored.fact.data.phase !== 'recover')), [])
})

test('the gates on probes take part in the recovery beside those that look', () => {
  const experiment = emptyGates('r1')
  assert.deepEqual(recoveryGates(experiment.experiment), [])
  const parsed = probed({ gates: [...gates, { name: 'errors', promql: { query: 'x', max: 1 } }, { name: 'again', phase: 'recovery', promql: { query: 'x', max: 1 } }] }).reduce(fold, experiment).experiment
  assert.deepEqual(recoveryGates(parsed).map(({ name }) => name), ['again', 'recovered', 'kept'])
})

test('each probe is told as each prober saw it, by node and then by start', () => {
  const opening = (prober: string, node: string, atMs: number) => proberFact('probe.opened', { node, probes: ['orders'], atMs, clock }, { prober })
  const state = [...probed(), opening('p3', 'n2', t0), opening('p4', 'n0', t0), opening('p2', 'n1', t0 - 1_000)].filter(({ kind }) => kind !== 'run.sealed').reduce(fold, emptyGates('r1'))
  assert.ok(state.experiment)
  assert.deepEqual(judgeProbes(state.experiment, state).map(({ node, attempts, availability, rtoMs, ledger }) => [node, attempts, availability, rtoMs, ledger?.acknowledged]), [
    ['n0', 0, null, null, undefined], ['n1', 0, null, null, undefined], ['n1', 301, 1, 0, 90], ['n2', 0, null, null, undefined],
  ])
})
