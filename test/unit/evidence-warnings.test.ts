import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { experimentSchema } from '#shared/experiment.ts'
import { evidenceWarnings } from '../../services/cli/plan/evidence-warnings.ts'

const load = { users: 50, host: 'http://127.0.0.1:8000' }
const pause = { kind: 'pause', target: { process: { match: 'worker' } }, at: '10s', duration: '30s' }
const warningsOf = (more: object, rps?: number) => evidenceWarnings(experimentSchema.parse({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'short' }, load, faults: [], hold: '1m30s', ...more,
}), { rps })
const says = (more: object, rps?: number) => warningsOf(more, rps).map(warning => `${warning.never ? 'never: ' : ''}${warning.gate}: ${warning.says}`)
const errors = (max: string, more: object = {}) => ({ gates: [{ name: 'errors', errorRate: { max }, ...more }] })

test('a gate that counts requests says how many it takes, and at what rate, while nobody knows how many come', () => {
  assert.deepEqual(says(errors('0.1%')), ['errors: to show that fewer than 0.1 % are bad (alpha 5 %) needs 2,995 requests: 34 a second for 1m30s; --rps tells whether it gets them'])
  assert.deepEqual(warningsOf(errors('0.1%')), [{ ...warningsOf(errors('0.1%'))[0], gate: 'errors', about: 'requests', never: false, requestsNeeded: 2_995, requestsPerSecondNeeded: 34, requestsExpected: null }])
})

test('with a known rate it says how many come, and nothing when they are enough', () => {
  assert.deepEqual(says(errors('1%'), 3), ['errors: to show that fewer than 1 % are bad (alpha 5 %) needs 299 requests: 3.4 a second for 1m30s; at 3 a second it gets 270', 'never: errors: a block of 1s has some 3 requests at 3 a second, fewer than its minRequests of 5: it can hardly be read'].toReversed())
  assert.deepEqual(says(errors('1%', { minRequests: 1 }), 3.3), ['errors: to show that fewer than 1 % are bad (alpha 5 %) needs 299 requests: 3.4 a second for 1m30s; at 3.3 a second it gets 297'])
  assert.deepEqual(says(errors('1%', { minRequests: 1 }), 3.4), [])
  assert.deepEqual(warningsOf(errors('1%', { minRequests: 1 }), 3.3)[0]?.requestsExpected, 297)
})

test('a p95 takes 59, an availability the complement of its share, one by own counters the same; a limit of none at all no number', () => {
  const needed = (gate: object) => warningsOf({ gates: [{ name: 'one', ...gate }] }).flatMap(({ about, requestsNeeded }) => about === 'requests' ? [requestsNeeded] : [])
  assert.deepEqual(needed({ latency: { quantile: 0.95, max: '500ms' } }), [59])
  assert.deepEqual(needed({ availability: { min: '99.9%' } }), [2_995])
  assert.deepEqual(needed({ errorRate: { max: '1%', total: 'requests_total', bad: 'requests_total{code="500"}' } }), [299])
  for (const gate of [{ errorRate: { max: '0%' } }, { availability: { min: '100%' } }, { errorRate: { max: '100%' } }, { promql: { query: 'vector(1)', max: 0.01 } }]) assert.deepEqual(needed(gate), [], JSON.stringify(gate))
})

test('a gate that nothing can break is told, whatever its phase: a bare 1 is all requests, not one percent', () => {
  const above = 'one: nothing can break it, since no share is above 100 %: it holds whatever happens; one percent is written 1%, or 0.01'
  for (const gate of [{ errorRate: { max: 1 } }, { errorRate: { max: '100%', total: 'a_total', bad: 'b_total' } }]) {
    assert.deepEqual(says({ gates: [{ name: 'one', ...gate }] }), [above])
    assert.deepEqual(warningsOf({ faults: [pause], gates: [{ name: 'one', phase: 'recovery', ...gate }] }).map(({ about, never }) => [about, never]), [['limit', false]])
  }
  assert.match(says({ gates: [{ name: 'one', availability: { min: 0 } }] })[0] ?? '', /no share is below 0 %/)
  for (const gate of [{ errorRate: { max: '99.9%' } }, { availability: { min: '0.1%' } }, { latency: { quantile: 0.01, max: '1s' } }, { promql: { query: 'up', max: 1 } }]) {
    assert.deepEqual(warningsOf({ gates: [{ name: 'one', ...gate }] }).filter(({ about }) => about === 'limit'), [], JSON.stringify(gate))
  }
})

test('of the gates before and after the fault no requests are asked', () => {
  assert.deepEqual(says({ faults: [pause], gates: [{ name: 'calm', phase: 'steady', errorRate: { max: '1%' } }, { name: 'again', phase: 'recovery', errorRate: { max: '1%' } }] }), [])
})

test('a probe\'s attempts are counted exactly', () => {
  const probed = (min: string, interval: string) => ({ faults: [pause], hold: '30s', gates: [{ name: 'up', availability: { probe: 'orders', min } }], probes: [{ name: 'orders', http: { endpoint: 'orders', path: '/' }, interval, timeout: '1s' }] })
  assert.deepEqual(says(probed('99%', '100ms')), [], '400 of 299')
  assert.deepEqual(says(probed('99%', '200ms')), ['up: to show that more than 99 % are good (alpha 5 %) needs 299 attempts, 59.8s at one every 200ms; one prober makes 200 by the end of the hold'])
  assert.deepEqual(says({ ...probed('99%', '200ms'), gates: [{ name: 'back', recoveryTime: { probe: 'orders', max: '5s' } }] }), [])
})

test('a hold with room for fewer looks than a breach takes can neither be breached nor pass', () => {
  const looked = (hold: string, gate: object) => says({ hold, gates: [{ name: 'one', promql: { query: 'vector(1)', max: 2 }, ...gate }] })
  assert.deepEqual(looked('1s', {}), ['never: one: the hold of 1s has room for one look, and it takes 2, one every 1s, to be breached or to hold'])
  assert.deepEqual(looked('2s', {}), [])
  assert.deepEqual(looked('50s', { interval: '1m', consecutive: 1 }), ['never: one: the hold of 50s has room for no look, and it takes 1, one every 1m, to be breached or to hold'])
  assert.deepEqual(says({ ...errors('1%', { window: '20s', minRequests: 1 }), hold: '40s' }, 100), ['never: errors: the hold of 40s has room for 2 looks, and it takes 3, one every 20s, to be breached or to hold'])
  assert.deepEqual(says({ ...errors('1%'), hold: '0s' }, 100), ['never: errors: the hold of 0ms has room for no look, and it takes 3, one every 1s, to be breached or to hold'])
})

test('a steady gate must be seen to hold before the first fault, or in the three seconds that are waited for it', () => {
  const steady = (at: string, gate: object) => says({ hold: undefined, faults: [{ ...pause, at }], gates: [{ name: 'calm', phase: 'steady', promql: { query: 'vector(1)', max: 2 }, ...gate }] })
  assert.deepEqual(steady('5s', { interval: '5s' }), ['never: calm: 5s before the first fault have room for one look, and it takes 2, one every 5s, to be seen to hold'])
  assert.deepEqual(steady('5s', { interval: '4s' }), [])
  assert.deepEqual(says({ hold: '10s', gates: [{ name: 'calm', phase: 'steady', promql: { query: 'vector(1)', max: 2 }, interval: '1m' }, { name: 'one', promql: { query: 'vector(1)', max: 2 } }] }), [], 'without faults the quiet time is as long as it takes')
})

test('a recovery that is first looked at when nobody waits any more is never seen', () => {
  const recovering = (interval: string, more: object = {}) => says({ faults: [{ ...pause, duration: '10m' }], recovery: { within: '30s', stable: '3s' }, gates: [{ name: 'one', promql: { query: 'vector(1)', max: 2 }, interval, ...more }] })
  assert.deepEqual(recovering('39s'), ['never: one: its first look at the recovery comes after 39s, and the run waits 38s for it'])
  assert.deepEqual(recovering('38s'), [])
  assert.deepEqual(recovering('39s', { phase: 'recovery' }).length, 1)
})

test('what is asked for is enough: at the rate that a warning names, there is none', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 3, max: 7_200 }), (permille, seconds) => {
    const asked = { ...errors(`${permille / 10}%`, { minRequests: 1 }), hold: `${seconds}s` }
    const [warning] = warningsOf(asked)
    assert.ok(warning?.requestsPerSecondNeeded)
    assert.deepEqual(warningsOf(asked, warning.requestsPerSecondNeeded).filter(({ about }) => about === 'requests'), [])
  }), { numRuns: 100 })
})

test('a gate with a limit cannot pass on fewer, and bursts make them more; how many looks there are is no matter', () => {
  const rate = (more: object = {}) => errors('1%', { limit: 'rate', ...more })
  assert.deepEqual(says(rate()), ['errors: to pass needs 299 requests: 3.4 a second for 1m30s; --rps tells whether it gets them'])
  assert.deepEqual(says(rate(), 3), ['never: errors: to pass needs 299 requests: 3.4 a second for 1m30s; at 3 a second it gets 270'])
  assert.deepEqual(says(rate(), 4), [])
  assert.deepEqual(says(rate({ burst: 9 }), 4), ['never: errors: to pass needs 2,683 requests: 30 a second for 1m30s; at 4 a second it gets 360'])
  assert.deepEqual(says({ ...rate(), hold: '2s' }, 200), [])
})

test('of few blocks of counters one is too many to miss, and a recovery is not seen through an increase from the fault', () => {
  const counted = (more: object) => ({ errorRate: { max: '5%', total: 'a', bad: 'b' }, limit: 'rate', ...more })
  const all = (more: object, rest: object = {}) => says({ gates: [{ name: 'errors', ...counted(more) }], ...rest }, 100)
  assert.deepEqual(all({ block: '9s' }), [])
  assert.deepEqual(all({ block: '10s' }), ['errors: the hold of 1m30s has 9 whole blocks of 10s: one that Prometheus misses leaves the run inconclusive'])
  assert.deepEqual(all({ block: '1m' }), ['errors: the hold of 1m30s has 1 whole block of 1m: one that Prometheus misses leaves the run inconclusive'])
  const recovering = { faults: [{ ...pause, duration: '20m' }], hold: undefined }
  assert.deepEqual(all({ block: '29s' }, recovering), [])
  assert.deepEqual(all({ block: '30s' }, recovering), ['errors: its recovery is asked of the last 30s, in which what failed during the fault is still counted when recovery.within (30s) is over; make that longer, or write a gate with phase: recovery'])
  assert.deepEqual(all({ block: '1m' }, { ...recovering, recovery: { within: '2m' } }), [])
})
