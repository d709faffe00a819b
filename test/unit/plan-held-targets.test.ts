import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { heldTargets, settleMs, type TimedFault } from '../../services/cli/plan/held-targets.ts'
import { initialState, step } from '../../services/injector/core.ts'
import { pickTargets } from '../../services/injector/process-targets.ts'

const pause: TimedFault = { id: '1-pause', atMs: 5_000, durationMs: 20_000, candidates: ['a'], takes: 1, alone: 'processes' }
const kill: TimedFault = { id: '2-kill', atMs: 7_000, candidates: ['a'], takes: 1, alone: 'processes' }
const refused = (...faults: TimedFault[]) => heldTargets(faults).map(({ id, target, holder }) => `${id} ${target} ${holder}`)

test('a fault that is due while another holds its target is refused, and the other is not', () => {
  assert.deepEqual(heldTargets([pause, kill]), [{ id: '2-kill', target: 'a', holder: '1-pause', untilMs: 25_000, certain: true }])
  assert.deepEqual(heldTargets([kill, pause]), heldTargets([pause, kill]))
})

test('a fault that is due long enough after the other has ended, or on another target, is not refused', () => {
  assert.deepEqual(refused(pause, { ...kill, atMs: 25_000 + settleMs }), ['2-kill a 1-pause'])
  assert.deepEqual(refused(pause, { ...kill, atMs: 25_001 + settleMs }), [])
  assert.deepEqual(refused(pause, { ...kill, candidates: ['b'] }), [])
  assert.deepEqual(refused(pause, { ...kill, atMs: 4_000 }), [])
})

test('of two that are due together the later in the list is refused', () => {
  assert.deepEqual(refused({ ...kill, atMs: 5_000 }, pause), ['1-pause a 2-kill'])
  assert.deepEqual(refused(pause, { ...kill, atMs: 5_000 }), ['2-kill a 1-pause'])
})

test('with three on one target each meets every earlier one that still holds it', () => {
  assert.deepEqual(refused(pause, kill, { ...kill, id: '3-kill', atMs: 24_000 }), ['2-kill a 1-pause', '3-kill a 1-pause'])
})

test('a certain meeting happens in every run, a possible one not in all, and none in no run: as the agent picks', () => {
  const subset = fc.subarray(['a', 'b', 'c', 'd', 'e'], { minLength: 1 })
  const fault = fc.tuple(subset, fc.integer({ min: 1, max: 5 })).map(([candidates, takes]) => ({ candidates, takes: Math.min(takes, candidates.length) }))
  const bound = (ids: string[]) => ids.map(id => ({ id, pid: 1, startTicks: 1, description: id }))
  const runs = Array.from({ length: 400 }, (_, index) => `run-${index}`)
  fc.assert(fc.property(fault, fault, (one, other) => {
    const found = heldTargets([{ ...pause, ...one }, { ...kill, ...other }])
    const meetings = runs.filter(run => {
      const taken = pickTargets(bound(one.candidates), one.takes, run).map(({ id }) => id)
      return pickTargets(bound(other.candidates), other.takes, run).some(({ id }) => taken.includes(id))
    }).length
    if (found.length === 0) assert.equal(meetings, 0)
    else if (found.every(({ certain }) => certain)) assert.equal(meetings, runs.length)
    else assert.ok(meetings > 0 && meetings < runs.length, `${meetings} of ${runs.length}`)
  }), { numRuns: 150 })
})

test('what is foretold is what the agent\'s core answers', () => {
  const inject = (fault: string, durationMs: number | undefined) => ({
    is: 'inject', run: 'r', fault, targets: ['a'], alone: 'processes', epoch: { bucketCreatedMs: 1, revision: 1 }, deadlineMs: 60_000, leaseMs: 60_000, durationMs,
  } as const)
  const held = step(initialState, inject('1-pause', 20_000), 5_000).state
  const answer = step(held, inject('2-kill', undefined), 7_000).effects
  assert.deepEqual(answer, [{ effect: 'refuse', run: 'r', fault: '2-kill', why: 'a is held by r/1-pause' }])
})
