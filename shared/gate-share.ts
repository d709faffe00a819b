import { z } from 'zod'
import type { Block, CounterRule, GateRule, Limit, LoadSample, Measurement, QueryContext, RequestRule } from '#shared/gate.ts'
import { breaksRule } from '#shared/gate.ts'
import { loadMetrics, overdueIn, sumWhere, thresholdLabel } from '#shared/load-metrics.ts'
import { neededLabels, thereMatchers } from '#shared/promql-labels.ts'
import { promqlProblem } from '#shared/promql.ts'

/** A gate on a probe has neither blocks nor PromQL. */
export const onlyByProbe: Pick<GateRule, 'readsLoadMetrics' | 'measure' | 'query'> = {
  readsLoadMetrics: false,
  measure: () => ({ is: 'no-data', why: 'a gate on a probe is judged at the end of the run' }),
  query: () => '',
}

/** What the gates that count requests have in common: their arithmetic on a block, and the PromQL of the same share. */

/** Requests that ended in the block, those of them that `isBad` (by outcome and response time), and those overdue at its end. */
export function countBlock(block: Block, overdueAfterMs: number, isBad: (outcome: 'ok' | 'failed', ms: number) => boolean): { bad: number; total: number } {
  const overdue = block.latestByWorker.reduce((sum, sample) => sum + overdueIn(sample.inFlight, overdueAfterMs), 0)
  let bad = overdue
  let total = overdue
  for (const { ok, failed } of block.samples) {
    bad += sumWhere(ok, ms => isBad('ok', ms)) + sumWhere(failed, ms => isBad('failed', ms))
    total += sumWhere(ok, () => true) + sumWhere(failed, () => true)
  }
  return { bad, total }
}

/**
 * What one sample of a worker adds, with each request counted once: when it ends or when it is overdue, whatever is first. `waiting` is how many
 * were overdue at the end of the worker's sample before; those that are overdue now or ended too late, less those, have become so since.
 */
export function countOnce({ ok, failed, inFlight }: LoadSample, { overdueAfterMs, failedIsBad }: RequestRule, waiting: number): { bad: number; total: number; waiting: number } {
  const late = (ms: number) => ms > overdueAfterMs
  const inTime = (ms: number) => ms <= overdueAfterMs
  const stillWaiting = sumWhere(inFlight, late) // ages are rounded down: one that counts here cannot end in time
  const overdue = Math.max(0, stillWaiting - waiting + sumWhere(ok, late) + sumWhere(failed, late)) // below 0 only where a sample was lost
  const failedInTime = sumWhere(failed, inTime)
  return { bad: overdue + (failedIsBad ? failedInTime : 0), total: overdue + failedInTime + sumWhere(ok, inTime), waiting: stillWaiting }
}

/** `share` is what is held against the limit: of the bad, or for availability of the good. */
export function measureShare(limit: Limit, { bad, total }: { bad: number; total: number }, share: 'bad' | 'good'): Measurement {
  if (total === 0) return { is: 'no-data', why: 'no request ended and none is overdue' }
  const value = (share === 'bad' ? bad : total - bad) / total
  return { is: 'measured', value, breaks: breaksRule({ limit }, value), bad, total }
}

/** PromQL of the share of bad requests, by the bridge's own metrics. `badEnded`: PromQL of the bad ones among those that ended. */
export function loadShareQuery({ run, windowMs }: QueryContext, overdueAfterMs: number, badEnded: string): string {
  const overdue = `sum(${loadMetrics.overdue}{run="${run}",threshold_seconds="${thresholdLabel(overdueAfterMs)}"})`
  return `(${badEnded} + ${overdue}) / (sum(increase(${loadMetrics.requests}{run="${run}"}[${windowMs}ms])) + ${overdue})`
}

/**
 * PromQL of the share of bad requests, by a user's own counters. No series of `bad` is none bad only while its metric is there, with the labels by which
 * `bad` names them (many counters get their error series with the first error); a misspelt metric or label is no data.
 */
export function ownShareQuery({ total, bad }: { total: string; bad: string }, windowMs: number): string {
  const increase = (selector: string) => `sum(increase(${selector}[${windowMs}ms]))`
  return `(${increase(bad)} or 0 * ${increase(couldBeBad({ total, bad }))}) / ${increase(total)}`
}

/** Series that could be named by `bad` if their labels had other values: of what is counted in all, where that is the same metric. */
function couldBeBad({ total, bad }: { total: string; bad: string }): string {
  const within = metricName(total) === metricName(bad) ? total : metricName(bad)
  const known = neededLabels(within)
  const matchers = [labelsOf(within), ...thereMatchers(neededLabels(bad).filter(label => !known.includes(label)))].filter(Boolean)
  return matchers.length === 0 ? metricName(bad) : `${metricName(bad)}{${matchers.join(',')}}`
}

/** PromQL of the share of requests slower than the limit, by a user's own histogram. */
export function ownSlowShareQuery({ histogram, maxMs }: { histogram: string; maxMs: number }, windowMs: number): string {
  const labels = labelsOf(histogram)
  const ended = (suffix: string, more: string) => `sum(increase(${metricName(histogram)}${suffix}{${[labels, more].filter(Boolean).join(',')}}[${windowMs}ms]))`
  return `1 - ${ended('_bucket', bucketAt(maxMs))} / ${ended('_count', '')}`
}

/** Prometheus 3 stores a whole number of seconds as `2.0`, Prometheus 2 as the target wrote it. */
export const bucketAt = (ms: number) => ms % 1_000 === 0 ? `le=~"${thresholdLabel(ms)}(\\\\.0)?"` : `le="${thresholdLabel(ms)}"`

/** PromQL of how much larger the share of bad requests is by the one than by the other. */
export function excessQuery(own: CounterRule, control: CounterRule, windowMs: number): string {
  const share = (rule: CounterRule) => rule.is === 'pair' ? ownShareQuery(rule, windowMs) : ownSlowShareQuery(rule, windowMs)
  return `(${share(own)}) - (${share(control)})`
}

/** `name` or `name{label="value"}`. */
export const selector = () => z.string().regex(/^[a-zA-Z_:][\w:]*(?:\{[^]*\})?$/, 'a PromQL selector such as http_requests_total{status=~"5.."}')
  .refine(text => promqlProblem(text) === undefined, 'a PromQL selector that parses')

export const metricName = (text: string): string => text.replace(/\{[^]*$/, '')
export const labelsOf = (text: string): string => text.slice(metricName(text).length).replace(/^\{|\}$/g, '').replace(/,\s*$/, '')

/** `0.05` for `0.95`, without what binary fractions leave behind. */
export const complement = (ratio: number): number => Number((1 - ratio).toPrecision(12))

export const percent = (ratio: number): string => `${Number((ratio * 100).toPrecision(4))} %`

/** Own metrics can only be asked for; a stream gate that carries them would silently judge something else. */
export const onlyByPrometheus: Measurement = { is: 'no-data', why: 'this gate names metrics of its own, which only source: prometheus reads' }
