import { counterQueries, histogramSeries, pairSeries, scrapeIntervalMs, sinceThen, type CounterSeries, type StoredSeries } from '#shared/counter-series.ts'
import type { FactData } from '#shared/events.ts'
import type { CounterRule } from '#shared/gate.ts'
import type { WantedSamples } from '#shared/gate-counters.ts'
import { metricName } from '#shared/gate-share.ts'
import { neededLabels } from '#shared/promql-labels.ts'
import type { Prometheus } from '#shared/prometheus.ts'

type Answer = Exclude<FactData<'slo.answer'>['answer'], { is: 'value' }>

/** Each is in every answer, and so in the log. */
const mostSeries = 500

type Asked = { evaluatedAtMs: number; wanted: WantedSamples }

/** What Prometheus has of a gate's counters up to that date, and of those of its control, as the gate's block takes it; never rejects. */
export async function countersAnswer(prometheus: Prometheus, { counters, control, ...asked }: Asked & { counters: CounterRule; control?: CounterRule }): Promise<Answer> {
  const own = await answerOf(prometheus, counters, asked)
  if (!control || own.is === 'no-data') return own
  const other = await answerOf(prometheus, control, asked) // of one arm alone no block is counted, so that both are counted of the same time
  if (other.is === 'no-data') return { is: 'no-data', why: `control: ${other.why}` }
  const { is: _, ...found } = other
  return { ...own, control: found }
}

async function answerOf(prometheus: Prometheus, counters: CounterRule, { evaluatedAtMs, wanted }: Asked): Promise<Answer> {
  const stored: StoredSeries[][] = []
  const warnings: string[] = []
  for (const query of counterQueries(counters, evaluatedAtMs - wanted.fromMs)) { // one after the other: the bad ones must not be older than the total
    const answer = await prometheus.samples(query, evaluatedAtMs)
    if (answer.is === 'no-data') return answer
    stored.push(answer.series)
    warnings.push(...answer.warnings ?? [])
  }
  const [first = [], bad = []] = stored
  if (counters.is === 'pair' && bad.length === 0) {
    const missing = await whyNoneBad(prometheus, counters, first)
    if (missing !== undefined) return { is: 'no-data', why: missing }
  }
  const { series, gap } = counters.is === 'pair' ? { series: [...pairSeries('total', first), ...pairSeries('bad', bad)], gap: undefined } : histogramSeries(counters, first)
  const refusal = whyRefused(counters, series)
  if (refusal !== undefined) return { is: 'no-data', why: refusal }
  const intervalMs = scrapeIntervalMs(series)
  return {
    is: 'counters', series: series.map(one => sinceThen(one, wanted.sinceMs)).filter(({ samples }) => samples.length > 0),
    ...(intervalMs !== undefined && { scrapeIntervalMs: intervalMs }), ...(gap !== undefined && { gap }),
    ...(warnings.length > 0 && { warnings: [...new Set(warnings)] }),
  }
}

/**
 * Many counters get their error series with the first error: until then none is bad, but only if there is such a metric, with the labels that name the bad ones. Of one
 * that is misspelt there would never be any. `totals`: the series of `total`, of which there is one at least if it is not misspelt itself.
 */
async function whyNoneBad(prometheus: Prometheus, { total, bad }: CounterRule & { is: 'pair' }, totals: readonly StoredSeries[]): Promise<string | undefined> {
  const name = metricName(bad)
  if (name === metricName(total)) {
    const unknown = totals.length === 0 ? undefined : neededLabels(bad).find(label => !totals.some(({ labels }) => Object.hasOwn(labels, label)))
    return unknown === undefined ? undefined : `no series of ${total} has the label ${unknown}, by which ${bad} names the bad ones; name them by a label that it has`
  }
  const known = await prometheus.knowsMetric(name)
  if (known.is === 'no-data') return known.why
  return known.is === 'known' ? undefined : `Prometheus knows no metric ${name}: if it comes with its first error, let the service announce it before, or name the bad ones by a label of a metric that is there`
}

function whyRefused(counters: CounterRule, series: readonly CounterSeries[]): string | undefined {
  const named = counters.is === 'pair' ? counters.total : counters.histogram
  if (!series.some(({ part }) => part === 'total')) return `no series of ${named}${counters.is === 'histogram' ? ', neither as a classic histogram nor as a native one,' : ''} has a sample then`
  return series.length > mostSeries ? `${series.length} series for ${named}, more than ${mostSeries}: choose fewer by labels, or record sums of them in Prometheus` : undefined
}
