import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StoredFact } from '#shared/events.ts'
import { emptyGates, fold } from '#shared/gate-core.ts'
import { advance, beginWatch } from '#shared/gate-watch.ts'
import { freshLooks, looksOf } from '#shared/look-record.ts'
import { instantSelectors } from '#shared/prometheus-freshness.ts'
import { begin, step, type Effect, type EvaluatorState } from '../../services/slo-evaluator/core.ts'
import { document, duringFault, errorsGate, injectedMs, LogBuilder, logOf, promGate, revertedMs, sample, t0, type Story } from '../parts/verdict-log-builder.ts'

const broken = { ok: { 20: 1 }, failed: { 20: 9 } }
const dateOf = ({ fact: { data } }: StoredFact) => 'atMs' in data ? data.atMs : 'endMs' in data ? data.endMs : 'answeredAtMs' in data ? data.answeredAtMs : undefined

/** The core live through a whole log: every effect, with the time at which it came. */
function play(facts: readonly StoredFact[], liveFrom = 0): { effects: (Effect & { nowMs: number })[]; state: EvaluatorState } {
  let state = begin('r1')
  let nowMs = t0
  const effects: (Effect & { nowMs: number })[] = []
  const take = (input: Parameters<typeof step>[1]) => {
    const next = step(state, input, nowMs)
    state = next.state
    effects.push(...next.effects.map(effect => ({ ...effect, nowMs })))
  }
  for (const [index, stored] of facts.entries()) {
    if (index === liveFrom) take({ is: 'caught-up' })
    nowMs = Math.max(nowMs, dateOf(stored) ?? 0)
    take({ is: 'fact', stored })
    take({ is: 'tick' })
  }
  return { effects, state }
}

const statuses = (story: Story) => play(logOf(story)).effects.flatMap(effect => effect.effect === 'status' ? [`${effect.data.phase}/${effect.data.gate} ${effect.data.status}`] : [])

test('the gates of a good run are told as holding, then as met, each once', () => {
  assert.deepEqual(statuses({}), ['during/errors pending', 'during/errors holding', 'recovery/errors pending', 'recovery/errors met'])
})

test('a steady gate holds only after as many looks as a breach would take', () => {
  const { effects } = play(logOf({ gates: [{ ...errorsGate, phase: 'steady' }] }))
  const holding = effects.find(effect => effect.effect === 'status' && effect.data.status === 'holding')
  assert.ok(holding && holding.nowMs >= t0 + 3_000 && holding.nowMs < injectedMs)
})

test('a breach is told with the third breaking block, within 200 ms of its end', () => {
  const { effects } = play(logOf({ sampleAt: duringFault(broken) }))
  const breached = effects.find(effect => effect.effect === 'status' && effect.data.status === 'breached')
  assert.ok(breached?.effect === 'status')
  assert.equal(breached.data.lookEndMs, injectedMs + 3_000)
  assert.ok(breached.nowMs - breached.data.lookEndMs <= 200)
})

test('without faults the gates are watched from the begin of the hold, told as closed after its end, and none recovers', () => {
  assert.deepEqual(statuses({ fault: 'none' }), ['during/errors pending', 'during/errors holding'])
  const { effects, state } = play(logOf({ fault: 'none', gates: [{ ...errorsGate, name: 'before', phase: 'steady' }, errorsGate] }))
  assert.deepEqual(state.gates.watches.map(({ gate, startMs, end }) => [gate.name, startMs, end]), [
    ['before', t0, { atMs: injectedMs, complete: true }], ['errors', injectedMs, { atMs: revertedMs, complete: true }],
  ])
  assert.deepEqual(effects.flatMap(effect => effect.effect === 'closed' ? [effect.nowMs >= revertedMs] : []), [true])
})

test('a silent load is told as no data, then as unreadable', () => {
  assert.deepEqual(statuses({ sampleAt: duringFault(null) }).slice(0, 3), ['during/errors pending', 'during/errors no-data', 'during/errors unreadable'])
})

test('a recovery that never holds is told as missed, one that cannot be read as unreadable', () => {
  assert.equal(statuses({ sampleAt: atMs => atMs > injectedMs + 9_000 ? broken : {} }).at(-1), 'recovery/errors missed')
  assert.equal(statuses({ sampleAt: atMs => atMs > revertedMs ? null : {} }).at(-1), 'recovery/errors unreadable')
})

test('a recovery is told only once the run recovers, though an instant fault was over long before', () => {
  const { effects } = play(logOf({ fault: 'kill' }))
  const met = effects.find(effect => effect.effect === 'status' && effect.data.status === 'met')
  assert.ok(met && met.nowMs >= revertedMs)
})

test('the during phase is told as closed once, when its last look is in: by an answer, or when one would be late', () => {
  const closings = (story: Story) => play(logOf(story)).effects.flatMap(effect => effect.effect === 'closed' ? [effect.nowMs - revertedMs] : [])
  assert.deepEqual(closings({}), [0], 'a block is complete with its last sample')
  const answerAt = (atMs: number) => ({ is: 'value' as const, value: 0.5, ...(atMs === revertedMs && { lateMs: 700 }) })
  assert.deepEqual(closings({ gates: [promGate], answerAt }), [700], 'the last answer is waited for')
  const [late] = closings({ gates: [promGate] })
  assert.ok(late !== undefined && late > 2_000 && late <= 3_000, `closed ${late} ms after the end without any answer`)
})

test('after a restart in mid-run the core tells only what is new, and asks and judges once', () => {
  const facts = logOf()
  const told = facts.findIndex(({ kind, fact }) => kind === 'slo.tick' && 'atMs' in fact.data && fact.data.atMs === injectedMs + 6_000)
  const log = new LogBuilder()
  for (const { kind, fact } of facts.slice(0, told)) log.add(kind, fact.data)
  log.add('gate.status', { gate: 'errors', phase: 'during', status: 'holding', lookEndMs: t0, evidence: 'x', atMs: t0 })
  for (const { kind, fact } of facts.slice(told)) log.add(kind, fact.data)
  const { effects, state } = play(log.facts, told + 1)
  assert.deepEqual(effects.flatMap(effect => effect.effect === 'status' ? [effect.data.status] : []), ['pending', 'met'])
  assert.equal(effects.filter(({ effect }) => effect === 'judge').length, 1)
  assert.deepEqual(step(state, { is: 'tick' }, t0 + 99_000).effects, [])
})

test('a status of its own that comes back late, after a newer one was told, makes it tell nothing again', () => {
  const log = new LogBuilder()
  for (const { kind, fact } of logOf()) {
    log.add(kind, fact.data)
    if (kind === 'fault.reverted') log.add('gate.status', { gate: 'errors', phase: 'during', status: 'pending', lookEndMs: t0, evidence: 'x', atMs: t0 })
  }
  assert.deepEqual(play(log.facts).effects.flatMap(effect => effect.effect === 'status' ? [effect.data.status] : []), ['pending', 'holding', 'pending', 'met'])
})

test('a run that was judged already is left alone', () => {
  const log = new LogBuilder()
  for (const { kind, fact } of logOf()) log.add(kind, fact.data)
  log.add('run.judged', { verdict: 'passed', reasons: [], revertUnconfirmed: false })
  assert.deepEqual(play(log.facts, log.facts.length - 1).effects.filter(({ effect }) => effect !== 'judge'), [])
  let state = begin('r1')
  for (const stored of log.facts) state = step(state, { is: 'fact', stored }, t0).state
  assert.deepEqual(step(state, { is: 'caught-up' }, t0).effects, [])
})

test('Prometheus is asked once for each look of the phase, at its very date, and for the history once', () => {
  const { effects } = play(logOf({ gates: [promGate], answerAt: () => ({ is: 'value', value: 0 }) }))
  const asked = effects.flatMap(effect => effect.effect === 'ask' ? [effect.evaluatedAtMs] : [])
  assert.equal(new Set(asked).size, asked.length)
  assert.deepEqual(asked.slice(0, 9), Array.from({ length: 9 }, (_, index) => injectedMs + 1_000 * (index + 1)))
  const histories = effects.filter(({ effect }) => effect === 'history')
  assert.equal(histories.length, 1)
  assert.deepEqual(histories.map(each => each.effect === 'history' && [each.startMs, each.endMs, each.stepMs]), [[injectedMs, revertedMs, 100]])
})

test('the counters of a gate with a limit are asked for once a block, each time for what is new, and no history of them', () => {
  const gate = { name: 'asked', limit: 'rate', block: '2s', errorRate: { max: '1%', total: 'a_total', bad: 'b_total' } }
  const counters = { is: 'counters' as const, series: [], scrapeIntervalMs: 500, counted: true as const }
  const { effects } = play(logOf({ gates: [gate], answerAt: atMs => atMs > revertedMs ? { is: 'value', value: 0 } : counters }))
  const counts = effects.flatMap(effect => effect.effect === 'count' ? [[effect.evaluatedAtMs - injectedMs, effect.wanted.sinceMs - injectedMs, effect.wanted.fromMs - injectedMs]] : [])
  assert.deepEqual(counts, [[2_000, 0, -300_000], [4_000, 0, 0], [6_000, 2_000, 2_000], [8_000, 4_000, 4_000], [10_000, 6_000, 6_000]])
  assert.equal(effects.filter(({ effect }) => effect === 'history').length, 0)
  assert.ok(effects.some(effect => effect.effect === 'ask' && effect.evaluatedAtMs > revertedMs), 'the recovery is asked of the same gate by looks')
})

test('a history that is in the log already is not asked for again', () => {
  const facts = logOf({ gates: [promGate], history: [] })
  const restart = facts.findIndex(({ kind }) => kind === 'slo.history') + 1
  assert.equal(play(facts, restart).effects.filter(({ effect }) => effect === 'history').length, 0)
})

test('a look that fell into a restart is not asked for when its answer would be late', () => {
  const facts = logOf({ gates: [promGate] })
  const restart = facts.findIndex(({ kind, fact }) => kind === 'slo.tick' && 'atMs' in fact.data && fact.data.atMs === injectedMs + 5_000)
  const asked = play(facts, restart).effects.flatMap(effect => effect.effect === 'ask' ? [effect.evaluatedAtMs] : [])
  assert.ok(asked.length > 0 && asked.every(atMs => atMs >= injectedMs + 3_000 - 1_000))
})

test('time is told every half second, and not after the end', () => {
  const ticks = play(logOf()).effects.flatMap(effect => effect.effect === 'tick' ? [effect.data.atMs] : [])
  assert.ok(ticks.length >= 60)
  for (const [index, atMs] of ticks.entries()) if (index > 0) assert.ok(atMs - (ticks[index - 1] ?? 0) >= 500)
})

test('a sample posted twice counts once, and one that comes after its block was closed not at all', () => {
  const log = new LogBuilder().add('run.submitted', { experiment: document(), experimentHash: 'x', epoch: { bucketCreatedMs: 0, revision: 1 } })
  const first = logOf({ seal: false }).slice(1)
  for (const { kind, fact } of first) {
    log.add(kind, fact.data)
    if (kind === 'load.sample') log.add(kind, fact.data)
  }
  log.add('load.sample', sample(injectedMs + 500, { index: 1, startMs: injectedMs + 301, failed: { 5: 1_000 } }))
  const watch = play(log.facts).state.gates.watches[0]
  for (const { measurement } of watch?.looks ?? []) assert.deepEqual(measurement, { is: 'measured', value: 0, breaks: false, bad: 0, total: 50 })
  assert.equal(watch?.looks.length, 10)
})

test('only selectors that Prometheus may answer from its look-back are checked for age', () => {
  assert.deepEqual(instantSelectors('sum(a{x="1"}) / sum(rate(b[5s])) + max_over_time(c[1m:5s]) + d offset 1m + e @ 5 + a{x="1"} + vector(1)'), ['a{x="1"}'])
})

/** The looks that these put on record, fact by fact. */
const recordedBy = (effects: readonly Effect[]) => effects.flatMap(effect => (effect.effect === 'status' || effect.effect === 'tick' || effect.effect === 'closed') && effect.data.looks ? [effect.data.looks] : [])

test('every look is on record once, in its order, with what it counted and the evidence so far, soon after it was taken', () => {
  const rateGate = { name: 'rate', limit: 'rate', errorRate: { max: '2%' } }
  const answerAt = () => ({ is: 'value' as const, value: 0.5 })
  for (const story of [{ gates: [errorsGate, rateGate, promGate], answerAt }, { sampleAt: duringFault(broken) }, { fault: 'kill' as const }, { sampleAt: duringFault(null) }]) {
    const facts = logOf(story)
    const [recorded, shown] = [recordedBy(play(facts).effects).flat(), looksOf(facts)]
    assert.deepEqual(recorded, shown.slice(0, recorded.length))
    assert.ok(recorded.length >= 20 && shown.length - recorded.length < 5, `${recorded.length} of ${shown.length}`)
  }
  const rates = looksOf(logOf({ gates: [rateGate] })).filter(({ phase }) => phase === 'during')
  assert.deepEqual(rates.map(({ startMs, endMs, bad, total }) => [startMs, endMs, bad, total]), Array.from({ length: 10 }, (_, index) => [injectedMs + index * 1_000, injectedMs + (index + 1) * 1_000, 0, 50 * (index + 1)]))
  const evidence = rates.map(({ eValue = NaN }) => eValue)
  assert.ok(evidence.every((value, index) => value > 0 && value < (evidence[index - 1] ?? 1)), 'without a bad request the evidence against it falls from 1 on')
})

test('the looks of a long phase are all on record, though its gate keeps a part of them', () => {
  const gates = emptyGates('r1')
  const [gate] = fold(gates, logOf({ gates: [{ name: 'rate', limit: 'rate', errorRate: { max: '2%' } }] })[0] ?? assert.fail()).experiment?.gates ?? []
  assert.ok(gate)
  const watch = advance(beginWatch(gate, 'during', t0), { samples: [], tickMs: t0 + 1_001_000 })
  const { looks } = freshLooks({ ...gates, watches: [watch] }, new Map())
  assert.deepEqual(looks.map(({ endMs }) => endMs), Array.from({ length: 1_000 }, (_, index) => t0 + 1_000 * (index + 1)))
  assert.ok(watch.looks.length < 300, `${watch.looks.length} are kept`)
})

test('an evaluator that starts in mid-run puts on record what its predecessor did not, and nothing twice', () => {
  const facts = logOf()
  const recorded = recordedBy(play(facts).effects).flat()
  const cut = facts.findIndex(({ kind, fact }) => kind === 'slo.tick' && 'atMs' in fact.data && fact.data.atMs === t0 + 12_000)
  const told = facts.map((stored, index) => index === cut && stored.kind === 'slo.tick' ? { ...stored, fact: { ...stored.fact, data: { ...stored.fact.data, looks: recorded.slice(0, 5) } } } : stored)
  assert.deepEqual(recordedBy(play(told, cut + 1).effects).flat(), recorded.slice(5))
})

test('more looks than one fact may hold come with the next ones', () => {
  const script = logOf({ sampleAt: atMs => atMs > injectedMs ? null : {}, seal: false })
  const leap = new LogBuilder().add('slo.tick', { atMs: revertedMs + 3_600_000 }).facts.map(stored => ({ ...stored, stream: script.length + 1 }))
  const facts = [...script, ...leap]
  let { effects, state }: { effects: Effect[]; state: EvaluatorState } = play(facts)
  for (let nowMs = revertedMs + 3_600_500; nowMs < revertedMs + 3_606_000; nowMs += 500) {
    const next = step(state, { is: 'tick' }, nowMs)
    state = next.state
    effects = [...effects, ...next.effects]
  }
  const recorded = recordedBy(effects)
  assert.ok(looksOf(facts).length > 3_000)
  assert.deepEqual(recorded.flat(), looksOf(facts))
  assert.ok(recorded.every(looks => looks.length <= 500))
})
