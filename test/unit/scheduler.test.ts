import assert from 'node:assert/strict'
import { test } from 'node:test'
import { experimentSchema } from '#shared/experiment.ts'
import type { FactData, FactType, StoredFact } from '#shared/events.ts'
import { begin, broadcasting, decide, fold, patience, phaseOf, renewing, type RunState } from '../../services/scheduler/core.ts'

const written = (changes: object = {}) => ({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'x' },
  load: { users: 10, host: 'http://127.0.0.1:1' },
  faults: [{ kind: 'pause', target: { process: { match: 'postgres' } }, at: '2s', duration: '5s' }],
  gates: [{ name: 'errors', errorRate: { max: '1%' } }],
  recovery: { within: '10s' }, hold: '1s',
  ...changes,
})
const start = (changes: object = {}) => begin('r', experimentSchema.parse(written(changes)), 0)

function after<T extends FactType>(state: RunState, kind: T, data: FactData<T>): RunState {
  return fold(state, { kind, stream: 1, fact: { data, subject: 'r' } } as unknown as StoredFact)
}
const phase = (state: RunState, name: FactData<'run.phase'>['phase'], atMs: number) => after(state, 'run.phase', { phase: name, atMs })
const load = (state: RunState, name: FactData<'load.state'>['state']) => after(state, 'load.state', { state: name, users: 10, targetUsers: 10, atMs: 0 })
const gate = (state: RunState, at: 'steady' | 'during' | 'recovery', status: FactData<'gate.status'>['status']) =>
  after(state, 'gate.status', { gate: 'errors', phase: at, status, lookEndMs: 0, evidence: 'as seen', atMs: 0 })
const closed = (state: RunState) => after(state, 'gate.closed', { phase: 'during', atMs: 0 })
const target = { id: 'process:1:1', pid: 1, startTicks: 1, description: 'postgres' }
const fault = { fault: '1-pause', kind: 'pause', node: 'n1' }
const injected = (state: RunState, atMs: number, node = 'n1') => after(state, 'fault.injected', { ...fault, node, targets: [target], verified: true, readBack: [], requestedAtMs: atMs, injectedAtMs: atMs, clock: 'c' })
const reverted = (state: RunState, atMs: number, verified = true, node = 'n1') =>
  after(state, 'fault.reverted', { ...fault, node, targets: [target], cause: 'duration', verified, readBack: [], revertedAtMs: atMs, clock: 'c' })
const keys = (state: RunState, nowMs: number) => decide(state, nowMs).map(effect => effect.key)
const abortOf = (state: RunState, nowMs: number) => decide(state, nowMs).flatMap(effect => effect.effect === 'abort' ? [effect.cause] : [])
const aborting = (state: RunState, cause: FactData<'run.aborting'>['cause'], atMs: number) => after(state, 'run.aborting', { cause, detail: 'd', atMs, clock: 'c' })

/** A run whose fault was injected at 3 s. */
const held = (changes: object = {}) => injected(phase(phase(load(phase(start(changes), 'load', 0), 'reached'), 'steady', 1_000), 'inject', 3_000), 3_000)

test('a run goes through its phases in order, each because of the fact before it', () => {
  let run = start()
  assert.deepEqual(keys(run, 0), ['phase/load'])
  run = phase(run, 'load', 0)
  assert.deepEqual(keys(run, 10), ['load-start'])
  run = load(run, 'ramping')
  assert.deepEqual(keys(run, 500), [])
  run = load(run, 'reached')
  assert.deepEqual(keys(run, 900), ['phase/steady'])
  run = phase(run, 'steady', 1_000)
  assert.deepEqual(keys(run, 2_999), [])
  assert.deepEqual(keys(run, 3_000), ['phase/inject'])
  run = phase(run, 'inject', 3_000)
  assert.deepEqual(keys(run, 3_000), ['inject/1-pause'])
  run = injected(run, 3_050)
  assert.deepEqual(keys(run, 3_060), ['phase/hold'])
  run = phase(run, 'hold', 3_060)
  assert.deepEqual(keys(run, 8_049), [])
  assert.deepEqual(keys(run, 8_050), ['phase/revert'])
  run = phase(run, 'revert', 8_050)
  assert.deepEqual(keys(run, 8_060), [], 'the agent ends it by itself')
  run = reverted(run, 8_070)
  assert.deepEqual(keys(run, 8_080), ['phase/recover'])
  run = phase(run, 'recover', 8_080)
  assert.deepEqual(keys(run, 9_000), [])
  run = gate(run, 'recovery', 'met')
  assert.deepEqual(keys(run, 9_400), [], 'the last look of the hold may still be answered')
  run = closed(run)
  assert.deepEqual(keys(run, 9_500), ['load-stop'])
  run = load(run, 'stopped')
  assert.deepEqual(keys(run, 9_600), ['seal'])
  run = after(run, 'run.sealed', { atMs: 9_600 })
  assert.deepEqual(keys(run, 9_700), [])
})

const ordered = (state: RunState, nodes: string[], atMs: number, revision = 1) => after(state, 'fault.ordered', { fault: '1-pause', kind: 'pause', nodes, epoch: { bucketCreatedMs: 0, revision }, atMs })

test('the steady phase does not end, by its dates, before the look that it was waited for: the evaluator\'s clock may be ahead', () => {
  const looked = (lookEndMs: number, changes: object) => after(phase(load(phase(start(changes), 'load', 0), 'reached'), 'steady', 1_000), 'gate.status', { gate: 'errors', phase: 'steady', status: 'holding', lookEndMs, evidence: 'x', atMs: 0 })
  const changes = { gates: [{ name: 'errors', errorRate: { max: '1%' }, phase: 'steady' }, { name: 'held', errorRate: { max: '1%' } }] }
  for (const [more, next] of [[{}, 'phase/inject'], [{ faults: [], hold: '5s' }, 'phase/hold']] as const) {
    const steadyEndMs = 1_000 + experimentSchema.parse(written({ ...changes, ...more })).steadyMs
    assert.deepEqual(keys(looked(steadyEndMs, { ...changes, ...more }), steadyEndMs), [next])
    assert.deepEqual(keys(looked(steadyEndMs + 50, { ...changes, ...more }), steadyEndMs + 49), [])
    assert.deepEqual(keys(looked(steadyEndMs + 50, { ...changes, ...more }), steadyEndMs + 50), [next])
    assert.deepEqual(keys(looked(steadyEndMs + 3_600_000, { ...changes, ...more }), steadyEndMs), [next], 'a clock that is wrong is not waited for')
  }
})

test('a fault on two nodes is held until both have told of it, and for its duration from then', () => {
  const partly = phase(ordered(held(), ['n1', 'n2'], 2_990), 'hold', 3_060)
  assert.deepEqual(keys(partly, 9_000), [], 'its duration is over on one')
  const whole = injected(partly, 6_000, 'n2')
  assert.deepEqual([keys(whole, 10_999), keys(whole, 11_000)], [[], ['phase/revert']])
})

test('a fault that one of two nodes has never told of is on a part of its targets alone: the run is aborted, whoever leads by then', () => {
  const partly = phase(ordered(held(), ['n1', 'n2'], 2_990), 'hold', 3_060)
  const lateMs = 2_990 + patience.injectMs + 1
  assert.deepEqual([abortOf(partly, lateMs - 1), decide(partly, lateMs)], [[], [{ key: 'abort', effect: 'abort', cause: 'unconfirmed', detail: '1-pause was never confirmed as injected on n2' }]])
  const refused = after(partly, 'fault.refused', { ...fault, node: 'n2', why: 'no' })
  assert.deepEqual(abortOf(refused, lateMs), ['refused'])
  const chosenAnew = ordered(partly, ['n1'], 4_000, 2)
  assert.deepEqual([abortOf(chosenAnew, lateMs), abortOf(chosenAnew, lateMs + 1_010)], [[], ['unconfirmed']], 'another leader has chosen without it, and it may have done its part before')
  assert.deepEqual(abortOf(held(), lateMs), [], 'an earlier version wrote none')
})

test('where a run is goes by the order of its phases, whose dates may be of two clocks', () => {
  assert.equal(phaseOf(start()), 'submitted')
  assert.equal(phaseOf(phase(phase(start(), 'load', 0), 'steady', 3_600_000)), 'steady')
  assert.equal(phaseOf(phase(phase(start(), 'steady', 3_600_000), 'inject', 3_000)), 'inject')
  assert.equal(phaseOf(phase(phase(start(), 'revert', 5_000), 'recover', 5_000)), 'recover')
})

test('without load the steady phase begins at once, and nothing is stopped at the end', () => {
  const promql = { name: 'errors', promql: { query: 'up', max: 1 } }
  const run = start({ load: undefined, gates: [promql] })
  assert.deepEqual(keys(run, 0), ['phase/steady'])
  const over = gate(phase(reverted(injected(phase(phase(run, 'steady', 0), 'inject', 2_000), 2_000), 7_000), 'recover', 7_000), 'recovery', 'met')
  assert.deepEqual(keys(closed(over), 8_000), ['seal'])
})

test('an evaluator that never says that the looks are in delays the seal, but not for ever', () => {
  const run = load(gate(phase(reverted(held(), 8_000), 'recover', 8_000), 'recovery', 'met'), 'stopped')
  const givenUpAtMs = 8_000 + 10_000 + 3_000 + patience.recoveryGatesMs
  assert.deepEqual(keys(run, givenUpAtMs), [])
  assert.deepEqual(keys(run, givenUpAtMs + 1), ['seal'])
})

test('a breached gate aborts during the fault, and is then reverted, recovered, sealed in this order', () => {
  let run = gate(phase(held(), 'hold', 3_000), 'during', 'breached')
  assert.deepEqual(abortOf(run, 4_000), ['gate'])
  run = aborting(run, 'gate', 4_000)
  assert.equal(broadcasting(run, 10_000), true)
  assert.deepEqual(keys(run, 4_100), [])
  run = reverted(run, 4_200)
  assert.equal(broadcasting(run, 5_000), false)
  assert.deepEqual(keys(run, 4_700), ['phase/recover'])
  run = gate(phase(run, 'recover', 4_700), 'recovery', 'missed')
  assert.deepEqual(keys(load(run, 'stopped'), 9_000), ['seal'])
})

test('a steady gate that is broken, or was never seen to hold, lets nothing be injected', () => {
  const steady = { gates: [{ name: 'errors', phase: 'steady', errorRate: { max: '1%' } }] }
  const run = phase(load(phase(start(steady), 'load', 0), 'reached'), 'steady', 1_000)
  assert.deepEqual(keys(run, 3_500), [])
  assert.deepEqual(abortOf(run, 3_001 + patience.steadyGatesMs), ['steady'])
  assert.deepEqual(abortOf(gate(run, 'steady', 'breached'), 2_000), ['steady'])
  assert.deepEqual(keys(gate(run, 'steady', 'holding'), 3_000), ['phase/inject'])
})

test('a lapsed lease, an unreadable gate, a refused or unconfirmed fault and failed load each end the run under their own name', () => {
  assert.deepEqual(abortOf(after(held(), 'fault.lapsed', { ...fault, atMs: 4_000 }), 4_000), ['lease'])
  assert.deepEqual(abortOf(gate(held(), 'during', 'unreadable'), 4_000), ['unreadable'])
  const waiting = phase(phase(load(phase(start(), 'load', 0), 'reached'), 'steady', 1_000), 'inject', 3_000)
  assert.deepEqual(abortOf(after(waiting, 'fault.refused', { ...fault, why: 'no' }), 4_000), ['refused'])
  assert.deepEqual(abortOf(waiting, 3_001 + patience.injectMs), ['unconfirmed'])
  assert.deepEqual(abortOf(load(held(), 'failed'), 4_000), ['load'])
  assert.deepEqual(abortOf(phase(start(), 'load', 0), 200_000), ['load'])
})

test('a lapsed lease ends the run also for who hears of it when the fault is gone already: nothing joins it any more', () => {
  const run = after(phase(held(), 'hold', 3_000), 'fault.lapsed', { ...fault, atMs: 4_000 })
  const over = after(run, 'fault.reverted', { ...fault, targets: [target], cause: 'lease', verified: true, readBack: [], revertedAtMs: 4_010, clock: 'c' })
  assert.deepEqual(decide(over, 4_100), [{ key: 'abort', effect: 'abort', cause: 'lease', detail: 'the lease of 1-pause ran out while it was held: its agent heard no heartbeat' }])
})

test('a fault that a halt has ended on its node ends the run, wherever else nothing is halted', () => {
  const run = after(held(), 'fault.reverted', { ...fault, targets: [target], cause: 'halt', verified: true, readBack: [], revertedAtMs: 4_000, clock: 'c' })
  const [effect] = decide(run, 4_100)
  assert.deepEqual(effect, { key: 'abort', effect: 'abort', cause: 'user', detail: '1-pause was ended by a halt on n1' })
})

test('heartbeats stop with the abort, so that leases run out even if no abort arrives', () => {
  assert.equal(renewing(held()), true)
  assert.equal(renewing(aborting(held(), 'user', 4_000)), false)
})

test('a user\'s abort before any injection ends without a recovery phase, after the tombstone had time to arrive', () => {
  const run = load(aborting(phase(start(), 'load', 0), 'user', 1_000), 'ramping')
  assert.equal(broadcasting(run, 1_400), true)
  assert.deepEqual(keys(run, 1_400), [])
  assert.deepEqual(keys(run, 1_600), ['load-stop'])
  assert.deepEqual(keys(run, 1_600 + patience.loadStopMs + 1_000), ['seal'])
})

test('an unconfirmed revert is waited for until the lease is long over, then the run is sealed all the same', () => {
  const run = load(reverted(aborting(held(), 'user', 4_000), 4_100, false), 'stopped')
  assert.deepEqual(keys(run, 6_000), [])
  assert.deepEqual(keys(run, 4_000 + 3_000 + patience.revertMs), ['seal'])
})

test('a node whose clock is far ahead would have the hold last until then: the run is given up, and one that is a little ahead is not', () => {
  const ahead = (byMs: number) => injected(phase(phase(load(phase(start(), 'load', 0), 'reached'), 'steady', 1_000), 'inject', 3_000), 3_000 + byMs)
  assert.deepEqual(abortOf(ahead(3_600_000), 3_100), ['infrastructure'])
  assert.deepEqual(abortOf(ahead(5_000), 3_100), [])
})

test('a node that is gone for good, or has lost its journal, never tells of the end: the run does not wait for it for ever', () => {
  const run = phase(phase(held(), 'hold', 3_060), 'revert', 8_000)
  const givenUpMs = 8_000 + 3_000 + patience.revertMs
  assert.deepEqual(keys(run, givenUpMs), ['revert/1-pause'])
  assert.deepEqual(abortOf(run, givenUpMs + 1), ['unconfirmed'])
  assert.deepEqual(abortOf(phase(reverted(run, 9_000), 'recover', 9_000), givenUpMs + 1), [])
  const aborted = load(aborting(run, 'unconfirmed', givenUpMs + 1), 'stopped')
  assert.deepEqual(keys(aborted, givenUpMs + 1 + 3_000 + patience.revertMs), ['seal'])
})

test('facts that come twice or belong to no fault of the run change nothing', () => {
  const run = phase(held(), 'hold', 3_100)
  assert.equal(phase(run, 'hold', 9_999).phases.hold, 3_100)
  assert.deepEqual(after(run, 'fault.lapsed', { ...fault, fault: '9-other', atMs: 1 }), run)
  assert.deepEqual(injected(run, 9_999), run)
  assert.deepEqual(after(run, 'slo.tick', { atMs: 9_999 }), run)
  const once = aborting(run, 'gate', 5_000)
  assert.equal(aborting(once, 'user', 6_000).abort?.cause, 'gate')
})

test('recovery without an answer from the evaluator ends at its deadline', () => {
  const run = load(phase(reverted(held(), 8_000), 'recover', 8_000), 'stopped')
  assert.deepEqual(keys(phase(run, 'revert', 8_000), 9_000), [])
  assert.deepEqual(keys(phase(run, 'revert', 8_000), 8_001 + 10_000 + 3_000 + patience.recoveryGatesMs), ['seal'])
})

test('an instant fault is over when it is done: nothing is reverted, and the hold lasts from its injection', () => {
  let run = phase(phase(load(phase(start({ faults: [{ kind: 'kill', target: { process: { match: 'postgres' } }, at: '2s' }], hold: '4s' }), 'load', 0), 'reached'), 'steady', 1_000), 'inject', 3_000)
  assert.deepEqual(keys(run, 3_100), ['inject/1-kill'])
  run = phase(after(run, 'fault.injected', { ...fault, fault: '1-kill', kind: 'kill', targets: [target], verified: true, readBack: [], requestedAtMs: 3_100, injectedAtMs: 3_100, clock: 'c' }), 'hold', 3_100)
  assert.deepEqual(keys(run, 7_099), [])
  assert.deepEqual(keys(run, 7_100), ['phase/revert'])
  assert.deepEqual(keys(phase(run, 'revert', 7_100), 7_200), ['phase/recover'])
})

test('a fault on two nodes is held until both have let go of it: reverts go to the one that has not, and the abort is broadcast for it', () => {
  const both = phase(injected(held(), 3_200, 'n2'), 'hold', 3_200)
  const one = reverted(phase(both, 'revert', 8_200), 8_300)
  assert.deepEqual(decide(one, 8_200 + patience.ownEndMs - 1), [], 'it ends by itself')
  assert.deepEqual(decide(one, 8_200 + patience.ownEndMs), [{ key: 'revert/1-pause', effect: 'revert', fault: '1-pause', nodes: ['n2'] }])
  assert.deepEqual(keys(reverted(one, 8_500, true, 'n2'), 8_600), ['phase/recover'])
  const aborted = reverted(aborting(both, 'gate', 4_000), 4_100)
  assert.equal(broadcasting(aborted, 6_000), true)
  assert.deepEqual(keys(aborted, 6_000), [])
  const over = reverted(aborted, 6_100, true, 'n2')
  assert.equal(broadcasting(over, 6_200), false)
  assert.deepEqual(keys(over, 6_200), ['phase/recover'])
})

test('a fault that one node holds and another refuses ends the run, and not before the first has let go of it', () => {
  const run = after(held(), 'fault.refused', { ...fault, node: 'n2', why: 'no' })
  assert.deepEqual(abortOf(run, 3_100), ['refused'])
  const aborted = load(aborting(run, 'refused', 3_100), 'stopped')
  assert.equal(broadcasting(aborted, 5_000), true)
  assert.deepEqual(keys(aborted, 5_000), [])
  assert.deepEqual(keys(reverted(aborted, 5_100), 5_200), ['seal'])
})

test('a refusal ends the run also when the fault was done after it, as by the next leader\'s order, and what was done is waited for', () => {
  const waiting = phase(phase(load(phase(start(), 'load', 0), 'reached'), 'steady', 1_000), 'inject', 3_000)
  const run = injected(after(waiting, 'fault.refused', { ...fault, why: 'it came 10 ms after its deadline' }), 3_500)
  assert.deepEqual(decide(run, 3_600), [{ key: 'abort', effect: 'abort', cause: 'refused', detail: '1-pause was not injected: it came 10 ms after its deadline' }])
  assert.deepEqual(decide(after(run, 'fault.refused', { ...fault, node: 'n2', why: 'no' }), 3_600), decide(run, 3_600), 'the first is told')
  const aborted = load(aborting(run, 'refused', 3_600), 'stopped')
  assert.deepEqual([broadcasting(aborted, 5_000), keys(aborted, 5_000)], [true, []])
  assert.deepEqual(keys(reverted(aborted, 5_100), 5_200), ['seal'])
})

test('the hold lasts until the duration is over on the node that began last', () => {
  const run = phase(injected(held(), 4_500, 'n2'), 'hold', 3_100)
  assert.deepEqual(keys(run, 9_499), [])
  assert.deepEqual(keys(run, 9_500), ['phase/revert'])
})

test('a fault whose end was told but never its beginning ends the run instead of leaving it waiting for ever', () => {
  const waiting = phase(phase(load(phase(start(), 'load', 0), 'reached'), 'steady', 1_000), 'inject', 3_000)
  assert.deepEqual(abortOf(reverted(waiting, 3_500, false), 3_600), ['unconfirmed'])
  assert.deepEqual(abortOf(reverted(reverted(waiting, 3_500, false), 4_500), 4_600), ['unconfirmed'])
})

test('a recovery is over with the gates that were written for it, if there are any', () => {
  const own = { gates: [{ name: 'errors', errorRate: { max: '1%' } }, { name: 'again', phase: 'recovery', errorRate: { max: '5%' } }] }
  const run = closed(load(phase(reverted(held(own), 8_000), 'recover', 8_000), 'stopped'))
  assert.deepEqual(keys(gate(run, 'recovery', 'met'), 9_000), [])
  assert.deepEqual(keys(after(run, 'gate.status', { gate: 'again', phase: 'recovery', status: 'met', lookEndMs: 0, evidence: 'x', atMs: 0 }), 9_000), ['seal'])
})

test('a recovery after an abort is waited for, as after a run that went its way', () => {
  const run = load(phase(reverted(aborting(held(), 'gate', 4_000), 4_200), 'recover', 4_300), 'stopped')
  assert.deepEqual(keys(run, 10_000), [])
  assert.deepEqual(keys(gate(run, 'recovery', 'met'), 10_000), ['seal'])
})

test('no run is sealed with its load still going before the load was asked to stop, however late its end begins', () => {
  const slow = { recovery: { within: '10s', stable: '8s' } }
  const silent = phase(reverted(held(slow), 8_000), 'recover', 8_000) // the evaluator never answers
  const givenUpAtMs = 8_000 + 10_000 + 8_000 + patience.recoveryGatesMs
  assert.deepEqual(keys(silent, givenUpAtMs), [])
  assert.deepEqual(keys(silent, givenUpAtMs + 1), ['load-stop'])
  assert.deepEqual(keys(silent, givenUpAtMs + patience.loadStopMs), ['load-stop'])
  assert.deepEqual(keys(silent, givenUpAtMs + patience.loadStopMs + 1), ['seal'])
  const unconfirmed = reverted(aborting(held(), 'user', 4_000), 4_100, false)
  const leaseOverMs = 4_000 + 3_000 + patience.revertMs
  assert.deepEqual(keys(unconfirmed, leaseOverMs), ['load-stop'])
  assert.deepEqual(keys(unconfirmed, leaseOverMs + patience.loadStopMs + 1), ['seal'])
})

test('the abort is broadcast neither before it was decided nor after the run was sealed', () => {
  assert.equal(broadcasting(held(), 4_000), false)
  assert.equal(broadcasting(after(aborting(held(), 'user', 4_000), 'run.sealed', { atMs: 20_000 }), 20_001), false)
})

test('the load says why it failed, and the first verdict stays', () => {
  const run = after(held(), 'load.state', { state: 'failed', users: 0, targetUsers: 10, atMs: 4_000, detail: 'Locust ended: SIGKILL' })
  assert.deepEqual(decide(run, 4_000).map(effect => 'detail' in effect && effect.detail), ['Locust ended: SIGKILL'])
  const judged = (state: RunState, verdict: FactData<'run.judged'>['verdict']) => after(state, 'run.judged', { verdict, reasons: [], revertUnconfirmed: false })
  assert.equal(judged(judged(run, 'inconclusive'), 'passed').verdict, 'inconclusive')
})

const faultless = (changes: object = {}) => start({ faults: [], hold: '20s', ...changes })
const steadyGates = { gates: [{ name: 'errors', phase: 'steady', errorRate: { max: '1%' } }, { name: 'p95', latency: { quantile: 0.95, max: '1s' } }] }

test('without faults a run goes from steady to hold to its end, and waits for the last looks before the load is stopped', () => {
  let run = phase(load(phase(faultless(), 'load', 0), 'reached'), 'steady', 1_000)
  assert.deepEqual(keys(run, 1_000), ['phase/hold'])
  run = phase(run, 'hold', 1_000)
  assert.deepEqual(keys(run, 20_999), [])
  assert.deepEqual(keys(run, 21_000), ['phase/end'])
  run = phase(run, 'end', 21_000)
  assert.deepEqual(keys(run, 21_100), [])
  assert.deepEqual(keys(run, 21_001 + patience.lastLooksMs), ['load-stop'], 'looks that never come are not waited for')
  run = closed(run)
  assert.deepEqual(keys(run, 21_500), ['load-stop'])
  assert.deepEqual(keys(load(run, 'stopped'), 21_600), ['seal'])
})

test('without faults steady gates are judged for as long as their looks take, and say what they came before', () => {
  const run = phase(load(phase(faultless(steadyGates), 'load', 0), 'reached'), 'steady', 1_000)
  assert.deepEqual(keys(run, 4_000), [], 'no look yet')
  assert.deepEqual(keys(gate(run, 'steady', 'holding'), 3_999), [])
  assert.deepEqual(keys(gate(run, 'steady', 'holding'), 4_000), ['phase/hold'])
  assert.deepEqual(decide(gate(run, 'steady', 'breached'), 2_000).map(effect => effect.effect === 'abort' && effect.detail), ['before the hold, errors: as seen'])
  assert.deepEqual(decide(run, 4_001 + patience.steadyGatesMs).map(effect => effect.effect === 'abort' && effect.detail),
    ['the system was not seen steady before the hold: no good look at errors'])
})

test('without faults a breach in the hold, or in its last looks, aborts the run, which ends without a recovery', () => {
  const run = phase(phase(load(phase(faultless(), 'load', 0), 'reached'), 'steady', 1_000), 'hold', 1_000)
  assert.deepEqual(abortOf(gate(run, 'during', 'breached'), 5_000), ['gate'])
  assert.deepEqual(abortOf(gate(phase(run, 'end', 21_000), 'during', 'breached'), 21_100), ['gate'])
  const aborted = aborting(gate(run, 'during', 'breached'), 'gate', 5_000)
  assert.deepEqual(keys(aborted, 5_499), [])
  assert.deepEqual(keys(aborted, 5_500), ['load-stop'])
})

test('while a fault on pods lasts, what comes up is looked for, as a part of its own that must be gone before the run goes on', () => {
  const pods = { faults: [{ kind: 'pod-pause', target: { pods: { namespace: 's', labels: { app: 'a' }, pick: 'all' } }, at: '2s', duration: '5s' }] }
  const pod = (uid: string, node: string) => ({ id: `pod:${uid}`, pod: { namespace: 's', name: uid, uid, node }, description: uid })
  const at = (name: string, uid: string, node: string, atMs: number) => ({ fault: name, kind: 'pod-pause', node, targets: [pod(uid, node)], peers: ['10.0.0.9'], verified: true, readBack: [], clock: 'c', requestedAtMs: atMs, injectedAtMs: atMs })
  let run = phase(phase(load(phase(start(pods), 'load', 0), 'reached'), 'steady', 1_000), 'inject', 3_000)
  assert.deepEqual(keys(run, 3_000), ['inject/1-pod-pause'], 'nothing joins what is not there')
  run = phase(after(run, 'fault.injected', at('1-pod-pause', 'u1', 'n1', 3_000)), 'hold', 3_000)
  const [join] = decide(run, 3_100)
  assert.ok(join?.effect === 'join')
  assert.deepEqual([join.part, join.joining, join.endsAtMs], ['1-pod-pause.2', { held: ['pod:u1'], peers: ['10.0.0.9'], sinceMs: 3_000 }, 8_000])
  run = after(run, 'fault.refused', { fault: '1-pod-pause.2', kind: 'pod-pause', node: 'n2', why: 'it has no process yet' })
  assert.deepEqual(abortOf(run, 3_200), [])
  run = after(run, 'fault.injected', at('1-pod-pause.3', 'u2', 'n2', 5_000))
  const [next] = decide(run, 5_100)
  assert.ok(next?.effect === 'join')
  assert.deepEqual([join.pauseMs, next.pauseMs], [1_000, 2_000], 'one was refused')
  const [doneAfterAll] = decide(after(run, 'fault.injected', at('1-pod-pause.2', 'u3', 'n2', 5_000)), 5_100)
  assert.equal(doneAfterAll?.effect === 'join' && doneAfterAll.pauseMs, 2_000, 'it was refused, whatever came of it later')
  assert.deepEqual([next.part, next.joining.held], ['1-pod-pause.4', ['pod:u1', 'pod:u2']])
  assert.deepEqual(keys(run, 8_000 - patience.joinMs + 1), [], 'too late to join')
  assert.deepEqual(keys(run, 8_000), ['phase/revert'], 'what joined ends with the fault, and prolongs nothing')
  run = phase(run, 'revert', 8_000)
  const reverted = ({ injectedAtMs: _, requestedAtMs: __, peers: ___, ...common }: ReturnType<typeof at>) => ({ ...common, cause: 'duration' as const, revertedAtMs: 8_010 })
  run = after(run, 'fault.reverted', reverted(at('1-pod-pause', 'u1', 'n1', 0)))
  assert.deepEqual(decide(run, 8_000 + patience.ownEndMs), [{ key: 'revert/1-pod-pause.3', effect: 'revert', fault: '1-pod-pause.3', nodes: ['n2'] }])
  assert.deepEqual(keys(after(run, 'fault.reverted', reverted(at('1-pod-pause.3', 'u2', 'n2', 0))), 8_600), ['phase/recover'])
  const lapsed = after(after(phase(held(pods), 'hold', 3_000), 'fault.injected', at('1-pod-pause.2', 'u2', 'n2', 3_000)), 'fault.lapsed', { fault: '1-pod-pause.2', kind: 'pod-pause', node: 'n2', atMs: 4_000 })
  assert.deepEqual(abortOf(lapsed, 4_100), ['lease'])
})

test('nothing joins a fault on processes, nor one that is done in an instant', () => {
  assert.deepEqual(keys(phase(held(), 'hold', 3_000), 3_100), [])
  const kill = { kind: 'pod-kill', target: { pods: { namespace: 's', labels: { app: 'a' } } }, at: '2s' }
  const run = phase(phase(load(phase(start({ faults: [kill], hold: '5s' }), 'load', 0), 'reached'), 'steady', 1_000), 'inject', 3_000)
  const killed = after(run, 'fault.injected', { ...fault, fault: '1-pod-kill', kind: 'pod-kill', targets: [target], verified: true, readBack: [], requestedAtMs: 3_000, injectedAtMs: 3_000, clock: 'c' })
  assert.deepEqual(keys(phase(killed, 'hold', 3_000), 3_100), [])
})
