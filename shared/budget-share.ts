import { thresholdWords } from '#shared/gate-slo.ts'
import { instantSelectors } from '#shared/prometheus-freshness.ts'
import type { Objective, OverRange, ServiceLevel } from '#shared/service-level.ts'
import { printDuration } from '#shared/units.ts'

/** Which share of what an objective's budget counts was bad over a window. */
export interface BudgetShare {
  badOver: OverRange
  /** What is budgeted, as it follows a percentage: `bad slices of 1m`. */
  counts: string
  /** Not single events, but units of time, of which a window holds whole ones: slices, or the steps at which a threshold's value is read. */
  unit?: { is: 'slice' | 'step'; lengthMs: number }
  /** How far back before the window its oldest unit reads. */
  beforeMs: number
}

/**
 * Pure. `stepMs`: a threshold's value is read once in so long, and over so long.
 *
 * A unit without traffic or samples is unknown, neither good nor bad. Prometheus would leave it out of a mean, and finds NaN no greater than any limit, so that an
 * outage would thin out what is bad, or be good. So an unknown unit is NaN here, all the way up: a window with one in it is no data.
 */
export function budgetShare({ indicator }: ServiceLevel, { threshold, slice }: Objective, stepMs: number): BudgetShare {
  if (indicator.is === 'share') {
    if (!slice) return { badOver: indicator.badOver, counts: 'bad', beforeMs: 0 }
    return inSlices(oneOrNaN(indicator.badOver(slice.lengthMs)), slice, slice.lengthMs)
  }
  const { op, value } = threshold ?? { op: 'lte', value: Infinity } // a thresholdMetric without one is not read
  const bad = missed[op](oneOrNaN(fresh(indicator.over(stepMs), stepMs)), value)
  if (slice) return inSlices(meanOver(slice.lengthMs, bad, stepMs), slice, slice.lengthMs + stepMs)
  const counts = `of the values, one each ${printDuration(stepMs)}, not ${thresholdWords[op]} ${value}`
  return { badOver: windowMs => meanOver(windowMs, bad, stepMs), counts, unit: { is: 'step', lengthMs: stepMs }, beforeMs: stepMs }
}

/** `share`: how much of a slice was bad. With Timeslices a slice that had more than it may is bad as a whole. */
function inSlices(share: string, { lengthMs, badShare }: NonNullable<Objective['slice']>, beforeMs: number): BudgetShare {
  const bad = badShare === undefined ? share : `clamp_min(sgn(round(${share} - ${badShare}, 1e-9)), 0)` // 1 - 0.95 is a little more than 0.05
  const counts = `${badShare === undefined ? 'bad in the mean of' : 'bad'} slices of ${printDuration(lengthMs)}`
  return { badOver: windowMs => meanOver(windowMs, bad, lengthMs), counts, unit: { is: 'slice', lengthMs }, beforeMs }
}

/** Without a value, or with several, of which no rule could say which one counts: NaN. */
const oneOrNaN = (query: string): string => `vector(scalar(${query}))`

/** 1 where a value is not what an operator asks for, 0 where it is, and NaN, which `> bool` would make a 0, where it is NaN. */
const missed: Readonly<Record<keyof typeof thresholdWords, (value: string, limit: number) => string>> = {
  lte: (value, limit) => `clamp_min(sgn(${value} - ${limit}), 0)`,
  lt: (value, limit) => `clamp_max(sgn(${value} - ${limit}) + 1, 1)`,
  gte: (value, limit) => `clamp_min(sgn(${limit} - ${value}), 0)`,
  gt: (value, limit) => `clamp_max(sgn(${limit} - ${value}) + 1, 1)`,
}

/**
 * Prometheus takes the values of a subquery at whole multiples of its step since 1970, so that slices are the same from look to look. A millisecond less than the window:
 * Prometheus 2 counts both ends of a range, and would find one unit too many where both are such multiples.
 */
const meanOver = (windowMs: number, bad: string, unitMs: number): string => `avg_over_time(${bad}[${windowMs - 1}ms:${unitMs}ms])`

/** A selector without a range has a value for minutes after its last sample. Only a sample of this step counts in it. */
const fresh = (query: string, stepMs: number): string =>
  instantSelectors(query).reduce((value, selector) => `${value} and on () (min(timestamp(${selector})) > time() - ${stepMs / 1_000})`, `(${query})`)
