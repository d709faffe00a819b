import { fewest, type Counts, type PassQuestion } from '#shared/pass-evidence.ts'

/**
 * By how much more requests are bad in one arm than in another, the control, over the same stretch of time: evidence for an abort, block by block, and for a pass.
 *
 * Assumed: given the ambient noise, whatever its course, requests fail in clumps of at most D that are independent of each other; how many requests come, and
 * when, does not depend on how they fare. So noise may differ from block to block, and within one, as long as both arms stand in it.
 *
 * Both arms count the same: a block with n requests in the one and m in the other has N = min(n, m) / D pairs, and of an arm's requests each is N / n, or N / m, of
 * one. Below, y and z are the shares of bad requests that were seen, p and c those to be expected on average over the arm's requests; of several blocks each weighs
 * as many as its pairs, in both arms, so that p - c is the mean of what the blocks differ by.
 *
 * **For an abort**, of one block: the e-value of Turner, Ly and Gruenwald (arXiv 2106.02693; for differences of shares arXiv 2203.09785). Allowed is
 * p <= slack * c + limit. A bet on the shares (p1, c1), made before the block, multiplies by
 *
 *     L = exp(N (y ln(p1/p0) + (1-y) ln((1-p1)/(1-p0)) + z ln(c1/c0) + (1-z) ln((1-c1)/(1-c0))))
 *
 * where (p0, c0) is, of all that is allowed, nearest to the bet by the sum of Kullback and Leibler's divergences. Proof that L is on average at most 1 where p and c
 * are allowed: a whole request of the first arm multiplies by r(p) = p p1/p0 + (1-p) (1-p1)/(1-p0) on average, one of the control by s(c), likewise. A part of one
 * multiplies by at most that to the power of the part, and so does a clump, whose parts come to 1 at most (Jensen); ln is concave, so that averages over an arm's
 * requests will do: E[L] <= (r(p) s(c))^N. r and s are straight lines through 1 at p0 and c0. At the nearest point their slopes are as 1 to -slack, the first positive, so
 * that r + s - 2 is a positive multiple of p - slack * c - limit, which is not above 0. So r s <= ((r + s) / 2)^2 <= 1. Blocks are put together as in e-process.ts.
 *
 * **For a pass**, once, of all blocks together. To be ruled out is p >= c + limit. Let x be the least N (KL(y, c + limit) + KL(z, c)) over all c; a pass is earned when
 * (1 + x) exp(-x) <= alpha. Proof: by Chernoff's bound, which holds for parts and clumps by the same two steps (Hoeffding, doi:10.1080/01621459.1963.10500830,
 * theorem 1), N KL(y, p) with y < p exceeds t with at most the probability exp(-t), and so does N KL(z, c) with z > c. They are independent, so their sum exceeds x
 * with at most the probability (1 + x) exp(-x), as that of two exponential variables does; and at the true shares, if those are to be ruled out, the sum is at least x.
 */

/** What was seen of both arms: pairs, and the shares of bad requests. */
export interface Arms { pairs: number; badShare: number; controlShare: number }

/** `limit`: how much of the requests may be bad beyond the control's, between 0 and 1. `slack`: as how many times as strong the control's noise may show, at least 1. */
export interface Allowed { limit: number; slack: number }

/** Nothing is bet on all requests being bad: one good request would refute it. */
const greatestPart = 0.95
/** exp of more would be infinite. */
const greatestExponent = 700

/**
 * L of a bet on each alternative: that of what is good in spite of noise and limit, as large a part is bad as `alternative` would be without noise. `ambient`: the
 * control's share as expected before the block, between 0 and 1 and neither.
 */
export function excessFactors(alternatives: readonly number[], ambient: number, allowed: Allowed, seen: Arms): number[] {
  const { limit, slack } = allowed
  const tolerated = slack * ambient + limit
  if (tolerated >= 1) return alternatives.map(() => 1)
  return alternatives.map(alternative => {
    const part = Math.min(greatestPart, (alternative - limit) / (1 - limit))
    return factorOf(tolerated + part * (1 - tolerated), ambient, allowed, seen)
  })
}

function factorOf(bad: number, control: number, allowed: Allowed, { pairs, badShare, controlShare }: Arms): number {
  const nearest = nearestControl(bad, control, allowed, control, (bad - allowed.limit) / allowed.slack)
  const gain = (share: number, bet: number, against: number) => share * Math.log(bet / against) + (1 - share) * Math.log((1 - bet) / (1 - against))
  return Math.exp(Math.min(greatestExponent, pairs * (gain(badShare, bad, allowed.slack * nearest + allowed.limit) + gain(controlShare, control, nearest))))
}

/**
 * The c between `low` and `high` for which (slack * c + limit, c) is nearest to both shares. The sum of divergences is convex, so its slope has one zero; it is
 * halved to the last digit.
 */
function nearestControl(badShare: number, controlShare: number, { limit, slack }: Allowed, low: number, high: number): number {
  const slope = (c: number) => slack * divergenceSlope(badShare, slack * c + limit) + divergenceSlope(controlShare, c)
  let [below, above] = [low, high]
  for (;;) {
    const middle = (below + above) / 2
    if (middle <= below || middle >= above) return middle
    if (slope(middle) > 0) above = middle
    else below = middle
  }
}

/** KL(a, b) of a share b from a share a. */
const divergence = (a: number, b: number): number => term(a, b) + term(1 - a, 1 - b)
const term = (a: number, b: number): number => a === 0 ? 0 : a * Math.log(a / b)
/** By b. */
const divergenceSlope = (a: number, b: number): number => (b - a) / (b * (1 - b))

/** The sums that a pass rests on, in requests: of each block as many of either arm as the smaller one has. Plain JSON. */
export interface Compared { pairs: number; bad: number; controlBad: number }

/** One block more. */
export function withPairs({ pairs, bad, controlBad }: Compared, arm: Counts, control: Counts): Compared {
  const both = Math.min(arm.total, control.total)
  if (both === 0) return { pairs, bad, controlBad }
  return { pairs: pairs + both, bad: bad + arm.bad / arm.total * both, controlBad: controlBad + control.bad / control.total * both }
}

type Question = Omit<PassQuestion, 'budget'>

/** Whether an excess of the limit, `budget`, is ruled out. */
export const isExcessRuledOut = (compared: Compared, question: PassQuestion): boolean => chanceOf(distance(compared, question)) <= question.alpha

/** How likely two exponential variables are to come to x together. */
const chanceOf = (x: number): number => x > greatestExponent ? 0 : (1 + x) * Math.exp(-x)

/** Cleared of what sums leave behind: from a share that ought to be 1 and is not quite, 1 itself is infinitely far. */
const shareOf = (count: number, all: number): number => Number((count / all).toFixed(12))

/** x; 0 where what was seen is itself not allowed. */
function distance({ pairs, bad, controlBad }: Compared, { budget: limit, requestsPerBurst }: PassQuestion): number {
  if (pairs === 0) return 0
  const [badShare, controlShare] = [shareOf(bad, pairs), shareOf(controlBad, pairs)]
  if (badShare >= controlShare + limit) return 0
  const control = nearestControl(badShare, controlShare, { limit, slack: 1 }, Math.max(0, badShare - limit), Math.min(controlShare, 1 - limit))
  return pairs / requestsPerBurst * (divergence(badShare, control + limit) + divergence(controlShare, control))
}

/** The largest excess that is still believable: greater ones are ruled out. 1 where nothing was seen. */
export function excessBound(compared: Compared, { alpha, requestsPerBurst }: Question): number {
  let [low, high] = [0, 1]
  while (high - low > 1e-15) {
    const budget = (low + high) / 2
    if (isExcessRuledOut(compared, { budget, alpha, requestsPerBurst })) high = budget
    else low = budget
  }
  return high
}

/** Requests of either arm without a bad one that are still missing for a pass; 0 when what was seen is enough. */
export function missingPairs(compared: Compared, question: PassQuestion): number {
  const passes = (more: number) => isExcessRuledOut({ ...compared, pairs: compared.pairs + more }, question)
  return passes(0) ? 0 : fewest(passes, { above: 0, guess: 1 })
}

/** The control's share as expected of the next block, from counts so far, and before there are any as much as the limit. */
export const expectedShare = ({ bad, total }: Counts, { budget, requestsPerBurst }: PassQuestion): number =>
  (1 + bad / requestsPerBurst) / (1 / budget + total / requestsPerBurst)
