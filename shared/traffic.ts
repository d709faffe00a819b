import type { StoredFact } from '#shared/events.ts'
import { loadSeries, type LoadPoint } from '#shared/load-series.ts'

type StoredSample = Extract<StoredFact, { kind: 'load.sample' }>

/** The load as its samples tell it: what it is now, and the last seconds one by one. */
export interface Traffic {
  recent: readonly StoredSample[]
  lastEndMs: number
  /** Whole seconds, in their order; one without a sample is missing. */
  seconds: readonly LoadPoint[]
}

export const noTraffic: Traffic = { recent: [], lastEndMs: 0, seconds: [] }

/** A terminal has no room for more. */
export const shownSeconds = 40
/** Samples are kept this long; a second is reckoned anew as long as all of its samples are there. */
const keptMs = 4_000
const anewMs = 3_000
/** What the present figures are taken over. */
const presentMs = 2_000
/** The points' own count of overdue requests is not shown. */
const overdueAfterMs = 2_000

/**
 * Pure. Seconds are reckoned when one is over, not at each of the five samples in it; a reckoned one stays the same object as long as it
 * stays the same, so that whoever tells others sees what is new.
 */
export function heard(traffic: Traffic, sample: StoredSample, keptSeconds = shownSeconds): Traffic {
  const lastEndMs = Math.max(traffic.lastEndMs, sample.fact.data.endMs)
  const recent = [...traffic.recent, sample].filter(({ fact }) => fact.data.endMs > lastEndMs - keptMs)
  const now = Math.floor(lastEndMs / 1_000)
  if (now === Math.floor(traffic.lastEndMs / 1_000)) return { ...traffic, recent, lastEndMs }
  const isOver = ({ startMs }: LoadPoint) => startMs < now * 1_000
  const anew = loadSeries(recent, { fromMs: 0, stepMs: 1_000, overdueAfterMs }).filter(point => isOver(point) && point.startMs >= (now * 1_000) - anewMs)
  const known = traffic.seconds.filter(({ startMs }) => startMs < (now * 1_000) - anewMs && startMs >= (now - keptSeconds) * 1_000)
  return { recent, lastEndMs, seconds: [...known, ...anew] }
}

/** The load over the last two seconds. */
export function present({ recent, lastEndMs }: Traffic): LoadPoint | undefined {
  const latest = recent.filter(({ fact }) => fact.data.endMs > lastEndMs - presentMs)
  return loadSeries(latest, { fromMs: lastEndMs - presentMs, stepMs: 2 * presentMs, overdueAfterMs }).at(-1)
}

/** The last `count` whole seconds; undefined where no sample came. */
export function lastSeconds({ seconds, lastEndMs }: Traffic, count: number): (LoadPoint | undefined)[] {
  const byStart = new Map(seconds.map(point => [point.startMs, point]))
  const now = Math.floor(lastEndMs / 1_000)
  return Array.from({ length: count }, (_, index) => byStart.get((now - count + index) * 1_000))
}
