import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { cancelGraceMs, emptyCampaign, plannedSteps, step, type CampaignEffect, type CampaignEvent, type CampaignState, type PlanNode, type PlannedStep } from '#shared/campaign-core.ts'

const planned = (name: string, more: Partial<PlannedStep> = {}): PlannedStep => ({ name, needs: [], always: false, onFailure: 'stop', timeoutMs: 100_000, ...more })
const one = (name: string, more?: Partial<PlannedStep>): PlanNode => ({ step: planned(name, more) })

/** Plays events against a plan; each line of what comes of it: `start a`, `cancel a`, `skipped b`, `finish`. */
function player(...plan: PlanNode[]) {
  let state = emptyCampaign(plan)
  const print = (effect: CampaignEffect) => 'step' in effect ? `${effect.effect} ${effect.step}` : effect.effect
  const play = (event: CampaignEvent, nowMs = 0): string => {
    const next = step(state, event, nowMs)
    state = next.state
    return next.effects.map(print).join(', ')
  }
  return {
    state: (): CampaignState => state,
    begin: () => play({ is: 'begin' }),
    passed: (name: string, nowMs = 0) => play({ is: 'ended', step: name, verdict: 'passed', why: 'fine' }, nowMs),
    failed: (name: string, nowMs = 0) => play({ is: 'ended', step: name, verdict: 'failed', why: 'broken' }, nowMs),
    abort: (nowMs = 0) => play({ is: 'abort', why: 'aborted by a user' }, nowMs),
    tick: (nowMs: number) => play({ is: 'tick' }, nowMs),
  }
}

test('steps are done one after another, and the end is told once', () => {
  const { begin, passed, tick } = player(one('a'), one('b'))
  assert.equal(begin(), 'start a')
  assert.equal(begin(), '')
  assert.equal(passed('a'), 'start b')
  assert.equal(passed('b'), 'finish')
  assert.equal(tick(1), '')
})

test('branches go side by side, each in its own order, and what follows waits for all', () => {
  const { begin, passed } = player({ branches: [[planned('a1'), planned('a2')], [planned('b1')]] }, one('c'))
  assert.equal(begin(), 'start a1, start b1')
  assert.equal(passed('b1'), '')
  assert.equal(passed('a1'), 'start a2')
  assert.equal(passed('a2'), 'start c')
})

test('after a failing step only those marked always are done, in their order', () => {
  const { begin, failed, passed, state } = player(one('a'), one('b'), one('report', { always: true }), one('c'), one('clean-up', { always: true }))
  begin()
  assert.equal(failed('a'), 'skipped b, start report')
  assert.equal(passed('report'), 'skipped c, start clean-up')
  assert.equal(passed('clean-up'), 'finish')
  assert.deepEqual(state().steps['b'], { at: 'over', verdict: 'skipped', why: 'a failed', startedMs: null, endedMs: 0 })
})

test('a step that may fail stops nothing but those that need it, and those that need these', () => {
  const { begin, failed, passed, state } = player(one('a', { onFailure: 'continue' }), one('b', { needs: ['a'] }), one('c', { needs: ['b'] }), one('d'))
  begin()
  assert.equal(failed('a'), 'skipped b, skipped c, start d')
  assert.equal(passed('d'), 'finish')
  const why = (name: string) => {
    const found = state().steps[name]
    return found?.at === 'over' ? found.why : ''
  }
  assert.equal(why('b'), 'it needs a, which failed')
  assert.equal(why('c'), 'it needs b, which was skipped')
})

test('an inconclusive step stops like a failed one, and says what it was', () => {
  const campaign = emptyCampaign([one('a'), one('b')])
  const begun = step(campaign, { is: 'begin' }, 0).state
  const { state } = step(begun, { is: 'ended', step: 'a', verdict: 'inconclusive', why: 'no data' }, 1)
  assert.equal(state.stopped, 'a was inconclusive')
  assert.equal(state.over, true)
})

test('the branch of a failing step ends there; the other goes on with what it has begun', () => {
  const { begin, failed, passed } = player({ branches: [[planned('a1'), planned('a2')], [planned('b1'), planned('b2')]] }, one('end', { always: true }))
  begin()
  assert.equal(failed('a1'), 'skipped a2')
  assert.equal(passed('b1'), 'skipped b2, start end')
})

test('a step that takes too long is cancelled once, and given time to end', () => {
  const { begin, tick, passed, state } = player(one('a', { timeoutMs: 1_000 }), one('clean-up', { always: true }))
  begin()
  assert.equal(tick(999), '')
  assert.equal(tick(1_000), 'cancel a')
  assert.equal(tick(1_500), '')
  assert.equal(passed('a', 2_000), 'start clean-up') // it says that it passed, but it was cancelled
  assert.deepEqual(state().steps['a'], { at: 'over', verdict: 'inconclusive', why: 'it was not over after 1 s; fine', startedMs: 0, endedMs: 2_000 })
})

test('a cancelled step that never ends is given up, and what it says later changes nothing', () => {
  const { begin, tick, passed, state } = player(one('a', { timeoutMs: 1_000 }), one('clean-up', { always: true }))
  begin()
  tick(1_000)
  assert.equal(tick(1_000 + cancelGraceMs - 1), '')
  assert.equal(tick(1_000 + cancelGraceMs), 'start clean-up')
  assert.equal(passed('a', 90_000), '')
  const a = state().steps['a']
  assert.ok(a?.at === 'over' && a.verdict === 'failed' && /did not end within 60 s/.test(a.why))
})

test('an abort cancels what runs and skips what has not begun, but always steps are done and not cancelled', () => {
  const { begin, abort, failed, passed, tick } = player({ branches: [[planned('a')], [planned('b', { always: true })]] }, one('c'), one('clean-up', { always: true, timeoutMs: 5_000 }))
  begin()
  assert.equal(abort(10), 'cancel a')
  assert.equal(abort(20), '')
  assert.equal(failed('a', 30), '')
  assert.equal(passed('b', 40), 'skipped c, start clean-up')
  assert.equal(abort(50), '')
  assert.equal(tick(5_040), 'cancel clean-up')
})

test('a campaign that is aborted before its first step still cleans up', () => {
  const { abort, passed } = player(one('a'), one('clean-up', { always: true }))
  assert.equal(abort(), 'skipped a, start clean-up')
  assert.equal(passed('clean-up'), 'finish')
})

test('whatever comes in which order: a step starts once and after those before it, every always step is done, and the end is told once', () => {
  const name = fc.nat(5).map(index => `s${index}`)
  const event = fc.oneof(
    { weight: 6, arbitrary: fc.record({ is: fc.constant('ended' as const), step: name, verdict: fc.constantFrom('passed' as const, 'failed' as const, 'inconclusive' as const), why: fc.constant('') }) },
    fc.constant({ is: 'tick' as const }), fc.constant({ is: 'abort' as const, why: 'a user' }),
  )
  const shape = fc.record({ always: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }), continues: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }), parallel: fc.boolean() })
  fc.assert(fc.property(shape, fc.array(fc.tuple(event, fc.nat(40_000)), { maxLength: 40 }), ({ always, continues, parallel }, events) => {
    const all = always.map((isAlways, index) => planned(`s${index}`, { always: isAlways, onFailure: continues[index] ? 'continue' : 'stop', timeoutMs: 50_000, needs: index === 5 && !isAlways ? ['s0'] : [] }))
    const [s0, s1, s2, s3, s4, s5] = all as [PlannedStep, PlannedStep, PlannedStep, PlannedStep, PlannedStep, PlannedStep]
    const plan: PlanNode[] = parallel ? [{ step: s0 }, { branches: [[s1, s2], [s3]] }, { step: s4 }, { step: s5 }] : all.map(each => ({ step: each }))
    let state = emptyCampaign(plan)
    let nowMs = 0
    const started: string[] = []
    let finished = 0
    const take = (next: CampaignEvent) => {
      const result = step(state, next, nowMs)
      for (const effect of result.effects) {
        if (effect.effect === 'finish') finished += 1
        if (effect.effect === 'start') {
          assert.ok(!started.includes(effect.step))
          started.push(effect.step)
          const isOver = (before: string) => result.state.steps[before]?.at === 'over'
          if (effect.step !== 's0') assert.ok(isOver('s0'))
          if (effect.step === 's2') assert.ok(isOver('s1'))
          if (effect.step === 's4') assert.ok(['s1', 's2', 's3'].every(isOver))
        }
      }
      state = result.state
    }
    take({ is: 'begin' })
    for (const [next, laterMs] of events) {
      nowMs += laterMs
      take(next)
    }
    for (let round = 0; round < 40 && !state.over; round++) { // everything that still runs is given up in the end
      nowMs += 60_000
      take({ is: 'tick' })
    }
    assert.ok(state.over)
    assert.equal(finished, 1)
    for (const { name: each, always: isAlways } of plannedSteps(plan)) if (isAlways) assert.ok(started.includes(each), each)
  }))
})
