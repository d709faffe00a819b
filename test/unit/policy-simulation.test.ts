import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DateTime } from 'luxon'
import { areSame } from '#shared/policy-services.ts'
import { allGoesWell, simulate, type SimulatedRun, type Simulation, type Supposed } from '#shared/policy-simulation.ts'
import type { Policy } from '#shared/policy.ts'
import { policyOf } from '../parts/policy-builder.ts'
import { seededRandom } from '../parts/seeded-random.ts'

const minuteMs = 60_000
const dayMs = 1_440 * minuteMs
const zone = 'Europe/Berlin'
/** Ninety days with the end of summer time in them. */
const fromMs = DateTime.fromISO('2026-09-01', { zone }).toMillis()
const toMs = DateTime.fromISO('2026-09-01', { zone }).plus({ days: 90 }).toMillis()

/** Runs of 30 to 70 s, some of which spend of a budget that others burn too; a settled answer to each question. */
function world(policy: Policy, { costRatio = 0, backgroundPerDay = 0, seed = 1 } = {}): Supposed & { trueRemaining(atMs: number): number; spent(atMs: number): number } {
  const random = seededRandom(seed)
  const runs: SimulatedRun[] = []
  const costOf = new Map<string, number>()
  const periodMs = policy.budgets[0]?.periodMs ?? dayMs
  const spent = (atMs: number) => runs.filter(({ endMs }) => endMs <= atMs && endMs > atMs - periodMs).reduce((sum, { run }) => sum + (costOf.get(run) ?? 0), 0)
  const trueRemaining = (atMs: number) => 1 - spent(atMs) - backgroundPerDay * Math.min(atMs - fromMs, periodMs) / dayMs
  return {
    ...allGoesWell, spent, trueRemaining,
    lengthMs: ({ lengthMs }) => Math.min(lengthMs, 30_000 + random() * 40_000),
    onRun: run => { runs.push(run); costOf.set(run.run, costRatio * random()) },
    remaining: (_, atMs) => ({ is: 'known', ratio: trueRemaining(atMs) }),
  }
}

/** Every rule of the policy held against what was done, reckoned anew from the policy as it was written. */
function violations(policy: Policy, { runs }: Simulation, { windows, freezes }: { windows?: [days: number[], from: string, to: string][]; freezes?: [string, string][] }): string[] {
  const byBegin = runs.toSorted((a, b) => a.beginMs - b.beginMs)
  return byBegin.flatMap((run, index) => {
    const told: string[] = []
    const [begin, end] = [DateTime.fromMillis(run.beginMs, { zone }), DateTime.fromMillis(run.endMs, { zone })]
    const clock = (at: DateTime) => at.toFormat('HH:mm:ss.SSS')
    if (windows && !windows.some(([days, from, to]) => days.includes(begin.weekday) && begin.hasSame(end, 'day') && clock(begin) >= from && clock(end) <= to)) told.push(`window: ${begin.toISO()} to ${end.toISO()}`)
    for (const [from, to] of freezes ?? []) if ((begin.toISODate() ?? '') <= to && (end.toISODate() ?? '') >= from) told.push(`freeze: ${begin.toISO()}`)
    const before = byBegin.slice(0, index)
    const beside = before.filter(other => other.endMs > run.beginMs)
    if (beside.length + 1 > policy.concurrency) told.push(`concurrency: ${run.run}`)
    for (const other of beside) if (run.template.services.some(a => other.template.services.some(b => areSame(a, b)))) told.push(`exclusion: ${run.run} and ${other.run}`)
    for (const other of before) if (other.endMs <= run.beginMs && run.beginMs < other.endMs + policy.cooldownMs) told.push(`cooldown: ${run.run} after ${other.run}`)
    if (run.beginMs < run.plannedMs || run.beginMs > run.plannedMs + policy.waitMs + 1) told.push(`time: ${run.run}`) // who waits is given up a millisecond after its time, and may begin until then
    return told
  })
}

const written = {
  timeZone: zone,
  windows: [{ days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '08:00', to: '18:30' }, { days: ['sat'], from: '10:00', to: '14:00' }],
  freezes: [{ from: '2026-10-03', to: '2026-10-03', why: 'a holiday' }, { from: '2026-11-09', to: '2026-11-15' }],
  cooldown: '5m', concurrency: 2,
  budgets: [{ slo: 'errors', remaining: 'vector(1)', share: '20%', costPerRun: '0.02%', settle: '1m' }],
}
const asClock: Parameters<typeof violations>[2] = {
  windows: [[[1, 2, 3, 4, 5], '08:00', '18:30'], [[6], '10:00', '14:00']], freezes: [['2026-10-03', '2026-10-03'], ['2026-11-09', '2026-11-15']],
}
/** Mondays to Saturdays, less those that are frozen. */
const openDays = Array.from({ length: 90 }, (_, day) => DateTime.fromMillis(fromMs, { zone }).plus({ days: day }))
  .filter(day => day.weekday !== 7 && !(asClock.freezes ?? []).some(([from, to]) => (day.toISODate() ?? '') >= from && (day.toISODate() ?? '') <= to)).length

test('30 a day for 90 days: within a tenth of that on the days that are open, and no window, freeze, cooldown, concurrency, exclusion or budget is violated', () => {
  const policy = policyOf(written)
  const supposed = world(policy, { costRatio: 0.0002 })
  let largestShare = 0
  const simulation = simulate(policy, fromMs, toMs, {
    ...supposed,
    onRun(run) {
      supposed.onRun?.(run)
      const [spent, remaining] = [supposed.spent(run.endMs), supposed.trueRemaining(run.endMs)]
      largestShare = Math.max(largestShare, spent / (spent + remaining))
    },
  })
  const perDay = simulation.runs.length / openDays
  assert.ok(Math.abs(perDay / 30 - 1) <= 0.1, `${simulation.runs.length} runs on ${openDays} days: ${perDay.toFixed(2)} a day`)
  assert.deepEqual(violations(policy, simulation, asClock), [])
  assert.ok(largestShare > 0 && largestShare <= 0.2, `${largestShare}`)
  const web = simulation.runs.filter(({ template }) => template.name === 'web').length / simulation.runs.length
  assert.ok(Math.abs(web - 0.75) < 0.04, `three of four by weight: ${web}`)
})

test('the same seed gives the same runs; another seed others', () => {
  const plan = (seed: number) => {
    const policy = policyOf({ ...written, rate: { mean: 30, per: 'day', seed } })
    return simulate(policy, fromMs, fromMs + 30 * dayMs, world(policy)).runs.map(({ run, beginMs }) => `${beginMs} ${run}`)
  }
  assert.deepEqual(plan(7), plan(7))
  const [mine, others] = [new Set(plan(7)), plan(8)]
  assert.equal(others.filter(run => mine.has(run)).length, 0)
})

test('chaos slows as a budget burns, whoever burns it, and stops before its share is spent', () => {
  const policy = policyOf({ budgets: [{ slo: 'errors', remaining: 'vector(1)', share: '10%', costPerRun: '0.1%', settle: '1m', slowBelow: '100%' }] })
  const supposed = world(policy, { costRatio: 0.0003, backgroundPerDay: 0.02 })
  const shares: number[] = []
  const { runs, skipped } = simulate(policy, fromMs, toMs, {
    ...supposed,
    onRun(run) {
      supposed.onRun?.(run)
      shares.push(supposed.spent(run.endMs) / (supposed.spent(run.endMs) + supposed.trueRemaining(run.endMs)))
    },
  })
  assert.ok(Math.max(...shares) <= 0.1, `${Math.max(...shares)}`)
  const inWeek = (week: number) => runs.filter(({ beginMs }) => Math.floor((beginMs - fromMs) / (7 * dayMs)) === week).length
  assert.ok(inWeek(0) > inWeek(1) && inWeek(1) > inWeek(2) && inWeek(2) > 0, `${[0, 1, 2].map(inWeek).join(', ')} runs a week`)
  assert.ok(inWeek(0) < 210 * 0.9 && skipped.every(({ reason }) => reason === 'budget'))
})

test('thinning by a budget leaves the times as they are: what runs then also runs at full budget', () => {
  const budgets = (share: string) => ({ budgets: [{ slo: 'errors', remaining: 'vector(1)', share, costPerRun: '0.01%' }] })
  const planned = (policy: Policy, ratio: number) => simulate(policy, fromMs, fromMs + 20 * dayMs, { ...allGoesWell, lengthMs: () => 1, remaining: () => ({ is: 'known', ratio }) }).runs.map(({ plannedMs }) => plannedMs)
  const [full, third] = [planned(policyOf(budgets('50%')), 1), planned(policyOf(budgets('50%')), 1 / 6)]
  const all = new Set(full)
  assert.ok(third.every(atMs => all.has(atMs)))
  assert.ok(third.length > full.length * 0.25 && third.length < full.length * 0.42, `${third.length} of ${full.length} at a third of the pace`)
})

test('a budget that cannot be read, or is gone, stops it', () => {
  const policy = policyOf({ budgets: [{ slo: 'errors', remaining: 'vector(1)', share: '100%' }] })
  for (const remaining of [{ is: 'unknown', why: 'no answer' }, { is: 'known', ratio: 0 }, { is: 'known', ratio: -0.4 }] as const) {
    const { runs, skipped } = simulate(policy, fromMs, fromMs + 5 * dayMs, { ...allGoesWell, remaining: () => remaining })
    assert.deepEqual([runs.length, new Set(skipped.map(({ reason }) => reason))], [0, new Set(['budget'])])
  }
})

test('after a failed verdict nothing runs', () => {
  const policy = policyOf()
  let count = 0
  const { runs, skipped, state } = simulate(policy, fromMs, fromMs + 3 * dayMs, { ...allGoesWell, verdict: () => ++count === 4 ? 'failed' : 'passed' })
  assert.equal(runs.length, 4)
  assert.ok(skipped.length > 50 && skipped.every(({ reason, why }) => reason === 'paused' && why.includes('failed')))
  assert.equal(state.paused?.run, runs[3]?.run)
})

test('whatever a policy says, no rule of it is violated, and the same policy does the same', () => {
  const minutes = (from: number, to: number) => fc.integer({ min: from, max: to }).map(count => `${count}m`)
  const policies = fc.record({
    rate: fc.record({ mean: fc.integer({ min: 1, max: 200 }), per: fc.constant('day'), seed: fc.nat(1e6) }), timeZone: fc.constant(zone),
    windows: fc.constantFrom<{ days?: string[]; from: string; to: string }[]>([], [{ days: ['sat', 'sun'], from: '00:00', to: '05:00' }], [{ from: '01:30', to: '03:30' }]),
    freezes: fc.constantFrom([], [{ from: '2026-10-25', to: '2026-10-26' }]),
    cooldown: minutes(0, 30), concurrency: fc.integer({ min: 1, max: 3 }), wait: minutes(0, 90),
  })
  fc.assert(fc.property(policies, fc.nat(1e6), (more, seed) => {
    const policy = policyOf(more)
    const start = DateTime.fromISO('2026-10-23', { zone }).toMillis() // summer time ends on the 25th at three
    const run = () => simulate(policy, start, start + 4 * dayMs, world(policy, { seed }))
    const simulation = run()
    const rules = {
      ...more.windows.length > 0 && { windows: more.windows.map(({ days, from, to }): [number[], string, string] => [days ? [6, 7] : [1, 2, 3, 4, 5, 6, 7], from, to]) },
      freezes: more.freezes.map(({ from, to }): [string, string] => [from, to]),
    }
    assert.deepEqual(violations(policy, simulation, rules), [])
    assert.deepEqual(run().runs.map(({ run, beginMs }) => [run, beginMs]), simulation.runs.map(({ run, beginMs }) => [run, beginMs]))
    assert.equal(simulation.runs.length + simulation.skipped.length, new Set([...simulation.runs, ...simulation.skipped].map(({ plannedMs }) => plannedMs)).size)
  }), { numRuns: 60 })
})
