import type { Experiment } from '#shared/experiment.ts'
import type { GateState } from '#shared/gate-core.ts'
import { counts, outagesOf, viewFigures, viewsOf, type Outage, type ProbeView } from '#shared/probe-core.ts'
import type { ProbeSpec } from '#shared/probe.ts'

/** One probe as one prober saw it. */
export interface JudgedProbe {
  name: string
  kind: string
  endpoint: string
  /** Of the prober. */
  node: string
  /** False: its node was itself the target of a fault. */
  counts: boolean
  attempts: number
  failures: number
  /** Share of the attempts that succeeded. */
  availability: number | null
  recoveryTimeMs: number
  steady: boolean
  longestOutageMs: number
  /** Recovery time and recovery point of a probe that writes: of a data store, or through one. Null when it keeps no ledger, or none came. */
  rtoMs: number | null
  rpoMs: number | null
  /** What was looked for after the recovery. */
  ledger: JudgedLedger | null
  outages: Outage[]
}

export interface JudgedLedger {
  attempted: number
  acknowledged: number
  missing: number
  /** Taken, but not seen on a replica in time: promised to nobody. */
  unconfirmed: number
  unconfirmedMissing: number
  unread: number
  missingIds: string[]
  /** Age of the newest acknowledged write that is missing, when the next attempt failed. */
  newestLostAgeMs: number | null
}

/** In the order of the file, each by node. */
export function judgeProbes(experiment: Experiment, gates: GateState): JudgedProbe[] {
  const sinceMs = gates.duringFromMs ?? -Infinity
  return experiment.probes.flatMap(spec => viewsOf(gates.probes, spec.name)
    .toSorted((a, b) => a.node < b.node ? -1 : a.node > b.node ? 1 : a.startMs - b.startMs)
    .map(view => judgeProbe(spec, view, counts(gates.probes, view), sinceMs, experiment.recovery.stableMs)))
}

function judgeProbe({ name, kind, endpoint }: ProbeSpec, view: ProbeView, doesCount: boolean, sinceMs: number, stableMs: number): JudgedProbe {
  const { node, attempts, failures, ledger } = view
  const figures = viewFigures(view, sinceMs, stableMs)
  return {
    name, kind, endpoint, node, counts: doesCount, attempts, failures,
    availability: attempts === 0 ? null : Number(((attempts - failures) / attempts).toPrecision(12)),
    recoveryTimeMs: figures.recoveryTimeMs, steady: figures.steady, longestOutageMs: figures.longestOutageMs,
    rtoMs: ledger && figures.steady ? figures.recoveryTimeMs : null,
    rpoMs: ledger ? figures.oldestLostAgeMs ?? 0 : null,
    ledger: ledger ? {
      attempted: ledger.attempted, acknowledged: ledger.acknowledged, missing: ledger.missing, unconfirmed: ledger.unconfirmed,
      unconfirmedMissing: ledger.unconfirmedMissing, unread: ledger.unread, missingIds: ledger.missingIds, newestLostAgeMs: figures.newestLostAgeMs,
    } : null,
    outages: outagesOf(view, sinceMs, stableMs),
  }
}
