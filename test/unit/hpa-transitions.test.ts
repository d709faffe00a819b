import assert from 'node:assert/strict'
import { test } from 'node:test'
import { figuresIn, spansOf, transitions, type HpaPoint } from '../../services/cli/campaign/hpa-transitions.ts'
import { pointOf } from '../../services/cli/campaign/hpa-watch.ts'

/** `3/3/3` : desired, current, ready; a point a second. */
const points = (text: string, cpuPercent: number | null = 60): HpaPoint[] => text.trim().split(/\s+/).map((word, index) => {
  const [desired = 0, current = 0, ready = 0] = word.split('/').map(Number)
  return { atMs: index * 1_000, desired, current, ready, cpuPercent }
})

test('both legs are dated from the wish that stayed to the pods that are Ready', () => {
  const seen = transitions(points('3/3/3 5/3/3 3/3/3 5/3/3 5/5/3 10/5/5 10/10/9 10/10/10 10/10/10 8/10/10 10/10/10 8/10/10 8/8/8 3/8/8 3/3/3'), [3, 10, 3])
  assert.deepEqual(seen, [
    { from: 3, to: 10, is: 'seen', startedAtMs: 3_000, endedAtMs: 7_000, tookMs: 4_000 },
    { from: 10, to: 3, is: 'seen', startedAtMs: 11_000, endedAtMs: 14_000, tookMs: 3_000 },
  ])
})

test('a leg that was not walked to its end says how far it came, and the next one is not sought', () => {
  const [up, down] = transitions(points('3/3/3 9/3/3 9/9/8 3/3/3'), [3, 10, 3])
  assert.deepEqual(up, { from: 3, to: 10, is: 'missing', why: 'from 3 it came to 9 wanted and 8 Ready, not to 10 (CPU 60 to 60 %)' })
  assert.equal(down?.is, 'missing')
  const [, back] = transitions(points('3/3/3 10/10/10 6/7/7', null), [3, 10, 3])
  assert.deepEqual(back, { from: 10, to: 3, is: 'missing', why: 'from 10 it came to 6 wanted and 7 Ready, not to 3 (no CPU figure)' })
})

test('pods that were there before are no transition', () => {
  const seen = transitions(points('10/10/10 10/10/10 3/3/3'), [3, 10, 3])
  assert.deepEqual(seen.map(({ is }) => is), ['missing', 'missing'])
  assert.deepEqual(transitions([], [3, 10]), [{ from: 3, to: 10, is: 'missing', why: 'it was never at 3 pods before' }])
  assert.deepEqual(transitions(points('3/3/3'), []), [])
})

test('the load is cut by the middle of its samples, and a sample that came twice counts once', () => {
  const sample = (index: number, startMs: number, ok: Record<string, number>, failed: Record<string, number> = {}) => ({
    worker: 'w', index, startMs, endMs: startMs + 200, users: 1, ok, failed, inFlight: {}, inFlightTotal: 0, lateMs: 0, dropped: 0, clock: 'c',
  })
  const [up] = transitions(points('3/3/3 10/3/3 10/10/10'), [3, 10])
  const spans = spansOf(up ? [up, { from: 10, to: 3, is: 'missing', why: '' }] : [], 500)
  assert.deepEqual(spans, [{ name: '3 -> 10', startMs: 1_000, endMs: 2_500 }])
  const samples = [sample(0, 890, { 5: 7 }), sample(1, 900, { 10: 18 }, { 400: 1 }), sample(1, 900, { 10: 18 }, { 400: 1 }), sample(2, 2_390, { 20: 1 }), sample(3, 2_400, { 99: 5 })]
  assert.deepEqual(figuresIn(samples, spans), [{ name: '3 -> 10', startMs: 1_000, endMs: 2_500, requests: 20, failures: 1, p50Ms: 10, p95Ms: 20 }])
  assert.deepEqual(figuresIn([], spans)[0]?.p95Ms, null)
})

test('a point is read from what the API says of an autoscaler, with or without its figures', () => {
  const status = { desiredReplicas: 5, currentReplicas: 3, conditions: [], currentMetrics: [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 140 } } }] }
  assert.deepEqual(pointOf({ status }, 3, 7), { atMs: 7, desired: 5, current: 3, cpuPercent: 140, ready: 3 })
  assert.deepEqual(pointOf({}, 0, 7), { atMs: 7, desired: 0, current: 0, cpuPercent: null, ready: 0 })
})

test('an autoscaler that has no figure yet stands where its pods are, though its first wish is another number', () => {
  const at = (atMs: number, desired: number, ready: number, current = ready) => ({ atMs, desired, current, ready, cpuPercent: null })
  const [up] = transitions([at(1, 0, 3, 0), at(2, 5, 3), at(3, 10, 9), at(4, 10, 10)], [3, 10])
  assert.deepEqual(up, { from: 3, to: 10, is: 'seen', startedAtMs: 2, endedAtMs: 4, tookMs: 2 })
  const [none] = transitions([at(1, 0, 2, 0), at(2, 5, 3), at(3, 10, 10)], [3, 10])
  assert.equal(none?.is, 'missing')
})
