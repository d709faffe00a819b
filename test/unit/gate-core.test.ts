import assert from 'node:assert/strict'
import { test } from 'node:test'
import { experimentSchema, type GateSpec } from '#shared/experiment.ts'
import { emptyGates, fold } from '#shared/gate-core.ts'
import { advance, answered, beginWatch, watchStatus } from '#shared/gate-watch.ts'
import { judge } from '#shared/verdict.ts'
import { breachOf, firstBadOf } from '#shared/verdict-breach.ts'
import { document, duringFault, errorsGate, injectedMs, LogBuilder, logOf, promGate, t0 } from '../parts/verdict-log-builder.ts'

function gateOf(written: object): GateSpec {
  const [gate] = experimentSchema.parse(document({ gates: [written] })).gates
  assert.ok(gate)
  return gate
}
const broken = { ok: { 20: 1 }, failed: { 20: 9 } }

test('a value that is no number is no data, even if it got past the catalogue of facts', () => {
  for (const value of [Number.NaN, Infinity, -Infinity]) {
    const watch = answered(beginWatch(gateOf(promGate), 'during', t0), {
      gate: 'asked', query: 'q', evaluatedAtMs: t0 + 1_000, askedAtMs: t0 + 1_000, answeredAtMs: t0 + 1_020, answer: { is: 'value', value },
    })
    const { looks, ...state } = advance(watch, { samples: [], tickMs: t0 + 1_500 })
    assert.deepEqual(looks, [{ endMs: t0 + 1_000, measurement: { is: 'no-data', why: `${value} is not a number to hold against a limit` } }])
    assert.equal(watchStatus({ ...state, looks }), 'no-data')
  }
})

test('a look that could not be read acquits nobody: as many that broke it as a breach takes, with none between them that held, are no pass', () => {
  const judgedWith = (...values: (number | undefined)[]) => judge(logOf({ gates: [promGate], answerAt: atMs => {
    const index = (atMs - injectedMs) / 1_000 - 3
    if (!(index in values)) return { is: 'value', value: 0.5 }
    const value = values[index]
    return value === undefined ? { is: 'no-data', why: 'timeout' } : { is: 'value', value }
  } }))
  const { verdict, reasons } = judgedWith(5, undefined, 5)
  assert.equal(verdict, 'inconclusive')
  assert.match(reasons.join('\n'), /2 of 9 readable looks broke it.*; 2 looks broke it with none between them that held, only such as could not be read/)
  for (const values of [[5, 0.5, 5], [5, undefined, 0.5, 5], [5, undefined], [undefined, 5]]) assert.equal(judgedWith(...values).verdict, 'passed', String(values))
  assert.equal(judgedWith(5, 5).verdict, 'failed')
})

test('a phase that is told twice, and an injection on a second node, do not begin the looks again', () => {
  const log = new LogBuilder()
  for (const { kind, fact } of logOf({ gates: [{ ...errorsGate, phase: 'steady' }, { ...errorsGate, name: 'during' }] })) {
    log.add(kind, fact.data)
    if (kind === 'fault.injected') log.add(kind, { ...fact.data, node: 'n2', injectedAtMs: injectedMs + 700 })
    if (kind === 'slo.tick' && fact.data.atMs === t0 + 3_000) log.add('run.phase', { phase: 'steady', atMs: t0 + 3_000 })
  }
  const { watches } = log.facts.reduce(fold, emptyGates('r1'))
  assert.deepEqual(watches.map(({ gate, startMs, looks }) => [gate.name, startMs, looks.length]), [['errors', t0, 5], ['during', injectedMs, 10]])
})

test('a gate that counts no requests is not asked for a least number of them when its breach is dated', () => {
  const gate = gateOf({ ...errorsGate, minRequests: 1_000 })
  const facts = logOf({ sampleAt: duringFault(broken) })
  assert.equal(breachOf(gate, injectedMs, facts).is, 'unknown')
  const uncounted = { ...gate, rule: { ...gate.rule, measure: () => ({ is: 'measured', value: 1, breaks: true } as const) } }
  assert.deepEqual(breachOf(uncounted, injectedMs, facts), { is: 'dated', atMs: injectedMs + 3_000, clocks: ['boot-1'] })
  assert.equal(firstBadOf(uncounted, injectedMs, facts).is, 'unknown')
})

test('the first bad request is dated by the sample that has it, and none is when all went well', () => {
  assert.deepEqual(firstBadOf(gateOf(errorsGate), injectedMs, logOf({ sampleAt: atMs => atMs === injectedMs + 1_200 ? broken : {} })), { is: 'dated', atMs: injectedMs + 1_000, clocks: ['boot-1'] })
  assert.deepEqual(firstBadOf(gateOf(errorsGate), injectedMs, logOf({ sampleAt: atMs => atMs <= injectedMs ? broken : {} })), { is: 'unknown', why: 'no sample has a bad request' })
})

test('a hold that is told twice does not begin the looks again, and with faults it begins none', () => {
  const twice = new LogBuilder()
  for (const { kind, fact } of logOf({ fault: 'none' })) {
    twice.add(kind, fact.data)
    if (kind === 'slo.tick' && fact.data.atMs === injectedMs + 2_000) twice.add('run.phase', { phase: 'hold', atMs: injectedMs + 2_000 })
  }
  assert.deepEqual(twice.facts.reduce(fold, emptyGates('r1')).watches.map(({ startMs, looks }) => [startMs, looks.length]), [[injectedMs, 10]])
  assert.deepEqual(logOf({ injected: null }).reduce(fold, emptyGates('r1')).watches, [])
})
