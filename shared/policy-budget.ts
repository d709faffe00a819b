/**
 * How chaos is held to its share of an error budget. Pure.
 *
 * R is what is left of the budget (1: all of it), S what runs of the policy have spent of it within the SLO's period. Without them, R + S would be left; of that,
 * chaos may have spent the share s at most:
 *
 *     left  = s (R + S) - S              what chaos may still spend
 *     pace  = min(1, left / (s * b))     the part of all ticks that run; b is `slowBelow`
 *     begin = left - what runs under way may spend >= what one run may spend
 *
 * `left` shrinks whoever burns the budget, and grows again as the period moves on. At an untouched budget it is s, so pace is 1 down to the part b of that, and
 * falls from there in a straight line to 0, where the share is spent. Since a run is begun only when its whole cost still fits, the share is not exceeded by runs
 * that cost what is expected. What one run may spend is what the author says, or the most that any was measured to have spent.
 */
export interface SloBudget {
  slo: string
  /** PromQL. */
  remaining: string
  share: number
  costPerRunRatio: number
  slowBelow: number
  periodMs: number
  settleMs: number
}

/** What the runs that ended on one UTC day spent of one SLO's budget. */
export interface Spending { slo: string; dayMs: number; ratio: number; largestRatio: number }

/** `unknown`: it cannot be read, so nothing runs. */
export type Remaining = { is: 'known'; ratio: number } | { is: 'unknown'; why: string }

/** What is left may be extrapolated from a few scrapes, and come out as a little more than all. */
const mostRemainingRatio = 1.01

/** What Prometheus's answer says of a budget. More than all of it cannot be left: a percentage taken for a ratio would let chaos spend whatever is there. */
export function remainingOf(answer: { is: 'value'; value: number } | { is: 'no-data'; why: string }): Remaining {
  if (answer.is === 'no-data') return { is: 'unknown', why: answer.why }
  if (answer.value > mostRemainingRatio) return { is: 'unknown', why: `it is ${answer.value}, and 1 is all of it; let the expression give a ratio, not a percentage` }
  return { is: 'known', ratio: answer.value }
}

export interface Pace { pace: number; leftRatio: number; costRatio: number; fits: boolean }

const dayMs = 86_400_000

/** `runsUnderWay`: of the policy, whose cost is not measured yet. */
export function paceOf(budget: SloBudget, remainingRatio: number, spendings: readonly Spending[], runsUnderWay: number, nowMs: number): Pace {
  const own = spendings.filter(({ slo, dayMs: day }) => slo === budget.slo && day + dayMs > nowMs - budget.periodMs)
  const spentRatio = own.reduce((sum, { ratio }) => sum + ratio, 0)
  const costRatio = Math.max(budget.costPerRunRatio, ...own.map(({ largestRatio }) => largestRatio))
  const leftRatio = budget.share * (remainingRatio + spentRatio) - spentRatio
  const pace = Math.min(1, Math.max(0, leftRatio / (budget.share * budget.slowBelow)))
  return { pace, leftRatio, costRatio, fits: leftRatio - runsUnderWay * costRatio >= costRatio }
}

/** What was spent, with one more run; days that no SLO reckons with any more are dropped. */
export function withSpending(spendings: readonly Spending[], slo: string, ratio: number, atMs: number, keptMs: number): Spending[] {
  const day = Math.floor(atMs / dayMs) * dayMs
  const kept = spendings.filter(({ dayMs: its }) => its + dayMs > atMs - keptMs)
  const same = kept.find(known => known.slo === slo && known.dayMs === day)
  if (!same) return [...kept, { slo, dayMs: day, ratio, largestRatio: ratio }]
  return kept.map(known => known === same ? { ...same, ratio: same.ratio + ratio, largestRatio: Math.max(same.largestRatio, ratio) } : known)
}
