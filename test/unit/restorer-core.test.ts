import assert from 'node:assert/strict'
import { test } from 'node:test'
import { restoredAfterMs } from '../../services/injector/cluster/fault-records.ts'
import { due, forget, isStillDue, retryMs, see, tryLater, type WatchedRecords } from '../../services/injector/cluster/restorer-core.ts'

const none: WatchedRecords = new Map()
const record = (version: string, remainingMs = 3_000, isOver = false) => ({ version, remainingMs, isOver })

test('a record that nobody renews is due when its time is over, counted from when it was seen', () => {
  const seen = see(none, 'f', record('1'), 1_000)
  assert.deepEqual(due(seen, 4_000 - 1), [])
  assert.deepEqual(due(seen, 4_000), ['f'])
  assert.ok(isStillDue(seen, 'f', '1'))
})

test('seen again in the same version its time does not begin anew; in another it does', () => {
  const seen = see(none, 'f', record('1'), 0)
  assert.equal(see(seen, 'f', record('1'), 2_000), seen)
  assert.deepEqual(due(see(seen, 'f', record('2'), 2_000), 3_000), [])
})

test('one that was renewed when it was looked at is not ended, but seen anew', () => {
  const seen = see(none, 'f', record('1', 0), 0)
  assert.deepEqual(due(seen, 0), ['f'])
  assert.equal(isStillDue(seen, 'f', '2'), false)
  assert.deepEqual(due(see(seen, 'f', record('2'), 0), 0), [])
})

test('what is over or gone is never due; what could not be ended is tried again', () => {
  const seen = see(none, 'f', record('1', 0), 0)
  assert.deepEqual(due(see(seen, 'f', record('2', 0, true), 0), 9_999), [])
  assert.deepEqual(due(forget(seen, 'f'), 9_999), [])
  const later = tryLater(seen, 'f', 1_000)
  assert.deepEqual([due(later, 1_000 + retryMs - 1), due(later, 1_000 + retryMs)], [[], ['f']])
  assert.equal(tryLater(seen, 'unknown', 0), seen)
})

test('a lease that nobody renews is ended a little early, for what writing and seeing it took; a fault that is over a little late, since its agent ends it itself', () => {
  assert.equal(restoredAfterMs({ leaseMs: 3_000, durationMs: 60_000 }), 2_700)
  assert.equal(restoredAfterMs({ leaseMs: 3_000, durationMs: 1_000 }), 1_500)
  assert.equal(restoredAfterMs({ leaseMs: 200, durationMs: 60_000 }), 0)
  assert.equal(restoredAfterMs({ leaseMs: 3_000, durationMs: Number.POSITIVE_INFINITY }), 2_700)
})
