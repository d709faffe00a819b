import jstat from 'jstat'
import { requestsForPass } from '#shared/pass-evidence.ts'

/**
 * How many requests it takes before a pass can be earned. A run passes when, even after what was seen, a bad share of the whole budget would be
 * unlikely: with s bad of n, when P(Bin(n, budget) <= s) < alpha. pass-evidence.ts asks the same of a run that has been.
 */
export interface SampleQuestion {
  /** Share of bad requests that may not be reached, between 0 and 1. */
  budget: number
  /** Probability of a pass that was not earned. */
  alpha: number
  /** Share of bad requests that the service really has. */
  trueRate: number
  /** Probability with which such a service is to pass. */
  power: number
  /** Requests that share one fate: those of a burst of failures. Each such clump counts as one. */
  requestsPerBurst: number
}

export interface SampleSize {
  /** So many pass when not one of them is bad: fewer never do. */
  zeroFailureRequests: number
  /** So many pass with the probability `power`; null: more than a hundred million, or the true rate is not below the budget. */
  requests: number | null
  /** Bad ones that those may have. */
  allowedBad: number | null
}

const mostTrials = 1e8
const binomialCdf = jstat.jStat.binomial.cdf

/** Pure. */
export function sampleSize({ budget, alpha, trueRate, power, requestsPerBurst }: SampleQuestion): SampleSize {
  const zeroFailures = trialsFor(0, budget, alpha)
  const found = trueRate < budget ? trialsWithPower(zeroFailures, { budget, alpha, trueRate, power }) : undefined
  return {
    zeroFailureRequests: Math.ceil(zeroFailures * requestsPerBurst),
    requests: found ? Math.ceil(found.trials * requestsPerBurst) : null,
    allowedBad: found ? Math.floor(found.bad * requestsPerBurst) : null,
  }
}

/**
 * With each further trial that brings no further bad one allowed, a pass gets less likely: of all numbers of trials only the first at which
 * one more is allowed is worth a look.
 */
function trialsWithPower(least: number, { budget, alpha, trueRate, power }: Omit<SampleQuestion, 'requestsPerBurst'>): { trials: number; bad: number } | undefined {
  for (let bad = 0, trials = least; trials <= mostTrials; bad++, trials = trialsFor(bad, budget, alpha, trials)) {
    if (binomialCdf(bad, trials, trueRate) >= power) return { trials, bad }
  }
  return undefined
}

/** Fewest trials with which so many bad ones still pass; it is at least `from`. */
const trialsFor = (bad: number, budget: number, alpha: number, from = 1) => requestsForPass(bad, { budget, alpha, requestsPerBurst: 1 }, from)
