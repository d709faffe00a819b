import type { Sample } from '#shared/gate-blocks.ts'

/** What a stretch of load was like, from exact counts. */
export interface LoadFigures {
  /** Those that ended, well or badly. */
  requests: number
  failures: number
  /** Of all that ended; null when none did. */
  p50Ms: number | null
  p95Ms: number | null
}

/** Pure. A sample that is given twice counts once. */
export function figuresOf(samples: readonly Sample[]): LoadFigures {
  const times = new Map<number, number>()
  let failures = 0
  let requests = 0
  for (const { ok, failed } of samplesOnce(samples)) {
    for (const [ms, count] of [...Object.entries(ok), ...Object.entries(failed)]) {
      times.set(Number(ms), (times.get(Number(ms)) ?? 0) + count)
      requests += count
    }
    failures += Object.values(failed).reduce((sum, count) => sum + count, 0)
  }
  return { requests, failures, p50Ms: quantile(times, requests, 0.5), p95Ms: quantile(times, requests, 0.95) }
}

export const samplesOnce = (samples: readonly Sample[]): Sample[] => [...new Map(samples.map(sample => [`${sample.worker}/${sample.index}/${sample.startMs}`, sample])).values()]

/** The nearest-rank quantile of counted times. */
function quantile(times: ReadonlyMap<number, number>, total: number, share: number): number | null {
  let seen = 0
  for (const [ms, count] of [...times].sort(([a], [b]) => a - b)) {
    seen += count
    if (seen >= share * total) return ms
  }
  return null
}
