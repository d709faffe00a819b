import type { CounterSeries, DatedValue } from '#shared/counter-series.ts'
import type { CounterRule } from '#shared/gate.ts'

/**
 * By how much counters have grown since a moment, sample by sample: a function of the samples alone, however they are cut into answers, and however often
 * each is given. What a sample adds goes by the sample before it in its series:
 *
 *   one before it since the moment            the difference; less than before is a reset, and all of it has come since
 *   one before it, but before the moment      nothing: what it has grown by may have come before
 *   none, though its target was scraped       all of it, if that was since the moment: a series appears with its first error
 *   none, of a target that nobody knew        all of it, once a whole scrape interval has gone by; before that, nothing
 *
 * So nothing is counted that may have been before the moment, and no request twice.
 */

/** Plain JSON. */
export interface SeenCounters {
  /** Under part and series: its last sample. */
  series: Readonly<Record<string, DatedValue>>
  /** Under each target's labels: the last scrape that brought a total. */
  targets: Readonly<Record<string, number>>
}

export const nothingSeen: SeenCounters = { series: {}, targets: {} }

/** One sample's part in it: what has come since the sample before it, at `sinceMs`. `is`: `begun` counts from here on. */
export interface Growth { part: CounterSeries['part']; series: string; target: string; sinceMs: number; atMs: number; added: number; is: 'grown' | 'reset' | 'appeared' | 'begun' }

interface Moment { fromMs: number; intervalMs: number }
interface Sample extends Pick<CounterSeries, 'part' | 'series' | 'target'> { atMs: number; value: number }

/** The samples that are new, in order of time. */
export function grow(seen: SeenCounters, answer: readonly CounterSeries[], moment: Moment): { seen: SeenCounters; grown: Growth[] } {
  const series = new Map(Object.entries(seen.series))
  const targets = new Map(Object.entries(seen.targets))
  const fresh = answer.flatMap(({ part, series: name, target, samples }) => samples
    .filter(([atMs]) => atMs > (series.get(`${part} ${name}`)?.[0] ?? -Infinity))
    .map(([atMs, value]): Sample => ({ part, series: name, target, atMs, value })))
  const counted = withoutAhead(fresh, seen.targets)
  const scrapes = Map.groupBy(counted.toSorted((a, b) => a.atMs - b.atMs || order[a.part] - order[b.part]), ({ atMs, target }) => `${atMs} ${target}`)
  const grown = [...scrapes.values()].flatMap(scrape => {
    const wholes = new Map<string, Growth>()
    const previousMs = targets.get(scrape[0]?.target ?? '')
    return scrape.map(sample => {
      const key = `${sample.part} ${sample.series}`
      const known = series.get(key)
      const whole = wholes.get(sample.series)
      const growth = whole && isBucket(sample.part) ? bucketGrowth(sample, known, whole, previousMs, moment) : growthOf(sample, known, previousMs, moment)
      if (sample.part === 'total') wholes.set(sample.series, growth)
      series.set(key, [sample.atMs, sample.value])
      if (sample.part === 'total') targets.set(sample.target, sample.atMs)
      return growth
    })
  })
  return { seen: { series: Object.fromEntries(series), targets: Object.fromEntries(targets) }, grown }
}

/** A bucket is held against its histogram's total of the same scrape. */
const order: Record<CounterSeries['part'], number> = { total: 0, bad: 1, fast: 1, 'surely-fast': 1, 'maybe-fast': 1 }
const isBucket = (part: CounterSeries['part']) => part !== 'total' && part !== 'bad'

/**
 * The bad ones are asked for after the total, and may be a scrape ahead of it. They wait for the next answer, so that a share is of one and the same time.
 */
function withoutAhead(samples: readonly Sample[], scrapes: Readonly<Record<string, number>>): Sample[] {
  const totals = new Map<string, number>()
  for (const { part, target, atMs } of samples) if (part === 'total') totals.set(target, Math.max(atMs, totals.get(target) ?? scrapes[target] ?? -Infinity))
  const lastTotalMs = (target: string) => totals.get(target) ?? scrapes[target] ?? Infinity
  return samples.filter(({ part, target, atMs }) => part !== 'bad' || atMs <= lastTotalMs(target))
}

function growthOf(sample: Sample, known: DatedValue | undefined, previousMs: number | undefined, { fromMs, intervalMs }: Moment): Growth {
  const { part, series, target, atMs, value } = sample
  const told = (is: Growth['is'], added: number, sinceMs = atMs): Growth => ({ part, series, target, sinceMs, atMs, added, is })
  if (known === undefined) {
    const wasNotThereMs = previousMs ?? atMs - intervalMs
    return wasNotThereMs >= fromMs ? told('appeared', value, wasNotThereMs) : told('begun', 0)
  }
  const [knownMs, before] = known
  if (knownMs < fromMs) return told('begun', 0)
  return value < before ? told('reset', value, knownMs) : told('grown', value - before, knownMs)
}

/**
 * A bucket is reset with its histogram, and holds no more than it. One that shrinks by itself has other bounds than before, as those of native histograms
 * may get: then it is not known how many were fast, and neither side is given any.
 */
function bucketGrowth(sample: Sample, known: DatedValue | undefined, whole: Growth, previousMs: number | undefined, moment: Moment): Growth {
  const alone = growthOf(sample, known, previousMs, moment)
  if (whole.is !== 'grown') return { ...alone, added: whole.is === 'reset' ? sample.value : Math.min(whole.added, alone.added) }
  return { ...alone, added: alone.is === 'grown' ? Math.min(whole.added, alone.added) : sample.part === 'surely-fast' ? 0 : whole.added }
}

/** `bad` at least and `badAtMost`; the same but for a histogram without a bucket at the limit. */
export interface CountedBlock { total: number; bad: number; badAtMost: number }
export const noCounts: CountedBlock = { total: 0, bad: 0, badAtMost: 0 }

export function countGrowth({ is }: Pick<CounterRule, 'is'>, grown: readonly Growth[]): CountedBlock {
  const sum = (...parts: CounterSeries['part'][]) => grown.reduce((all, { part, added }) => parts.includes(part) ? all + added : all, 0)
  const total = sum('total')
  return is === 'pair' ? { total, bad: sum('bad'), badAtMost: sum('bad') } : { total, bad: total - sum('fast', 'maybe-fast'), badAtMost: total - sum('fast', 'surely-fast') }
}
