import { betaCdf, betaQuantile } from '#shared/beta-distribution.ts'

/**
 * When what was seen is enough for a pass. Of n requests s were bad; the share that the service really has lies, with the confidence
 * 1 - alpha, below U = BetaInv(1 - alpha; s + 1, n - s), the one-sided bound of Clopper and Pearson (1934, doi:10.2307/2331986). A pass is
 * earned when U is below the budget: a service as bad as its budget then passes with at most the probability alpha.
 *
 * That holds for requests that fail one by one. Where they fail together, D at a time, n requests say as much as n / D: both counts are
 * divided by D before anything is held against them.
 */
export interface PassQuestion {
  /** Share of bad requests that may not be reached, between 0 and 1. */
  budget: number
  /** Probability of a pass that was not earned. */
  alpha: number
  /** D: requests that share one fate, at least 1. */
  requestsPerBurst: number
}

export interface Counts { bad: number; total: number }

/**
 * D: how many requests count as one. `varianceRatio`: of the bad requests per block in fault-free runs, their variance over what it would be if
 * requests failed one by one.
 */
export const clumpOf = ({ requestsPerBurst = 1, varianceRatio = 1 }: { requestsPerBurst?: number; varianceRatio?: number }): number => Math.max(1, requestsPerBurst, varianceRatio)

/** U: the largest share of bad requests that is still believable; 1 where nothing was seen, or nothing good. */
export function upperBound({ bad, total }: Counts, { alpha, requestsPerBurst: d }: Omit<PassQuestion, 'budget'>): number {
  return total > bad ? betaQuantile(1 - alpha, bad / d + 1, (total - bad) / d) : 1
}

/** U < budget, without the search for U. */
export function isEnough({ bad, total }: Counts, { budget, alpha, requestsPerBurst: d }: PassQuestion): boolean {
  return total > bad && betaCdf(budget, bad / d + 1, (total - bad) / d) > 1 - alpha
}

/** Fewest requests with which so many bad ones still pass; it is at least `from`. */
export function requestsForPass(bad: number, question: PassQuestion, from = 1): number {
  return fewest(total => isEnough({ bad, total }, question), { above: from - 1, guess: Math.max(from, bad + 1) })
}

/** The least whole number above `above` that passes, where all beyond one that passes do; `guess` is tried first. */
export function fewest(passes: (count: number) => boolean, { above, guess }: { above: number; guess: number }): number {
  let [fails, enough] = [above, guess]
  while (!passes(enough)) [fails, enough] = [enough, enough * 2]
  while (enough - fails > 1) {
    const middle = Math.floor((fails + enough) / 2)
    if (passes(middle)) enough = middle
    else fails = middle
  }
  return enough
}

/** Good requests that are still missing for a pass; 0 when what was seen is enough. */
export const missingRequests = ({ bad, total }: Counts, question: PassQuestion): number => isEnough({ bad, total }, question) ? 0 : requestsForPass(bad, question, total + 1) - total

/** Bad requests that the whole run may have: of a limit that is spent, not held. Cleared of what binary fractions leave behind. */
export const mostBad = (budget: number, requests: number): number => Math.floor(Number((budget * requests).toPrecision(12)))
