import assert from 'node:assert/strict'
import { test } from 'node:test'
import { paceOf, remainingOf, withSpending, type Remaining } from '#shared/policy-budget.ts'
import { decide, fold, keptOf, newPolicy, replacePolicy, runOfTick, standing, type PolicyEffect, type PolicyState, type World } from '#shared/policy-core.ts'
import type { Policy } from '#shared/policy.ts'
import { policyDocument, policyOf } from '../parts/policy-builder.ts'

const minuteMs = 60_000
const dayMs = 86_400_000
/** A Wednesday. */
const start = Date.UTC(2026, 11, 2, 10)
const set = (policy: Policy) => newPolicy(policy, { policy: policyDocument(), by: 'a test', atMs: start })
const tick = (minutes: number, { choice = 0.1, pacing = 0.5 } = {}) => ({ atMs: start + minutes * minuteMs, choice, pacing })
const world = (more: Partial<World> = {}): World => ({
  halted: false, watchedSinceMs: start, ticks: [tick(1)], busy: [], loadBusy: undefined, endOf: () => undefined, isBegun: () => false, remaining: undefined, ...more,
})
const brief = (effects: readonly PolicyEffect[]) => effects.map(effect => {
  switch (effect.effect) {
    case 'begin': return `begin ${effect.run}`
    case 'skip': return `skip ${effect.reason}: ${effect.why}`
    case 'miss': return `miss ${effect.count}`
    case 'pause': case 'settle': return `${effect.effect} ${effect.run}`
    default: return effect.effect
  }
})
const at = (minutes: number) => start + minutes * minuteMs
const decided = (state: PolicyState, minutes: number, more: Partial<World> = {}) => brief(decide(state, world(more), at(minutes)))
const begun = (state: PolicyState, minutes: number, run: string, template = 'web', remaining: Record<string, number> = {}) =>
  fold(state, { kind: 'policy.ticked', data: { atMs: at(minutes), decidedAtMs: at(minutes), template, experiment: `low-rate-${template}`, outcome: 'run', run, remaining } })
const settled = (state: PolicyState, run: string, minutes: number, spent: { slo: string; ratio: number; measured: boolean }[] = []) =>
  fold(state, { kind: 'policy.settled', data: { run, verdict: 'passed', endedAtMs: at(minutes), atMs: at(minutes), spent } })

test('a tick that is due begins its run, named after it; one that is not, nothing', () => {
  const state = set(policyOf())
  assert.deepEqual(decided(state, 0), [])
  assert.deepEqual(decided(state, 1), ['begin low-rate-web-20261202-100100-000'])
  assert.deepEqual(decided(state, 1, { ticks: [tick(1, { choice: 0.9 })] }), ['begin low-rate-redis-20261202-100100-000'])
  assert.deepEqual(decided(begun(state, 1, 'r'), 1, { endOf: () => ({ verdict: 'passed', atMs: at(1) }) }).filter(text => text.startsWith('begin')), [], 'decided is decided')
})

test('paused, halted, or closed by now: it is skipped at once, and says why', () => {
  const state = set(policyOf({ windows: [{ from: '10:00', to: '10:30' }] }))
  assert.deepEqual(decided(state, 1, { halted: true }), ['skip halted: everything is halted'])
  const paused = fold(state, { kind: 'policy.paused', data: { why: 'r was failed', run: 'r', atMs: at(0) } })
  assert.deepEqual(decided(paused, 1), ['skip paused: r was failed'])
  assert.deepEqual(standing(paused, world(), at(1)), { state: 'paused', reason: 'r was failed' })
  assert.deepEqual(standing(state, world({ halted: true }), at(1)), { state: 'halted', reason: 'everything is halted' })
  assert.match(decided(state, 29, { ticks: [tick(28)] }).join(), /^skip window/)
  assert.deepEqual(decided(fold(paused, { kind: 'policy.resumed', data: { by: 'a user', atMs: at(0) } }), 1), ['begin low-rate-web-20261202-100100-000'])
})

test('it waits for concurrency, cooldown, services and the load generator; not for ever', () => {
  const policy = policyOf({ cooldown: '5m', wait: '10m' })
  const one = begun(set(policy), 1, 'r1')
  const next = { ticks: [tick(2)] }
  assert.deepEqual(decided(one, 2, next), [])
  assert.deepEqual(standing(one, world(next), at(2)), { state: 'waiting', reason: 'r1 is under way' })
  assert.deepEqual(decided(one, 13, next), ['skip concurrency: r1 is under way, for 10m'])
  const ended = { ...next, endOf: () => ({ verdict: 'passed' as const, atMs: at(3) }) }
  assert.deepEqual(decided(one, 4, ended), ['settle r1'])
  assert.deepEqual(decided(settled(one, 'r1', 3), 7, next), [])
  assert.deepEqual(decided(settled(one, 'r1', 3), 8, next), ['begin low-rate-web-20261202-100200-000'])

  const state = set(policy)
  const busy = [{ run: 'by-hand', services: [{ namespace: 'shop', app: 'web' }] }]
  assert.deepEqual(standing(state, world({ busy }), at(1)), { state: 'waiting', reason: 'by-hand is on shop/web' })
  assert.deepEqual(decided(state, 1, { busy: [{ run: 'by-hand', services: [{ namespace: 'shop', app: 'redis' }] }] }), ['begin low-rate-web-20261202-100100-000'])
  const loaded = set(policyOf({ templates: [{ name: 'load', experiment: { faults: [], hold: '1m', load: { users: 1, host: 'http://127.0.0.1:1' }, gates: [{ name: 'e', errorRate: { max: '1%' } }] } }] }))
  assert.deepEqual(standing(loaded, world({ loadBusy: 'other' }), at(1)), { state: 'waiting', reason: 'other has the load generator' })
})

test('what was due long before anybody looked is missed, as one; what has waited since is not', () => {
  const state = set(policyOf())
  const ticks = [tick(1), tick(2), tick(10), tick(11)]
  assert.deepEqual(decided(state, 11, { ticks, watchedSinceMs: at(11) }), ['miss 3'])
  const after = fold(state, { kind: 'policy.missed', data: { fromMs: at(1), toMs: at(10), count: 3 } })
  assert.deepEqual(decided(after, 11, { ticks, watchedSinceMs: at(11) }), ['begin low-rate-web-20261202-101100-000'])
  assert.deepEqual(decided(state, 11, { ticks, watchedSinceMs: at(0) }), ['begin low-rate-web-20261202-100100-000'])
  assert.deepEqual(decided(state, 1.4, { watchedSinceMs: at(1.4) }), ['begin low-rate-web-20261202-100100-000'], 'a change of leaders')
})

test('a run that was begun and not told of is told of, whatever holds now', () => {
  const run = runOfTick('low-rate', 'redis', at(1))
  assert.deepEqual(decided(set(policyOf()), 30, { halted: true, watchedSinceMs: at(30), isBegun: name => name === run }), [`begin ${run}`])
})

test('a failed verdict pauses first, and begins nothing; the run is settled then, and pauses no second time', () => {
  const state = begun(set(policyOf()), 1, 'r1')
  const failed = { ticks: [tick(2)], endOf: () => ({ verdict: 'failed' as const, atMs: at(2) }) }
  assert.deepEqual(decided(state, 2, failed), ['pause r1'])
  const paused = fold(state, { kind: 'policy.paused', data: { why: 'w', run: 'r1', atMs: at(2) } })
  assert.deepEqual(decided(paused, 2, failed), ['settle r1', 'skip paused: w'])
  const resumed = fold(paused, { kind: 'policy.resumed', data: { by: 'a user', atMs: at(2) } })
  assert.deepEqual(decided(resumed, 2, failed), ['settle r1', 'begin low-rate-web-20261202-100200-000'])
  assert.deepEqual(decided(begun(set(policyOf({ pauseOn: [] })), 1, 'r1'), 2, { ...failed, ticks: [] }), ['settle r1'])
  assert.deepEqual(decided(begun(set(policyOf({ pauseOn: ['inconclusive'] })), 1, 'r1'), 2, { ticks: [], endOf: () => ({ verdict: 'inconclusive', atMs: at(2) }) }), ['pause r1'])
})

const budgets = (more: object = {}) => ({ budgets: [{ slo: 'errors', remaining: 'vector(1)', share: '20%', costPerRun: '1%', settle: '1m', ...more }] })
const left = (remaining: Remaining, atMs = at(1)) => ({ remaining: { atMs, bySlo: new Map([['errors', remaining]]) } })

test('error budgets are asked for before a run, and again when the answer is old; unknown, spent or thinned: nothing runs', () => {
  const state = set(policyOf(budgets()))
  assert.deepEqual(decided(state, 1), ['ask-remaining'])
  assert.deepEqual(decided(state, 2, left({ is: 'known', ratio: 1 })), ['ask-remaining'])
  assert.deepEqual(decided(state, 1, left({ is: 'known', ratio: 1 })), ['begin low-rate-web-20261202-100100-000'])
  assert.deepEqual(decided(state, 1, left({ is: 'unknown', why: 'no answer' })), ['skip budget: the error budget of errors cannot be read: no answer'])
  assert.match(decided(state, 1, { remaining: { atMs: at(1), bySlo: new Map() } }).join(), /cannot be read: nobody has asked/)
  assert.deepEqual(decided(state, 1, left({ is: 'known', ratio: 0.04 })), ['skip budget: errors: chaos may spend 0.8 % more of the error budget, and a run may cost 1 %'])
  assert.deepEqual(decided(state, 1, left({ is: 'known', ratio: 0.24 })), ['skip budget: errors: of ten ticks 4.8 run while 24 % of the error budget is left'])
  assert.deepEqual(decided(state, 1, { ...left({ is: 'known', ratio: 0.26 }) }), ['begin low-rate-web-20261202-100100-000'])
})

test('more than all of a budget cannot be left: a percentage is not taken for a ratio', () => {
  const state = set(policyOf(budgets()))
  const of = (value: number) => decided(state, 1, left(remainingOf({ is: 'value', value })))
  assert.deepEqual(of(97), ['skip budget: the error budget of errors cannot be read: it is 97, and 1 is all of it; let the expression give a ratio, not a percentage'])
  assert.match(of(4).join(), /^skip budget: the error budget of errors cannot be read/, 'four percent would else be four times all of it')
  for (const value of [1, 1.001]) assert.deepEqual(of(value), ['begin low-rate-web-20261202-100100-000'])
  assert.match(of(-0.2).join(), /^skip budget: errors: chaos may spend -4 % more/)
  assert.deepEqual(remainingOf({ is: 'no-data', why: 'empty' }), { is: 'unknown', why: 'empty' })
})

test('what runs spent is remembered for the SLO\'s period, and what may still be spent shrinks by it', () => {
  const [budget] = policyOf(budgets()).budgets
  assert.ok(budget)
  const spent = (ratio: number, atMs = start) => withSpending([], 'errors', ratio, atMs, budget.periodMs)
  const pace = (remaining: number, ...rest: [Parameters<typeof paceOf>[2], number?, number?]) => {
    const found = paceOf(budget, remaining, rest[0], rest[1] ?? 0, rest[2] ?? start)
    return { ...found, pace: Number(found.pace.toFixed(6)), leftRatio: Number(found.leftRatio.toFixed(6)) }
  }
  assert.deepEqual(pace(1, []), { pace: 1, leftRatio: 0.2, costRatio: 0.01, fits: true })
  assert.deepEqual(pace(0.5, []), { pace: 1, leftRatio: 0.1, costRatio: 0.01, fits: true })
  assert.deepEqual(pace(0.25, []), { pace: 0.5, leftRatio: 0.05, costRatio: 0.01, fits: true })
  assert.deepEqual(pace(0.85, spent(0.15)), { pace: 0.5, leftRatio: 0.05, costRatio: 0.15, fits: false })
  assert.deepEqual(pace(0.8, spent(0.2)), { pace: 0, leftRatio: 0, costRatio: 0.2, fits: false })
  assert.equal(pace(0.05, []).fits, true)
  assert.equal(pace(0.05, [], 1).fits, false, 'a run under way may cost as much')
  assert.equal(pace(1, spent(0.2), 0, start + 28 * dayMs).leftRatio, 0.04)
  assert.equal(pace(1, spent(0.2), 0, start + 29 * dayMs).leftRatio, 0.2, 'forgotten after its period')
  const twice = withSpending(withSpending(spent(0.01), 'errors', 0.03, start + 1, dayMs), 'other', 0.5, start, dayMs)
  assert.deepEqual(twice.map(({ slo, ratio, largestRatio }) => [slo, ratio, largestRatio]), [['errors', 0.04, 0.03], ['other', 0.5, 0.5]])
  assert.equal(withSpending(twice, 'errors', 0.01, start + 3 * dayMs, dayMs).length, 1, 'what nobody reckons with is dropped')
})

test('a run is settled once all that it spent shows', () => {
  const state = begun(set(policyOf(budgets())), 1, 'r1', 'web', { errors: 0.9 })
  const ended = { ticks: [], endOf: () => ({ verdict: 'passed' as const, atMs: at(2) }) }
  assert.deepEqual(decided(state, 2.9, ended), [])
  const [settle] = decide(state, world(ended), at(3))
  assert.deepEqual(settle, { key: 'settle r1', effect: 'settle', run: 'r1', verdict: 'passed', since: { errors: 0.9 }, costs: { errors: 0.01 } })
  const after = settled(state, 'r1', 2, [{ slo: 'errors', ratio: 0.02, measured: true }])
  assert.deepEqual([after.runs.size, after.spendings.length, after.recent[0]?.outcome], [0, 1, 'passed'])
  assert.equal(settled(after, 'r1', 2, [{ slo: 'errors', ratio: 0.02, measured: true }]), after, 'twice is once')
})

test('facts that come twice change nothing, and skipped ticks are told among the recent', () => {
  const state = begun(set(policyOf()), 1, 'r1')
  assert.equal(begun(state, 1, 'r1'), state)
  const skipped = fold(state, { kind: 'policy.ticked', data: { atMs: at(2), decidedAtMs: at(2), template: 'web', experiment: 'low-rate-web', outcome: 'skipped', reason: 'budget', why: 'w' } })
  assert.deepEqual(skipped.recent.map(({ outcome, run }) => [outcome, run]), [['running', 'r1'], ['skipped: budget', null]])
})

test('written down each day, it is the same when all earlier facts are forgotten', () => {
  let state = begun(set(policyOf(budgets())), 1, 'r1', 'web', { errors: 0.9 })
  state = settled(begun(state, 2, 'r2'), 'r2', 3, [{ slo: 'errors', ratio: 0.02, measured: true }])
  state = fold(state, { kind: 'policy.paused', data: { why: 'w', run: 'r1', atMs: at(4) } })
  assert.deepEqual(decided(state, 24 * 60, { ticks: [] }), ['write-down'])
  const kept = keptOf(state)
  const later = newPolicy(state.policy, { policy: state.document, by: state.by, atMs: at(24 * 60), kept })
  assert.deepEqual({ ...later, recent: [], writtenAtMs: 0 }, { ...state, recent: [], writtenAtMs: 0 })
  assert.deepEqual(decided(replacePolicy(state, state.policy, { policy: state.document, by: state.by, atMs: at(24 * 60), kept }), 24 * 60, { ticks: [] }), [])
})

test('a policy that is set anew keeps its pause and what it spent, and does nothing that its new plan has in the past', () => {
  const state = fold(settled(begun(set(policyOf(budgets())), 1, 'r1'), 'r1', 2, [{ slo: 'errors', ratio: 0.02, measured: true }]), { kind: 'policy.paused', data: { why: 'w', atMs: at(3) } })
  const anew = replacePolicy(state, policyOf({ ...budgets(), concurrency: 2 }), { policy: {}, by: 'another', atMs: at(20) })
  assert.deepEqual([anew.paused?.why, anew.spendings.length, anew.cursorMs, anew.policy.concurrency, anew.by], ['w', 1, at(20), 2, 'another'])
})
