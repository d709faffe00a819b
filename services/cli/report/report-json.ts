import { isoInstant } from './figures.ts'
import type { RunReport } from './run-report.ts'

/** `report.json`: the judgement, its faults also dated in ISO 8601, and the load by the second. For programs; verdict.json is for replay. Pure. */
export function printReportJson({ judgement, startMs, endMs, phases, abort, seconds, failedRequests, gates, calibration, record, environment }: RunReport): string {
  const { faults, gates: _judged, ...rest } = judgement
  return `${JSON.stringify({
    ...rest,
    gates,
    calibration: calibration ?? null,
    faults: faults.map(fault => ({ ...fault, injectedAt: isoInstant(fault.injectedAtMs), revertedAt: isoInstant(fault.revertedAtMs) })),
    startedAt: isoInstant(startMs),
    endedAt: isoInstant(endMs),
    phases,
    abort: abort ?? null,
    loadBySecond: seconds,
    failedRequests,
    record,
    environment: Object.fromEntries(environment.map(({ name, value }) => [name, value])),
  }, null, 2)}\n`
}
