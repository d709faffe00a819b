import type { CounterSeries, DatedValue } from '#shared/counter-series.ts'
import { injectedMs, t0 } from './verdict-log-builder.ts'

/** A counter's value at a scrape, by milliseconds since the injection; undefined: it is not exposed. */
export type Course = (ms: number) => number | undefined
export interface Exposed { part: CounterSeries['part']; course: Course; series?: string; target?: string }

const intervalMs = 500

/** What Prometheus has at that date of counters that are scraped every 500 ms, for so long back. `offsetMs`: when they are, after a whole second. */
export function scrapedUntil(atMs: number, exposed: readonly Exposed[], { offsetMs = 250, backMs = 2_500 } = {}): { series: CounterSeries[]; scrapeIntervalMs: number } {
  const scrapes = Array.from({ length: 80 }, (_, index) => t0 + offsetMs + index * intervalMs).filter(ms => ms <= atMs && ms > atMs - backMs)
  const series = exposed.map(({ part, course, series: name = `{of="${part}"}`, target = '{job="shop"}' }) => ({
    part, series: name, target, samples: scrapes.flatMap((ms): DatedValue[] => {
      const value = course(ms - injectedMs)
      return value === undefined ? [] : [[ms, value]]
    }),
  }))
  return { series: series.filter(({ samples }) => samples.length > 0), scrapeIntervalMs: intervalMs }
}
