import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { planEProcess } from '#shared/e-process.ts'
import { excessBound, excessFactors, expectedShare, isExcessRuledOut, missingPairs, withPairs } from '#shared/excess-evidence.ts'
import { decideRun, excessLimit, gatesFor } from '../bench/control-simulation.ts'
import { seededRandom } from '../parts/seeded-random.ts'

/** P(X = 0), P(X = 1), ... of a sum of independent requests, each bad with a chance of its own. */
function chancesOf(shares: readonly number[]): number[] {
  return shares.reduce((chances, share) => [...chances, 0].map((chance, bad) => chance * (1 - share) + (chances[bad - 1] ?? 0) * share), [1])
}
const times = (count: number, share: number) => Array.from({ length: count }, () => share)

/** What a bet is worth on average, exactly: over all that may come of both arms. `part`: of a pair that each request is, where there are bursts. */
function meanFactors(limit: number, slack: number, ambient: number, own: readonly number[], control: readonly number[], part = 1): number[] {
  const { alternatives } = planEProcess(limit, 1)
  const mean = alternatives.map(() => 0)
  for (const [bad, chance] of chancesOf(own).entries()) for (const [controlBad, controlChance] of chancesOf(control).entries()) {
    const seen = { pairs: part * Math.min(own.length, control.length), badShare: bad / own.length, controlShare: controlBad / control.length }
    for (const [index, factor] of excessFactors(alternatives, ambient, { limit, slack }, seen).entries()) mean[index] = (mean[index] ?? 0) + factor * chance * controlChance
  }
  return mean
}

const limits = fc.constantFrom(0.01, 0.05, 0.3)
const slacks = fc.constantFrom(1, 1.33, 2)
const share = fc.double({ min: 0, max: 1, noNaN: true })
const ambients = fc.double({ min: 1e-4, max: 0.6, noNaN: true })

test('no bet is worth more than 1 on average where the excess is allowed, whatever the noise, with as many requests in either arm as there are', () => {
  fc.assert(fc.property(limits, slacks, ambients, share, fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 }), (limit, slack, ambient, control, n, m) => {
    const own = Math.min(1, slack * control + limit)
    for (const mean of meanFactors(limit, slack, ambient, times(n, own), times(m, control))) assert.ok(mean <= 1 + 1e-9, `${mean}`)
  }))
})

test('nor where requests fail together, up to as many as are counted as one', () => {
  fc.assert(fc.property(limits, ambients, share, fc.constantFrom(1, 2 / 3, 1 / 3), (limit, ambient, control, part) => {
    for (const mean of meanFactors(limit, 1, ambient, times(6, Math.min(1, control + limit)), times(9, control), part)) assert.ok(mean <= 1 + 1e-9, `${mean}`)
  }))
})

test('nor where the noise changes within the block, as long as both arms are in it', () => {
  fc.assert(fc.property(limits, ambients, fc.array(share, { minLength: 1, maxLength: 10 }), (limit, ambient, noise) => {
    for (const mean of meanFactors(limit, 1, ambient, noise.map(at => Math.min(1, at + limit)), noise)) assert.ok(mean <= 1 + 1e-9, `${mean}`)
  }))
})

test('a bet is worth more than 1 where it is right, so that the bound means something', () => {
  const [, , , , middle = 0] = meanFactors(0.05, 1, 0.02, times(12, 0.4), times(12, 0.02))
  assert.ok(middle > 2, `${middle}`)
  const [never] = excessFactors([0.5], 0.6, { limit: 0.3, slack: 2 }, { pairs: 10, badShare: 1, controlShare: 0 })
  assert.equal(never, 1, 'nothing is bet on where noise and limit together are everything')
})

test('evidence beyond all bounds stays a number', () => {
  for (const factor of excessFactors(planEProcess(0.001, 1).alternatives, 0.001, { limit: 0.001, slack: 1 }, { pairs: 1e9, badShare: 1, controlShare: 0 })) assert.ok(Number.isFinite(factor) && factor > 1e280)
  for (const factor of excessFactors(planEProcess(0.001, 1).alternatives, 0.001, { limit: 0.001, slack: 1 }, { pairs: 1e9, badShare: 0, controlShare: 1 })) assert.equal(factor, 0)
})

const question = { budget: 0.05, alpha: 0.05, requestsPerBurst: 1 }

/** How likely a pass is, exactly. */
function chanceOfPass(requests: number, own: number, control: number, budget: number): number {
  let passed = 0
  for (const [bad, chance] of chancesOf(times(requests, own)).entries()) for (const [controlBad, controlChance] of chancesOf(times(requests, control)).entries()) {
    if (chance * controlChance > 1e-12 && isExcessRuledOut({ pairs: requests, bad, controlBad }, { ...question, budget })) passed += chance * controlChance
  }
  return passed
}

test('a service right at the limit passes with at most alpha, whatever the noise, and one that is well below it mostly', () => {
  for (const budget of [0.05, 0.2]) for (const control of [0, 0.02, 0.1, 0.5]) {
    const chance = chanceOfPass(150, control + budget, control, budget)
    assert.ok(chance <= 0.05, `${budget} above ${control}: ${chance}`)
  }
  assert.ok(chanceOfPass(150, 0.02, 0.02, 0.2) > 0.9)
})

test('how many good requests a pass takes, and that bursts take as many times more', () => {
  const nothing = { pairs: 0, bad: 0, controlBad: 0 }
  // half the 95 % quantile of chi-squared with four degrees of freedom, by -ln(1 - limit)
  assert.deepEqual([0.05, 0.02, 0.01, 0.001].map(budget => missingPairs(nothing, { ...question, budget })), [93, 235, 473, 4_742])
  assert.equal(missingPairs(nothing, { ...question, requestsPerBurst: 10 }), 925)
  assert.deepEqual([excessBound(nothing, question), missingPairs({ ...nothing, pairs: 93 }, question)], [1, 0])
})

const compared = fc.integer({ min: 1, max: 5_000 }).chain(pairs => fc.record({ pairs: fc.constant(pairs), bad: fc.integer({ min: 0, max: pairs }), controlBad: fc.integer({ min: 0, max: pairs }) }))

test('the bound is what is just not ruled out, it is above what was seen, and what is missing is enough', () => {
  fc.assert(fc.property(compared, fc.constantFrom(0.01, 0.2), fc.constantFrom(1, 7), (seen, alpha, requestsPerBurst) => {
    const asked = { alpha, requestsPerBurst }
    const bound = excessBound(seen, asked)
    assert.ok(bound >= (seen.bad - seen.controlBad) / seen.pairs - 1e-9 && bound <= 1)
    if (bound < 0.999) assert.ok(isExcessRuledOut(seen, { ...asked, budget: bound + 1e-6 }))
    if (bound > 1e-6) assert.ok(!isExcessRuledOut(seen, { ...asked, budget: bound - 1e-6 }))
    const more = missingPairs(seen, { ...asked, budget: 0.05 })
    assert.equal(more === 0, isExcessRuledOut(seen, { ...asked, budget: 0.05 }))
    assert.ok(isExcessRuledOut({ ...seen, pairs: seen.pairs + more }, { ...asked, budget: 0.05 }))
  }))
})

test('more bad requests never help to a pass, and more of the control never hinder it', () => {
  fc.assert(fc.property(compared, fc.nat({ max: 1_000 }), (seen, more) => {
    const bound = excessBound(seen, question)
    assert.ok(excessBound({ ...seen, bad: Math.min(seen.pairs, seen.bad + more) }, question) >= bound - 1e-9)
    assert.ok(excessBound({ ...seen, controlBad: Math.min(seen.pairs, seen.controlBad + more) }, question) <= bound + 1e-9)
  }))
})

test('where all are bad in both arms but for what rounding leaves, nothing is ruled out that could not be before', () => {
  const [all, nearly] = [1, 1 - 2 ** -52].map(part => excessBound({ pairs: 10, bad: 10 * part, controlBad: 9 }, question))
  assert.ok(all !== undefined && nearly !== undefined && Math.abs(all - nearly) < 1e-6, `${all}, ${nearly}`)
})

test('of each block both arms count the same, so that noise in one half and traffic in the other make no difference between them', () => {
  const quiet = withPairs({ pairs: 0, bad: 0, controlBad: 0 }, { bad: 0, total: 900 }, { bad: 0, total: 100 })
  const noisy = withPairs(quiet, { bad: 50, total: 100 }, { bad: 450, total: 900 })
  assert.deepEqual(noisy, { pairs: 200, bad: 50, controlBad: 50 })
  assert.equal(withPairs(noisy, { bad: 1, total: 1 }, { bad: 0, total: 0 }).pairs, 200)
})

test('what is expected of the control is the limit at first, then what it has had', () => {
  const expected = (bad: number, total: number, requestsPerBurst = 1) => expectedShare({ bad, total }, { ...question, requestsPerBurst })
  assert.equal(expected(0, 0), 0.05)
  assert.ok(Math.abs(expected(300, 1_000) - 0.295) < 0.001 && expected(0, 1e9) > 0 && expected(1e9, 1e9) < 1)
  assert.ok(Math.abs(expected(300, 1_000, 100) - 4 / 30) < 1e-12)
})

/** As the bench, with fewer runs: within three standard errors of alpha. */
const runs = 150
const most = 0.05 + 3 * Math.sqrt(0.05 * 0.95 / runs)
const bursts = { share: 0.9, burstS: 5, gapS: 45 }

for (const [name, noise, requestsPerSecond] of [
  ['without noise', { share: 0, burstS: 0, gapS: 0 }, { own: 20, control: 20 }],
  ['with bursts that hit both arms', bursts, { own: 20, control: 20 }],
  ['with bursts, and a control of a third of the traffic', bursts, { own: 30, control: 10 }],
] as const) {
  test(`a service right at its limit is hardly ever aborted or passed ${name}, its arms being scraped at different times`, () => {
    const random = seededRandom(7)
    const gates = gatesFor(240)
    const decided = Array.from({ length: runs }, () => decideRun({ requestsPerSecond, noise, excess: excessLimit }, gates, random))
    const shareOf = (isSo: (each: (typeof decided)[number]) => boolean) => decided.filter(isSo).length / runs
    const [aborted, passed] = [shareOf(({ controlled }) => controlled.isAborted), shareOf(({ controlled }) => controlled.isPassed)]
    assert.ok(aborted <= most && passed <= most, `${aborted} aborted, ${passed} passed`)
    if (noise.share > 0) assert.ok(shareOf(({ alone }) => alone.isAborted) > 0.7, 'the same without its control is')
  })
}

test('with those bursts a service that is no worse than its control is never aborted, and one that is worse by a fifth always', () => {
  const random = seededRandom(11)
  const gates = gatesFor(240)
  const decided = (excess: number) => Array.from({ length: 40 }, () => decideRun({ requestsPerSecond: { own: 20, control: 20 }, noise: bursts, excess, fromS: 100 }, gates, random).controlled)
  assert.equal(decided(0).filter(({ isAborted }) => isAborted).length, 0)
  assert.equal(decided(0.2).filter(({ isAborted }) => isAborted).length, 40)
})

test('a quiet service passes', () => {
  const random = seededRandom(13)
  const gates = gatesFor(240)
  const passed = Array.from({ length: 20 }, () => decideRun({ requestsPerSecond: { own: 20, control: 20 }, noise: { share: 0.001, burstS: 0, gapS: 0 }, excess: 0 }, gates, random).controlled.isPassed)
  assert.deepEqual(passed, passed.map(() => true))
})
