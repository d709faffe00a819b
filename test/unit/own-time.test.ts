import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { experimentSchema } from '#shared/experiment.ts'
import { begin, broadcasting, decide, patience, type RunState } from '../../services/scheduler/core.ts'
import { inOwnTime } from '../../services/scheduler/own-time.ts'

const experiment = experimentSchema.parse({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'x' },
  faults: [{ kind: 'pause', target: { process: { match: 'postgres' } }, at: '2s', duration: '5s' }],
  gates: [{ name: 'errors', promql: { query: 'up', max: 1 } }], recovery: { within: '10s' }, hold: '1s',
})
const hourMs = 3_600_000
const run = (changes: Partial<RunState>): RunState => ({ ...begin('r', experiment, 0), ...changes })
const keys = (state: RunState, nowMs: number) => decide(state, nowMs).map(({ key }) => key)

test('a phase that an earlier leader has dated an hour ahead is waited for from when it is seen, not for an hour', () => {
  const told = run({ phases: { steady: hourMs } })
  const seen = inOwnTime(told, undefined, 5_000)
  assert.deepEqual(keys(seen, 5_000), [])
  assert.deepEqual(keys(inOwnTime(told, seen, 6_999), 6_999), [])
  assert.deepEqual(keys(inOwnTime(told, seen, 7_000), 7_000), ['phase/inject'])
  assert.deepEqual(keys(told, 7_000), [], 'by the date of the fact nothing would be due')
})

test('an abort that is dated an hour ahead is broadcast and sealed as any other', () => {
  const told = run({ abort: { cause: 'load', detail: 'd', atMs: hourMs } })
  const seen = inOwnTime(told, undefined, 1_000)
  assert.deepEqual([broadcasting(inOwnTime(told, seen, 1_499), 1_499), broadcasting(inOwnTime(told, seen, 1_500), 1_500)], [true, false])
  assert.deepEqual(keys(inOwnTime(told, seen, 1_500), 1_500), ['seal'])
  assert.deepEqual(keys(told, 1_500), [])
})

test('an order that is dated an hour ahead is waited for from when it is seen, and another leader\'s after it anew', () => {
  const order = (atMs: number, revision: number): RunState => {
    const began = run({ phases: { steady: 0, inject: 2_000, hold: 2_000 } })
    const fault = began.faults.get('1-pause') ?? assert.fail()
    return { ...began, faults: new Map([['1-pause', { ...fault, nodes: new Map([['n1', { at: 'active', injectedAtMs: 2_000 }]]), ordered: { nodes: ['n1', 'n2'], epoch: { bucketCreatedMs: 0, revision }, atMs } }]]) }
  }
  const told = order(hourMs, 1)
  const seen = inOwnTime(told, undefined, 5_000)
  const lateMs = 5_000 + patience.injectMs
  assert.deepEqual([keys(inOwnTime(told, seen, lateMs), lateMs), keys(inOwnTime(told, seen, lateMs + 1), lateMs + 1)], [[], ['abort']])
  assert.deepEqual(keys(told, lateMs + 1), [], 'by the date of the fact there would be time yet')
  assert.deepEqual(keys(inOwnTime(order(6_000, 2), seen, lateMs + 1), lateMs + 1), [])
})

test('a run that was submitted under a clock an hour ahead is given up when nothing comes of it', () => {
  const told = run({ submittedAtMs: hourMs, load: { state: 'starting' } })
  const loaded = { ...told, experiment: { ...experiment, load: { users: 10, reachedWithinMs: 1_000 } as never } }
  const seen = inOwnTime(loaded, undefined, 1_000)
  const lateMs = 1_000 + 31_001
  assert.deepEqual(keys(inOwnTime(loaded, seen, lateMs), lateMs), ['abort'])
  assert.ok(!keys(loaded, lateMs).includes('abort'))
})

test('when the clock is put back a second time, what was counted from lies ahead as well, and begins anew', () => {
  const told = run({ phases: { steady: 1_000, inject: 3_000, hold: 3_000, revert: hourMs } })
  const once = inOwnTime(told, undefined, 20_000)
  const again = inOwnTime(told, once, 10_000)
  assert.deepEqual([once.phases, again.phases], [{ ...told.phases, revert: 20_000 }, { ...told.phases, revert: 10_000 }])
  const givenUpMs = 10_000 + experiment.leaseMs + patience.revertMs
  assert.equal(inOwnTime(told, again, givenUpMs).phases.revert, 10_000)
})

test('what is not ahead is left as it is', () => {
  const told = run({ submittedAtMs: 900, phases: { load: 1_000, steady: 2_000 }, abort: { cause: 'user', detail: 'd', atMs: 3_000 } })
  assert.deepEqual(inOwnTime(told, undefined, 3_000), told)
  assert.deepEqual(inOwnTime(told, inOwnTime(told, undefined, 3_000), hourMs), told)
})

test('a date that is ahead by as much as two clocks are apart is waited for, so that the phase is as long by its dates', () => {
  const told = run({ phases: { steady: 5_100 } })
  const seen = inOwnTime(told, undefined, 5_000)
  assert.deepEqual([keys(inOwnTime(told, seen, 7_099), 7_099), keys(inOwnTime(told, seen, 7_100), 7_100)], [[], ['phase/inject']])
})

test('whatever the clock does, no date is more than a second ahead of it, and none is earlier than the fact says unless the clock was', () => {
  fc.assert(fc.property(fc.nat(hourMs), fc.array(fc.nat(hourMs), { minLength: 1 }), (steady, clock) => {
    let own: RunState | undefined
    for (const nowMs of clock) {
      own = inOwnTime(run({ phases: { steady } }), own, nowMs)
      assert.ok((own.phases.steady ?? Infinity) <= nowMs + 1_000)
    }
    assert.equal(own?.phases.steady, clock.reduce((knownMs, nowMs) => knownMs > nowMs + 1_000 ? nowMs : knownMs, steady))
  }))
})
