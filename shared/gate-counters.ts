import type { FactData } from '#shared/events.ts'
import type { GateSpec } from '#shared/experiment.ts'
import { countGrowth, grow, type CountedBlock, type Growth, type SeenCounters } from '#shared/counter-growth.ts'
import type { CounterSeries, CountersAnswer } from '#shared/counter-series.ts'
import { measureShare } from '#shared/gate-share.ts'
import { byShare, nothingCounted, withBlock, type CountedFrom, type CounterTally, type SequentialSpec, type Tally } from '#shared/gate-sequential.ts'
import type { Measurement } from '#shared/gate.ts'
import { printDuration } from '#shared/units.ts'

/**
 * A gate with a `limit` on the service's own counters. Of each block Prometheus is asked for the raw samples, and what they have grown by since
 * the phase began is what the block counts: no rate is extrapolated, and nothing from before the fault is in it.
 *
 *   an answer in time      its new samples are counted, those too that should have come with the block before
 *   none                   the next answer brings the samples of both
 *
 * A sample is booked to the block that brings it. So no request is counted twice or lost, and a block is not looked at in full when
 * nothing new of a target came, when Prometheus warned, or when a scrape does not fit into it. Pure.
 */

/** How far back is asked for what was there before the phase: as far as Prometheus itself looks back for a sample. */
const lookBackMs = 300_000

/** Those later than `sinceMs` and each series' last one up to then, out of what is stored since `fromMs`. */
export interface WantedSamples { fromMs: number; sinceMs: number }

/** Which samples the next answer is to bring. A block's length is asked for again, since a scrape is stored some time after its date. */
export function wantedSamples(startMs: number, { blockMs }: SequentialSpec, { answeredMs }: CounterTally): WantedSamples {
  if (answeredMs === undefined) return { fromMs: startMs - lookBackMs, sinceMs: startMs }
  return { fromMs: answeredMs - blockMs, sinceMs: answeredMs - blockMs }
}

type Answer = Exclude<FactData<'slo.answer'>['answer'], { is: 'value' }>
type Counters = CountedFrom & { is: 'counters' }

/** The block that ends then, by the answer to it. */
export function readCounters(gate: GateSpec, spec: SequentialSpec, counted: Counters, tally: Tally, answer: Answer, phaseStartMs: number, endMs: number): { tally: Tally; measurement: Measurement } {
  if (answer.is === 'no-data') return unread(spec, tally, answer.why)
  const read = countAnswer(gate, spec, counted, { before: tally.counters ?? nothingCounted, isFirst: tally.measured === 0 }, answer, phaseStartMs, endMs)
  if (read.is === 'unread') return unread(spec, tally, read.why)
  const { block, told, doubt, counting, isSound, isBaseline } = read
  const measurement: Measurement = told.is === 'measured' && !told.breaks && doubt !== undefined ? { is: 'no-data', why: doubt } : told
  const counters = { ...counting, baselines: counting.baselines + (isBaseline ? 1 : 0) }
  const sums = isSound ? { bad: exact(tally.bad + block.bad), total: exact(tally.total + block.total) } : {}
  return { measurement, tally: withBlock(spec, { ...tally, ...sums, counters }, measurement, byShare(told)) }
}

/** What an answer adds to what is known of counters. */
export type CountedAnswer = {
  is: 'counted'
  grown: readonly Growth[]
  block: CountedBlock
  /** With this answer; its `baselines` are as before. */
  counting: CounterTally
  /** No more are bad than there are. */
  isSound: boolean
  /** It only gave what later ones are counted from. */
  isBaseline: boolean
  /** The block's share. */
  told: Measurement
  /** Why it was not looked at in full: enough to break a limit, but not to hold one. */
  doubt: string | undefined
} | { is: 'unread'; why: string }

/** `isFirst`: no block was readable yet. */
export function countAnswer(
  gate: GateSpec, { blockMs }: SequentialSpec, { counters: rule, sum }: Pick<Counters, 'counters' | 'sum'>, { before, isFirst }: { before: CounterTally; isFirst: boolean },
  answer: Omit<CountersAnswer, 'is'>, phaseStartMs: number, endMs: number,
): CountedAnswer {
  const intervalMs = answer.scrapeIntervalMs ?? before.intervalMs
  const startMs = endMs - blockMs
  const several = sum ? undefined : severalSeries(answer.series, startMs)
  if (several !== undefined) return { is: 'unread', why: several }
  const { seen, grown } = grow(before.seen, answer.series, { fromMs: phaseStartMs, intervalMs: intervalMs ?? blockMs })
  const block = countGrowth(rule, grown)
  const isSound = block.bad <= block.total
  const told = measured(gate, block, grown, startMs)
  const gap = answer.gap ?? before.gap
  return {
    is: 'counted', grown, block, isSound, told, doubt: doubtOf(answer, { startMs, blockMs, intervalMs, seen }),
    isBaseline: isFirst && told.is === 'no-data' && grown.some(({ is, part, atMs }) => is === 'begun' && part === 'total' && atMs >= phaseStartMs),
    counting: {
      seen, answeredMs: endMs,
      badAtMost: exact(before.badAtMost + (isSound ? block.badAtMost : 0)),
      resets: before.resets + grown.filter(({ is }) => is === 'reset').length,
      appeared: before.appeared + grown.filter(({ is }) => is === 'appeared').length,
      baselines: before.baselines,
      ...(intervalMs !== undefined && { intervalMs }),
      ...(gap !== undefined && { gap }),
    },
  }
}

export function unread(spec: SequentialSpec, tally: Tally, why: string): { tally: Tally; measurement: Measurement } {
  const measurement = { is: 'no-data', why } as const
  return { measurement, tally: withBlock(spec, tally, measurement, byShare(measurement)) }
}

function measured({ rule: { limit } }: GateSpec, { bad, total }: CountedBlock, grown: readonly Growth[], startMs: number): Measurement {
  const totals = grown.filter(({ part }) => part === 'total')
  if (totals.every(({ atMs }) => atMs <= startMs)) return { is: 'no-data', why: totals.length === 0 ? 'no sample came: the counters were not scraped in it' : 'no sample in it came; those that did are older' }
  if (bad > total) return { is: 'no-data', why: `${exact(bad)} bad of ${exact(total)} requests: what bad names must be a part of what total names` }
  if (total === 0) return { is: 'no-data', why: totals.every(({ is }) => is === 'begun') ? 'its first samples are what later ones are counted from' : 'no request was counted' }
  return measureShare(limit, { bad: exact(bad), total: exact(total) }, limit.breaksWhen === 'above' ? 'bad' : 'good')
}

/**
 * Why an answer may lack a part, as that of a store which did not answer; undefined when nothing speaks for it. Notes on how an expression is written stand among the
 * warnings of some versions of Prometheus, and say nothing of the kind.
 */
export function whyPartial(warnings: readonly string[] = []): string | undefined {
  const told = warnings.filter(warning => !warning.startsWith('PromQL info'))
  return told.length > 0 ? `Prometheus warned that it may not be all: ${told.join('; ')}` : undefined
}

/** Why a block was not looked at in full: enough to break a limit, but not to hold one. */
function doubtOf({ warnings }: Pick<CountersAnswer, 'warnings'>, { startMs, blockMs, intervalMs = 0, seen }: { startMs: number; blockMs: number; intervalMs: number | undefined; seen: SeenCounters }): string | undefined {
  const partial = whyPartial(warnings)
  if (partial !== undefined) return partial
  if (intervalMs > blockMs * jitter) return `blocks of ${printDuration(blockMs)} are shorter than the ${printDuration(Math.round(intervalMs))} between two scrapes; give a block of ${printDuration(Math.ceil(2 * intervalMs / 1_000) * 1_000)}`
  const silent = Object.entries(seen.targets).filter(([, atMs]) => atMs <= startMs && atMs > startMs - blockMs).map(([target]) => target)
  return silent.length > 0 ? `${silent.slice(0, 3).join(', ')}${silent.length > 3 ? ` and ${silent.length - 3} more` : ''} was not scraped in it` : undefined
}

/** Scrapes come some milliseconds early or late. */
const jitter = 1.1

/** What several series mean together is for the file to say. */
function severalSeries(series: readonly CounterSeries[], startMs: number): string | undefined {
  for (const part of ['total', 'bad'] as const) {
    const fresh = series.filter(one => one.part === part && one.samples.some(([atMs]) => atMs > startMs))
    if (fresh.length > 1) return `${fresh.length} series of what is ${part === 'total' ? 'counted in all' : 'bad'}, not one; add series: sum if they are to be counted together, or choose one by its labels`
  }
  return undefined
}

/** Cleared of what binary fractions leave behind; counters may count in fractions. */
export const exact = (count: number): number => Number(count.toPrecision(12))

/** What there was to the counters, where there was anything: `; 2 resets, 1 series appeared`. */
export function printCounters({ resets, appeared, gap }: CounterTally): string {
  const words = [resets > 0 ? `${resets} ${resets === 1 ? 'reset' : 'resets'}` : '', appeared > 0 ? `${appeared} series appeared` : '', gap ?? ''].filter(Boolean)
  return words.length === 0 ? '' : `; ${words.join(', ')}`
}
