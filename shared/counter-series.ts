import type { FactData } from '#shared/events.ts'
import { labelsOf, metricName } from '#shared/gate-share.ts'
import type { CounterRule } from '#shared/gate.ts'

/**
 * What Prometheus has stored of a gate's counters, cut down to what the gate counts. Of a histogram only the buckets beside the limit are kept, each of
 * them a counter like any other. Pure.
 */
export interface StoredSeries {
  /** `__name__` among them. */
  labels: Readonly<Record<string, string>>
  samples: readonly DatedValue[]
  /** Of a native histogram, in place of samples. */
  histograms: readonly [atMs: number, histogram: NativeHistogram][]
}

export type DatedValue = [atMs: number, value: number]

/** Buckets hold what is greater than `lower` and not greater than `upper`; whether a bound itself belongs to it decides nothing here. */
export interface NativeHistogram { count: number; buckets: readonly { lower: number; upper: number; count: number }[] }

export type CountersAnswer = Extract<FactData<'slo.answer'>['answer'], { is: 'counters' }>
/**
 * `part`: what the series counts. Of a histogram: `total` all requests, `fast` those that are not slower than the limit; where no bucket ends there,
 * `surely-fast` those in the buckets below it and `maybe-fast` those and the ones in the bucket that it lies in.
 */
export type CounterSeries = CountersAnswer['series'][number]

/** PromQL of the raw samples of a stretch, in the order in which they must be asked for. */
export function counterQueries(rule: CounterRule, rangeMs: number): string[] {
  if (rule.is === 'pair') return [rule.total, rule.bad].map(selector => `${selector}[${rangeMs}ms]`)
  const name = metricName(rule.histogram)
  const matchers = [`__name__=~"${name}|${name}_bucket"`, labelsOf(rule.histogram)].filter(Boolean) // native, or classic
  return [`{${matchers.join(',')}}[${rangeMs}ms]`]
}

export const pairSeries = (part: 'total' | 'bad', stored: readonly StoredSeries[]): CounterSeries[] => stored.map(series => partOf(part, series.labels, series.samples))

/** `gap`: that no bucket ends at the limit, in words. Classic buckets are taken where a histogram has both kinds. */
export function histogramSeries({ histogram, maxMs }: CounterRule & { is: 'histogram' }, stored: readonly StoredSeries[]): { series: CounterSeries[]; gap?: string } {
  const name = metricName(histogram)
  const limit = maxMs / 1_000
  const classic = stored.filter(({ labels }) => labels['__name__'] === `${name}_bucket` && labels['le'] !== undefined)
  const cut = classic.length > 0
    ? [...Map.groupBy(classic, ({ labels }) => histogramOf(labels)).values()].map(buckets => cutClassic(buckets, limit))
    : stored.filter(({ histograms }) => histograms.length > 0).map(series => cutNative(series, limit))
  const bounds = cut.find(({ between }) => between !== undefined)?.between
  return { series: cut.flatMap(({ series }) => series), ...(bounds && { gap: `no bucket of ${name} ends at ${limit} s; it lies ${printBetween(bounds)}` }) }
}

type Cut = { series: CounterSeries[]; between?: [lower: number, upper: number] }

/** The buckets of one classic histogram, each a series of its own that counts all up to its bound. */
function cutClassic(buckets: readonly StoredSeries[], limit: number): Cut {
  const part = (of: CounterSeries['part'], { labels, samples }: Pick<StoredSeries, 'labels' | 'samples'>) => partOf(of, labels, samples, histogramOf(labels))
  const byBound = buckets.map(({ labels, samples }) => ({ bound: boundOf(labels['le']), labels, samples })).toSorted((a, b) => a.bound - b.bound)
  const total = byBound.find(({ bound }) => bound === Infinity)
  if (!total) return { series: [] } // not a histogram, or a selector on `le`
  const [below, above = total] = [byBound.findLast(({ bound }) => bound <= limit), byBound.find(({ bound }) => bound >= limit)]
  if (below && below.bound === limit) return { series: [part('total', total), part('fast', below)] }
  return {
    series: [part('total', total), ...(below ? [part('surely-fast', below)] : []), part('maybe-fast', above)],
    between: [below?.bound ?? 0, above.bound],
  }
}

/** Its buckets change with its resolution, so each sample is cut by itself. */
function cutNative({ labels, histograms }: StoredSeries, limit: number): Cut {
  const counted = (wanted: (bucket: NativeHistogram['buckets'][number]) => boolean) =>
    histograms.map(([atMs, { buckets }]): DatedValue => [atMs, buckets.reduce((sum, bucket) => wanted(bucket) ? sum + bucket.count : sum, 0)])
  const split = histograms.at(-1)?.[1].buckets.find(({ lower, upper }) => lower < limit && upper > limit)
  return {
    series: [
      partOf('total', labels, histograms.map(([atMs, { count }]) => [atMs, count])),
      partOf('surely-fast', labels, counted(({ upper }) => upper <= limit)), partOf('maybe-fast', labels, counted(({ lower }) => lower < limit)),
    ],
    ...(split && { between: [split.lower, split.upper] as [number, number] }),
  }
}

const boundOf = (le: string | undefined) => le === '+Inf' ? Infinity : Number(le)
const printBetween = ([lower, upper]: [number, number]) => `between ${Number(lower.toPrecision(4))} s and ${upper === Infinity ? 'infinity' : `${Number(upper.toPrecision(4))} s`}`

/** A counter cannot be negative, nor not a number: such a value says nothing. */
const partOf = (part: CounterSeries['part'], labels: StoredSeries['labels'], samples: readonly DatedValue[], series = nameOf(labels)): CounterSeries =>
  ({ part, series, target: targetOf(labels), samples: samples.filter(([, value]) => Number.isFinite(value) && value >= 0) })

/** `{code="500",job="shop"}`: what tells a series from the others of its metric; buckets of one histogram have the same. */
const nameOf = (labels: StoredSeries['labels']): string => printLabels(labels, name => name !== '__name__')
const histogramOf = (labels: StoredSeries['labels']): string => printLabels(labels, name => name !== '__name__' && name !== 'le')
const targetOf = (labels: StoredSeries['labels']): string => printLabels(labels, name => name === 'job' || name === 'instance')

const printLabels = (labels: StoredSeries['labels'], isWanted: (name: string) => boolean): string =>
  `{${Object.keys(labels).filter(isWanted).toSorted().map(name => `${name}=${JSON.stringify(labels[name])}`).join(',')}}`

/** Samples after that date, and the last one up to it, from which they have grown. */
export function sinceThen(series: CounterSeries, sinceMs: number): CounterSeries {
  const samples = series.samples.toSorted(([a], [b]) => a - b)
  const first = samples.findLastIndex(([atMs]) => atMs <= sinceMs)
  return { ...series, samples: samples.slice(Math.max(0, first)) }
}

/** Of the series that is scraped least often, the usual time between two samples; undefined when none has three. */
export function scrapeIntervalMs(series: readonly CounterSeries[]): number | undefined {
  const intervals = series.filter(({ part, samples }) => part === 'total' && samples.length > 2).map(({ samples }) => {
    const gaps = samples.slice(1).map(([atMs], index) => atMs - (samples[index]?.[0] ?? atMs)).toSorted((a, b) => a - b)
    return gaps[Math.floor((gaps.length - 1) / 2)] ?? 0
  })
  return intervals.length === 0 ? undefined : Math.max(...intervals)
}
