import type { FactData, StoredFact } from '#shared/events.ts'
import { greatestOf, leastOf } from '#shared/extremes.ts'
import { overdueIn, sumWhere } from '#shared/load-metrics.ts'

type Sample = FactData<'load.sample'>

/** The load over one step of the run's time. Rates are per second of the time that samples covered. */
export interface LoadPoint {
  startMs: number
  endMs: number
  users: number
  requestsPerSecond: number
  failuresPerSecond: number
  /** Requests unanswered for 100 ms or longer, at the end of the step. */
  waiting: number
  /** Of the requests that ended and those overdue at the end of the step, the share that failed or is overdue; null: there were none. */
  badShare: number | null
  /** 95th percentile (nearest rank) of the response times; a request still waiting counts with its age. Null: nothing ended or waits. */
  p95Ms: number | null
}

/** `fromMs`: where the first step begins. A step without a sample is left out: nothing is known of it. Pure. */
export function loadSeries(facts: readonly StoredFact[], { fromMs, stepMs, overdueAfterMs }: { fromMs: number; stepMs: number; overdueAfterMs: number }): LoadPoint[] {
  const steps = Map.groupBy(samplesOf(facts), ({ startMs, endMs }) => Math.floor(((startMs + endMs) / 2 - fromMs) / stepMs))
  return [...steps].sort(([a], [b]) => a - b).map(([index, samples]) => {
    const startMs = fromMs + index * stepMs
    return { startMs, endMs: startMs + stepMs, ...pointOf(samples, overdueAfterMs) }
  })
}

function pointOf(samples: readonly Sample[], overdueAfterMs: number): Omit<LoadPoint, 'startMs' | 'endMs'> {
  const lastOfEach = [...new Map(samples.toSorted((a, b) => a.endMs - b.endMs).map(sample => [sample.worker, sample])).values()]
  const total = (of: readonly Sample[], count: (sample: Sample) => number) => of.reduce((sum, sample) => sum + count(sample), 0)
  const all = () => true
  const failures = total(samples, ({ failed }) => sumWhere(failed, all))
  const requests = failures + total(samples, ({ ok }) => sumWhere(ok, all))
  const overdue = total(lastOfEach, ({ inFlight }) => overdueIn(inFlight, overdueAfterMs))
  const seconds = coveredMs(samples) / 1_000
  return {
    users: greatestOf(samples.map(({ users }) => users)),
    requestsPerSecond: round(requests / seconds),
    failuresPerSecond: round(failures / seconds),
    waiting: total(lastOfEach, ({ inFlight }) => sumWhere(inFlight, all)),
    badShare: requests + overdue === 0 ? null : (failures + overdue) / (requests + overdue),
    p95Ms: quantile([...samples.flatMap(({ ok, failed }) => [ok, failed]), ...lastOfEach.map(({ inFlight }) => inFlight)], 0.95),
  }
}

/** At least 1 ms, so that a rate stays a number. */
function coveredMs(samples: readonly Sample[]): number {
  return Math.max(1, greatestOf(samples.map(({ endMs }) => endMs)) - leastOf(samples.map(({ startMs }) => startMs)))
}

/** Nearest rank over counts by milliseconds. */
function quantile(counts: readonly Readonly<Record<string, number>>[], share: number): number | null {
  const byMs = counts.flatMap(record => Object.entries(record).map(([ms, count]) => ({ ms: Number(ms), count }))).toSorted((a, b) => a.ms - b.ms)
  const total = byMs.reduce((sum, { count }) => sum + count, 0)
  let seen = 0
  for (const { ms, count } of byMs) {
    seen += count
    if (seen >= share * total) return ms
  }
  return null
}

/** A sample that was posted twice counts once. */
function samplesOf(facts: readonly StoredFact[]): Sample[] {
  const all = facts.flatMap(stored => stored.kind === 'load.sample' ? [stored.fact.data] : [])
  return [...new Map(all.map(sample => [JSON.stringify([sample.worker, sample.index, sample.startMs]), sample])).values()]
}

const round = (value: number): number => Number(value.toFixed(2))
