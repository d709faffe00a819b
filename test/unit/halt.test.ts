import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FactData, FactType, StoredFact } from '#shared/events.ts'
import { foldHalt, inForce, notHalted, printHalt, toldAgain, type Halt } from '../../services/scheduler/halt.ts'

let stream = 0
function fact<T extends FactType>(kind: T, data: FactData<T>): StoredFact {
  return { kind, stream: ++stream, fact: { specversion: '1.0', id: `${stream}`, source: '/faultline/scheduler/x', type: `dev.faultline.${kind}`, subject: 'halt', time: '2026-03-01T10:00:00.000Z', datacontenttype: 'application/json', sequence: stream, traceparent: '', data } } as unknown as StoredFact
}
const toldAtMs = Date.UTC(2026, 2, 1, 10)
const after = (...facts: StoredFact[]): Halt => facts.reduce(foldHalt, notHalted)

test('the last word counts, and of two halts in a row the first, which tells since when', () => {
  const set = fact('halt.set', { by: 'a user', why: 'release today', atMs: 1_000 })
  assert.deepEqual(after(set), { halted: true, by: 'a user', why: 'release today', sinceMs: 1_000, toldAtMs })
  assert.deepEqual(after(set, fact('halt.set', { by: 'another', why: 'again', atMs: 2_000 })), after(set))
  assert.deepEqual(after(set, fact('halt.released', { by: 'a user', atMs: 3_000 })), notHalted)
  assert.deepEqual(after(fact('halt.released', { by: 'a user', atMs: 500 }), set), after(set))
})

test('facts of runs do not turn it', () => {
  const set = after(fact('halt.set', { by: 'a user', why: '', atMs: 1_000 }))
  assert.equal(foldHalt(set, fact('run.sealed', { atMs: 2_000 })), set)
})

test('it is told with its reason, if there is one', () => {
  const sinceMs = Date.UTC(2026, 2, 1, 10)
  assert.equal(printHalt({ halted: true, by: 'a user', why: 'release today', sinceMs, toldAtMs }), 'halted by a user since 2026-03-01T10:00:00Z: release today')
  assert.equal(printHalt({ halted: true, by: 'a user', why: '', sinceMs, toldAtMs }), 'halted by a user since 2026-03-01T10:00:00Z')
})

test('what was found halts as well, and what the facts say is told first', () => {
  const found = { where: 'the file /halt', why: 'fire', sinceMs: 5_000 }
  assert.equal(inForce(notHalted, undefined), notHalted)
  assert.deepEqual(inForce(notHalted, found), { halted: true, by: 'the file /halt', why: 'fire', sinceMs: 5_000, toldAtMs: 5_000 })
  const set = after(fact('halt.set', { by: 'a user', why: '', atMs: 1_000 }))
  assert.equal(inForce(set, found), set)
})

test('it outlives what the stream keeps: once a day it is told anew, as of its own date', () => {
  const set = after(fact('halt.set', { by: 'a user', why: 'freeze', atMs: 1_000 }))
  const dayMs = 86_400_000
  assert.equal(toldAgain(set, toldAtMs + dayMs), undefined)
  assert.deepEqual(toldAgain(set, toldAtMs + dayMs + 1), { by: 'a user', why: 'freeze', atMs: 1_000 })
  assert.equal(toldAgain(notHalted, toldAtMs + 10 * dayMs), undefined)
})
