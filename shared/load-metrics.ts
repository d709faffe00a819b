/**
 * The metrics in which the bridge shows load samples to Prometheus, named once for who exposes and who queries them.
 *
 * Each series is there from the run's start, at 0: an increase is seen only from a series' second sample on, and a query of a series
 * that is not there has no data. Both outcomes and every threshold that a gate of the run reads therefore stand from the beginning.
 */
export const loadMetrics = {
  /** Counter{run, outcome="ok"|"failed"}: requests that ended. */
  requests: 'faultline_load_requests_total',
  /** Histogram{run, le}: response time in seconds of every request that ended, well or badly; a bucket at each gate's threshold. */
  duration: 'faultline_load_request_duration_seconds',
  /** Gauge{run, threshold_seconds}: requests in flight longer than the threshold, now. */
  overdue: 'faultline_load_overdue_requests',
  /** Gauge{run}: requests in flight, now. */
  inFlight: 'faultline_load_in_flight_requests',
  /** Gauge{run}: users there, now. */
  users: 'faultline_load_users',
} as const

/** A threshold in seconds as `le` and `threshold_seconds` write it: 500 ms is `0.5`, 2000 ms is `2`. The shortest decimal, as prom-client prints `le`. */
export const thresholdLabel = (ms: number): string => String(ms / 1_000)

/** Requests that have been in flight longer than this. Ages are rounded down to 50 ms, so one of exactly the limit counts. */
export function overdueIn(inFlight: Readonly<Record<string, number>>, afterMs: number): number {
  return sumWhere(inFlight, ageMs => ageMs >= afterMs)
}

/** Of counts by whole milliseconds, how many have a time that is wanted. */
export function sumWhere(counts: Readonly<Record<string, number>>, wanted: (ms: number) => boolean): number {
  let sum = 0
  for (const [ms, count] of Object.entries(counts)) if (wanted(Number(ms))) sum += count
  return sum
}
