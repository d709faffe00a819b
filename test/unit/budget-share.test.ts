import assert from 'node:assert/strict'
import { test } from 'node:test'
import { experimentSchema } from '#shared/experiment.ts'
import { beginWatch } from '#shared/gate-watch.ts'
import type { GatePhase } from '#shared/gate.ts'
import { promqlProblem } from '#shared/promql.ts'

/** Burn rates of what is no single event: which PromQL they are, and which windows they take. What Prometheus makes of it is in test/integration/burn-rate-history.test.ts. */

const from = (query: string) => ({ metricSource: { type: 'Prometheus', spec: { query } } })
const ratio = { ratioMetric: { counter: true, bad: from('bad_total'), total: from('all_total') } }
const value = { thresholdMetric: from('depth') }
const below = { op: 'lt', value: 4 }
const slices = { timeSliceTarget: 0.95, timeSliceWindow: '1m' }

const sloOf = (budgetingMethod: string, spec: object, objective: object) =>
  ({ apiVersion: 'openslo/v1', kind: 'SLO', metadata: { name: 'held' }, spec: { budgetingMethod, indicator: { spec }, objectives: [{ target: 0.9, ...objective }] } })
const written = (slo: object, burnRate: object, hold = '30m') => ({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'held' }, faults: [], hold, slos: [{ documents: [slo] }],
  gates: [{ name: 'asked', burnRate: { slo: 'held', max: 5, ...burnRate } }],
})
const gateOf = (slo: object, burnRate: object) => experimentSchema.parse(written(slo, burnRate)).gates[0] ?? assert.fail('it has a gate')
const refusedAs = (slo: object, burnRate: object, hold?: string) =>
  experimentSchema.safeParse(written(slo, burnRate, hold)).error?.issues.map(({ path, message }) => `${path.slice(3).join('.')}: ${message}`)

const share = (range: string) => `(sum(increase(bad_total[${range}])) or 0 * sum(increase(bad_total[${range}]))) / sum(increase(all_total[${range}]))`

test('Timeslices of a ratioMetric: the share of slices of which more was bad than may be, each of them whole', () => {
  const { rule, windowMs, anchorMs } = gateOf(sloOf('Timeslices', ratio, slices), { long: '12m' })
  const bad = `clamp_min(sgn(round(vector(scalar(${share('60000ms')})) - 0.05, 1e-9)), 0)`
  assert.deepEqual(rule.ranges, [
    { windowMs: 720_000, query: `(avg_over_time(${bad}[719999ms:60000ms])) / 0.1` },
    { windowMs: 60_000, query: `(avg_over_time(${bad}[59999ms:60000ms])) / 0.1` },
  ])
  assert.equal(rule.description, 'at most 5x the budget of held (10 % bad slices of 1m), over 12m and 1m at once')
  assert.deepEqual([windowMs, anchorMs], [780_000, 780_000], 'the oldest slice of the long window begins before it')
})

test('RatioTimeslices: the mean of the slices\' shares', () => {
  const { rule } = gateOf(sloOf('RatioTimeslices', ratio, { timeSliceWindow: '2m' }), { long: '8m', short: '4m' })
  assert.equal(rule.ranges?.[1]?.query, `(avg_over_time(vector(scalar(${share('120000ms')}))[239999ms:120000ms])) / 0.1`)
  assert.equal(rule.description, 'at most 5x the budget of held (10 % bad in the mean of slices of 2m), over 8m and 4m at once')
})

test('Occurrences of a thresholdMetric: the share of its values that are not what the objective asks for, one a step, of a sample of that step', () => {
  const { rule, windowMs } = gateOf(sloOf('Occurrences', value, below), { long: '1m', short: '10s' })
  const fresh = 'vector(scalar((depth) and on () (min(timestamp(depth)) > time() - 5)))'
  assert.equal(rule.ranges?.[0]?.query, `(avg_over_time(clamp_max(sgn(${fresh} - 4) + 1, 1)[59999ms:5000ms])) / 0.1`)
  assert.equal(rule.description, 'at most 5x the budget of held (10 % of the values, one each 5s, not below 4), over 1m and 10s at once')
  assert.equal(windowMs, 65_000)
  const stepped = gateOf(sloOf('Occurrences', { thresholdMetric: from('sum(rate(a_seconds_sum[5m])) / sum(rate(a_seconds_count[5m]))') }, { op: 'gte', value: -3 }), { long: '1m', step: '20s' })
  assert.equal(stepped.rule.ranges?.[1]?.query, '(avg_over_time(clamp_min(sgn(-3 - vector(scalar((sum(rate(a_seconds_sum[20000ms])) / sum(rate(a_seconds_count[20000ms])))))), 0)[19999ms:20000ms])) / 0.1')
})

test('slices of a thresholdMetric: the share of a slice\'s values, held against what may be bad of it, or as it is', () => {
  const each = 'avg_over_time(clamp_min(sgn(vector(scalar((depth) and on () (min(timestamp(depth)) > time() - 5))) - 4), 0)[59999ms:5000ms])'
  const counted = gateOf(sloOf('Timeslices', value, { op: 'lte', value: 4, ...slices }), { long: '6m' })
  assert.equal(counted.rule.ranges?.[1]?.query, `(avg_over_time(clamp_min(sgn(round(${each} - 0.05, 1e-9)), 0)[59999ms:60000ms])) / 0.1`)
  assert.equal(counted.anchorMs, 425_000, 'a step more than the slice')
  const mean = gateOf(sloOf('RatioTimeslices', value, { op: 'lte', value: 4, timeSliceWindow: '1m' }), { long: '6m' })
  assert.equal(mean.rule.ranges?.[1]?.query, `(avg_over_time(${each}[59999ms:60000ms])) / 0.1`)
})

test('all of it is PromQL, with any operator', () => {
  for (const op of ['lt', 'lte', 'gt', 'gte']) {
    for (const [method, objective] of [['Occurrences', {}], ['Timeslices', slices], ['RatioTimeslices', slices]] as const) {
      assert.equal(promqlProblem(gateOf(sloOf(method, value, { op, value: -0.5, ...objective }), { long: '6m' }).rule.query({ run: 'r', windowMs: 1 })), undefined, `${method} ${op}`)
    }
  }
})

test('no look is taken before the long window and the slice before it lie behind the fault\'s start', () => {
  const startOf = (phase: GatePhase, burnRate: object) => beginWatch(gateOf(sloOf('Timeslices', ratio, slices), { long: '6m', ...burnRate }), phase, 1_000_000).startMs - 1_000_000
  assert.deepEqual([startOf('during', {}), startOf('during', { straddle: true }), startOf('recovery', {})], [420_000, 0, 0])
})

test('a window holds whole slices or steps, one of them at least, or is refused with what would do', () => {
  const sliced = sloOf('Timeslices', ratio, slices)
  assert.deepEqual(refusedAs(sliced, { long: '90s' }), ['long: a whole number of slices of 1m, at least two, of which short has one'])
  assert.deepEqual(refusedAs(sliced, { long: '1m' }), ['long: a whole number of slices of 1m, at least two, of which short has one'])
  assert.deepEqual(refusedAs(sliced, { long: '5m', short: '30s' }), ['short: a whole number of slices of 1m'])
  assert.deepEqual(refusedAs(sliced, { long: '2m' }), undefined)
  const valued = sloOf('Occurrences', value, below)
  assert.deepEqual(refusedAs(valued, { long: '1m', short: '4s' }), ['short: a whole number of steps of 5s'])
  assert.deepEqual(refusedAs(valued, { long: '10s', step: '3s' }), ['long: a whole number of steps of 3s, at least two, of which short has one'])
})

test('a short window that is not written is a twelfth of the long one, in whole slices, and one at least', () => {
  const shortOf = (long: string) => gateOf(sloOf('Timeslices', ratio, slices), { long }).rule.ranges?.[1]?.windowMs
  assert.deepEqual([shortOf('2m'), shortOf('12m'), shortOf('25m')], [60_000, 60_000, 120_000])
})

test('a step is a thresholdMetric\'s alone, and a whole part of its slices; one that is not written is five seconds at the most', () => {
  assert.deepEqual(refusedAs(sloOf('Timeslices', ratio, slices), { long: '5m', step: '5s' }), ['step: no such key for held, a ratioMetric, which has events of its own to count'])
  assert.deepEqual(refusedAs(sloOf('Timeslices', value, { ...below, ...slices }), { long: '5m', step: '7s' }), ['step: a whole part of a slice, which lasts 1m'])
  const own = experimentSchema.safeParse({ ...written({}, {}), slos: [], gates: [{ name: 'asked', burnRate: { target: '99%', total: 'a', bad: 'b', max: 2, long: '1m', step: '5s' } }] })
  assert.deepEqual(own.error?.issues.map(({ path, message }) => [path.slice(2).join('.'), message]), [['burnRate.step', 'no such key without slo']])
  const stepIn = (timeSliceWindow: number) => /ms:(\d+)ms\]\) - 0\.05/.exec(gateOf(sloOf('Timeslices', value, { ...below, ...slices, timeSliceWindow }), { long: '6m' }).rule.query({ run: 'r', windowMs: 1 }))?.[1]
  assert.deepEqual([stepIn(1), stepIn(0.1), stepIn(0.05)], ['5000', '3000', '3000'])
  assert.deepEqual(refusedAs(sloOf('Timeslices', value, { ...below, ...slices, timeSliceWindow: 7.001 / 60 }), { long: '7001s' }), ['step: a whole part of a slice, which lasts 7.001s'])
})

test('a phase too short for the long window and the slice before it is told how long it may be', () => {
  assert.deepEqual(refusedAs(sloOf('Timeslices', ratio, slices), { long: '5m' }, '6m'), ['long: a range of at most 4m58s: the gate is judged for 6m, and its first look comes when 6m have passed'])
  assert.deepEqual(refusedAs(sloOf('Timeslices', ratio, slices), { long: '5m' }, '6m2s'), undefined)
})
