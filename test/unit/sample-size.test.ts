import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import jstat from 'jstat'
import { sampleSize } from '#shared/sample-size.ts'
import { printPower } from '../../services/cli/power.ts'

const binomialCdf = jstat.jStat.binomial.cdf
const usual = { budget: 0.01, alpha: 0.05, trueRate: 0.002, power: 0.9, requestsPerBurst: 1 }
const options = { budget: '1%', alpha: '0.05', trueRate: '0.2%', power: '90%', requestsPerBurst: '1' }

test('without a bad one it takes 299 requests for 1 %, 2,995 for 0.1 %, 59 for a p95; a burst takes as many more as it has requests', () => {
  assert.deepEqual([0.01, 0.001, 0.05].map(budget => sampleSize({ ...usual, budget, trueRate: 0 }).zeroFailureRequests), [299, 2_995, 59])
  assert.equal(sampleSize({ ...usual, requestsPerBurst: 20 }).zeroFailureRequests, 5_980)
})

test('the figures of an independent computation (sums of lgamma, in Python)', () => {
  const found = ([budget, alpha, trueRate, power]: readonly [number, number, number, number]) => {
    const { requests, allowedBad } = sampleSize({ budget, alpha, trueRate, power, requestsPerBurst: 1 })
    return [requests, allowedBad]
  }
  assert.deepEqual(found([0.01, 0.05, 0.002, 0.9]), [773, 3])
  assert.deepEqual(found([0.01, 0.05, 0.005, 0.9]), [2_546, 17])
  assert.deepEqual(found([0.001, 0.05, 0.0002, 0.9]), [7_752, 3])
  assert.deepEqual(found([0.05, 0.01, 0.02, 0.8]), [398, 10])
  assert.deepEqual(found([0.01, 0.05, 0.008, 0.9]), [19_189, 169])
})

test('whatever is asked, no smaller number of requests would do', () => {
  const percent = (least: number, most: number) => fc.integer({ min: least, max: most }).map(given => given / 100)
  fc.assert(fc.property(percent(5, 40), percent(1, 20), percent(0, 3), percent(50, 95), (budget, alpha, trueRate, power) => {
    const { requests } = sampleSize({ budget, alpha, trueRate, power, requestsPerBurst: 1 })
    assert.ok(requests !== null)
    const passesOften = (trials: number) => {
      let bad = -1
      while (bad < trials && binomialCdf(bad + 1, trials, budget) < alpha) bad++
      return bad >= 0 && binomialCdf(bad, trials, trueRate) >= power
    }
    assert.ok(passesOften(requests))
    for (let trials = 1; trials < requests; trials++) assert.ok(!passesOften(trials), `${trials} would do`)
  }), { numRuns: 30 })
})

test('a service as bad as its budget never passes; one almost as bad takes more than anybody will send', () => {
  assert.equal(sampleSize({ ...usual, trueRate: 0.01 }).requests, null)
  assert.throws(() => printPower({ ...options, trueRate: '1%' }), /--true-rate: .* spends the whole budget of 1 %/)
})

test('the command tells requests and minutes, for people and as JSON; a wrong option is named', () => {
  assert.equal(printPower({ ...options, rps: '20' }), `\
Fewer than 1 % bad requests, a pass that is not earned in at most 5 % of runs:
  none bad          299 requests, 0.25 minutes at 20 a second; fewer can never pass
  0.2 % bad         773 requests, 0.64 minutes at 20 a second, of which at most 3 bad; 90 % of runs pass
`)
  assert.deepEqual(JSON.parse(printPower({ ...options, rps: '20', json: true })), {
    budget: 0.01, alpha: 0.05, power: 0.9, trueRate: 0.002, requestsPerBurst: 1, rps: 20, zeroFailureRequests: 299, requests: 773, allowedBad: 3, zeroFailureMinutes: 0.25, minutes: 0.64,
  })
  assert.equal(printPower({ ...options, budget: '0.01', trueRate: '.002', power: '0.9', alpha: '5%' }), printPower(options), 'a ratio may be a number, too')
  for (const value of ['much', '-1', '1,5', '']) {
    assert.throws(() => printPower({ ...options, budget: value }), { message: `--budget: expected a ratio such as 1%, 99.9% or 0.01, found ${value}` })
  }
  for (const [key, value, flag] of [['budget', '0%', 'budget'], ['budget', 'much', 'budget'], ['alpha', '0.7', 'alpha'], ['trueRate', '-1', 'true-rate'], ['power', '100%', 'power'], ['requestsPerBurst', '0', 'requests-per-burst'], ['rps', 'x', 'rps']] as const) {
    assert.throws(() => printPower({ ...options, [key]: value }), { name: 'PowerOptionInvalid', message: new RegExp(`^--${flag}: `) }, `${key} ${value}`)
  }
})
