import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { betaCdf, betaQuantile } from '#shared/beta-distribution.ts'
import { clumpOf, isEnough, missingRequests, mostBad, requestsForPass, upperBound } from '#shared/pass-evidence.ts'

const question = { budget: 0.01, alpha: 0.05, requestsPerBurst: 1 }
const counts = fc.integer({ min: 0, max: 200 }).chain(bad => fc.integer({ min: 0, max: 20_000 }).map(good => ({ bad, total: bad + good })))
const questions = fc.record({ budget: fc.double({ min: 0.001, max: 0.6, noNaN: true }), alpha: fc.double({ min: 0.001, max: 0.3, noNaN: true }), requestsPerBurst: fc.integer({ min: 1, max: 50 }) })

test('299 requests without a bad one are enough for 1 %, 298 are not, and of those the missing one is named', () => {
  assert.deepEqual([298, 299].map(total => isEnough({ bad: 0, total }, question)), [false, true])
  assert.deepEqual([0, 100, 298, 299, 1_000].map(total => missingRequests({ bad: 0, total }, question)), [299, 199, 1, 0, 0])
})

test('each bad request makes more requests needed, and a burst as many times more as it has requests', () => {
  assert.deepEqual([0, 1, 2, 3].map(bad => requestsForPass(bad, question)), [299, 473, 628, 773])
  const [one, twenty] = [1, 20].map(requestsPerBurst => requestsForPass(0, { ...question, requestsPerBurst }))
  assert.ok(one !== undefined && twenty !== undefined && Math.abs(twenty / one - 20) < 0.1, `${twenty} against ${one}`)
})

test('nothing seen, and nothing good seen, is never enough', () => {
  for (const seen of [{ bad: 0, total: 0 }, { bad: 1, total: 1 }, { bad: 50, total: 50 }]) {
    assert.deepEqual([isEnough(seen, { ...question, budget: 0.99 }), upperBound(seen, question)], [false, 1])
  }
})

test('enough is where the bound is below the budget, and the missing requests are just so many', () => {
  fc.assert(fc.property(counts, questions, (seen, asked) => {
    assert.equal(isEnough(seen, asked), upperBound(seen, asked) < asked.budget)
    const missing = missingRequests(seen, asked)
    assert.ok(isEnough({ ...seen, total: seen.total + missing }, asked))
    if (missing > 0) assert.ok(!isEnough({ ...seen, total: seen.total + missing - 1 }, asked))
  }), { numRuns: 200 })
})

test('a bad request more never lowers the bound, a good one never raises it', () => {
  fc.assert(fc.property(counts, questions, ({ bad, total }, asked) => {
    const bound = upperBound({ bad, total }, asked)
    assert.ok(upperBound({ bad: bad + 1, total: total + 1 }, asked) >= bound - 1e-12)
    assert.ok(upperBound({ bad, total: total + 1 }, asked) <= bound + 1e-12)
  }), { numRuns: 200 })
})

test('requests that count as one are those of a burst or what the variance says, and at least one', () => {
  assert.deepEqual([clumpOf({}), clumpOf({ requestsPerBurst: 7, varianceRatio: 3 }), clumpOf({ requestsPerBurst: 2, varianceRatio: 3.5 }), clumpOf({ varianceRatio: 0.2 })], [1, 7, 3.5, 1])
})

test('a budget in whole requests is not one less for what binary fractions leave behind', () => {
  assert.deepEqual([[0.29, 100], [0.07, 100], [0.001, 2_995], [0.05, 59], [0.01, 30_000]].map(([budget = 0, requests = 0]) => mostBad(budget, requests)), [29, 7, 2, 2, 300])
})

test('the quantile and the distribution function undo each other, into the far tails', () => {
  fc.assert(fc.property(fc.double({ min: 0.001, max: 0.999, noNaN: true }), fc.double({ min: 1, max: 5_000, noNaN: true }), fc.double({ min: 1, max: 200_000, noNaN: true }), (probability, a, b) => { // below 1 the density has a pole, and a number has too few digits beside it
    const x = betaQuantile(probability, a, b)
    assert.ok(x > 0 && x < 1 && Math.abs(betaCdf(x, a, b) - probability) < 1e-8, `${probability} ${a} ${b}: ${x}`)
  }), { numRuns: 200 })
  assert.deepEqual([betaCdf(0, 2, 3), betaCdf(1, 2, 3), betaCdf(-1, 2, 3)], [0, 1, 0])
})
