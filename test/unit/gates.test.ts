import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gateKinds } from '#shared/gate-kinds.ts'
import { breaksRule, type Block, type GateRule } from '#shared/gate.ts'
import { thresholdLabel } from '#shared/load-metrics.ts'
import { promqlProblem } from '#shared/promql.ts'
import { sample, t0 } from '../parts/verdict-log-builder.ts'

function rule(kind: string, parameters: object): GateRule {
  const found = gateKinds.get(kind)
  assert.ok(found, kind)
  return found.bound.parse(parameters)
}

function block(...samples: Parameters<typeof sample>[1][]): Block {
  const built = samples.map((counts, index) => sample(t0 + 200 * (index + 1), counts))
  return { startMs: t0, endMs: t0 + 1_000, samples: built, latestByWorker: built.slice(-1) }
}

const refused = (kind: string, parameters: object) => assert.equal(gateKinds.get(kind)?.bound.safeParse(parameters).success, false, JSON.stringify(parameters))

test('an error rate counts failed and overdue requests, and equal to the limit holds', () => {
  const errors = rule('errorRate', { max: '10%', timeout: '2s' })
  assert.deepEqual(errors.measure(block({ ok: { 10: 9 }, failed: { 10: 1 } })), { is: 'measured', value: 0.1, breaks: false, bad: 1, total: 10 })
  assert.deepEqual(errors.measure(block({ ok: { 10: 8 }, inFlight: { 1_950: 5, 2_000: 2 } })), { is: 'measured', value: 0.2, breaks: true, bad: 2, total: 10 })
})

test('what was in flight is counted once, at the block\'s end', () => {
  const waiting = { ok: {}, inFlight: { 5_000: 10 } }
  assert.deepEqual(rule('errorRate', { max: 0.5 }).measure(block(waiting, waiting, waiting)), { is: 'measured', value: 1, breaks: true, bad: 10, total: 10 })
})

test('no request is no data for every gate that counts', () => {
  for (const [kind, parameters] of [['errorRate', { max: 0 }], ['availability', { min: 1 }], ['latency', { quantile: 0.95, max: '1s' }]] as const) {
    assert.equal(rule(kind, parameters).measure(block({ ok: {} })).is, 'no-data', kind)
  }
})

test('latency counts the share slower than the limit, overdue ones included', () => {
  const p95 = rule('latency', { quantile: 0.95, max: '500ms' })
  assert.deepEqual(p95.limit, { value: 0.05, breaksWhen: 'above', unit: 'ratio' })
  assert.deepEqual(p95.measure(block({ ok: { 500: 95, 501: 5 } })), { is: 'measured', value: 0.05, breaks: false, bad: 5, total: 100 })
  assert.deepEqual(p95.measure(block({ ok: { 20: 90 }, inFlight: { 450: 7, 500: 10 } })), { is: 'measured', value: 0.1, breaks: true, bad: 10, total: 100 })
})

test('availability is the share of attempts that were acknowledged', () => {
  const available = rule('availability', { min: '90%' })
  assert.deepEqual(available.measure(block({ ok: { 10: 9 }, inFlight: { 1_000: 1 } })), { is: 'measured', value: 0.9, breaks: false, bad: 1, total: 10 })
  assert.deepEqual(available.measure(block({ ok: { 10: 8 }, failed: { 5: 2 } })), { is: 'measured', value: 0.8, breaks: true, bad: 2, total: 10 })
})

test('a promql gate holds its value against both sides', () => {
  const between = rule('promql', { query: 'up', min: 1, max: 3 })
  assert.deepEqual([0.9, 1, 3, 3.1].map(value => breaksRule(between, value)), [true, false, false, true])
  assert.deepEqual([0.9, 3.1].map(value => breaksRule(rule('promql', { query: 'up', min: 1 }), value)), [true, false])
  assert.equal(between.measure(block({})).is, 'no-data')
  assert.equal(between.description, 'at least 1 and at most 3 for up')
  assert.deepEqual([between.limit, between.otherLimit], [{ value: 3, breaksWhen: 'above', unit: 'number' }, { value: 1, breaksWhen: 'below', unit: 'number' }])
  assert.deepEqual([rule('promql', { query: 'up', max: 3 })].map(({ description, limit, otherLimit }) => [description, limit.breaksWhen, otherLimit]), [['at most 3 for up', 'above', undefined]])
  const atLeast = rule('promql', { query: 'up', min: 1 })
  assert.deepEqual([atLeast.description, atLeast.limit, atLeast.otherLimit], ['at least 1 for up', { value: 1, breaksWhen: 'below', unit: 'number' }, undefined])
})

test('a gate without a limit, half its own metrics or unparsable PromQL is refused', () => {
  refused('promql', { query: 'up' })
  refused('promql', { query: 'sum(', max: 1 })
  refused('errorRate', { max: 0.1, total: 'requests_total' })
  refused('availability', { min: 0.1, bad: 'requests_total' })
  refused('errorRate', { max: 0.1, total: 'sum(requests_total)', bad: 'x' })
  refused('latency', { quantile: 0.95, max: '1s', histogram: 'x{' })
})

test('every query of every kind is PromQL, with the bridge\'s metrics and with the user\'s own', () => {
  const own = { total: 'http_requests_total', bad: 'http_requests_total{status=~"5..",}' }
  const rules = [
    rule('errorRate', { max: 0.1 }), rule('errorRate', { max: 0.1, ...own }), rule('availability', { min: 0.9 }), rule('availability', { min: 0.9, ...own }),
    rule('latency', { quantile: 0.9, max: '250ms' }), rule('latency', { quantile: 0.9, max: '2s' }), rule('latency', { quantile: 0.9, max: '1s', histogram: 'http_seconds{job="shop",}' }),
    rule('latency', { quantile: 0.9, max: '1s', histogram: 'http_seconds' }), rule('promql', { query: 'up', max: 1 }),
  ]
  for (const each of rules) assert.equal(promqlProblem(each.query({ run: 'r1', windowMs: 5_000 })), undefined, each.query({ run: 'r1', windowMs: 5_000 }))
})

test('a gate on the user\'s own metrics reads no stream and no metrics of the load', () => {
  for (const [kind, parameters] of [['errorRate', { max: 0.1, total: 'a', bad: 'b' }], ['availability', { min: 0.1, total: 'a', bad: 'b' }], ['latency', { quantile: 0.9, max: '1s', histogram: 'h' }]] as const) {
    const own = rule(kind, parameters)
    assert.deepEqual([own.readsLoadMetrics, own.overdueAfterMs, own.measure(block({})).is], [false, undefined, 'no-data'])
  }
})

test('a threshold\'s label is the shortest decimal of its seconds', () => {
  assert.deepEqual([50, 500, 1_000, 2_500].map(thresholdLabel), ['0.05', '0.5', '1', '2.5'])
})
