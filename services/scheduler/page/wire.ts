import type { GateStatus, StoredFact } from '#shared/events.ts'
import type { GatePhase, GateSource, Limit } from '#shared/gate.ts'
import type { LoadPoint } from '#shared/load-series.ts'

/** What the scheduler tells the page, as JSON. Types alone: scheduler and page are checked against the same ones. Dates are milliseconds. */

/** A run in a list (`GET /api/v1/runs`, `/api/v1/events`). */
export interface RunSummary {
  run: string
  experiment: string
  phase: string
  submittedAt: string
  verdict: string | null
  aborting: string | null
}

/** What the experiment asks for, resolved: defaults filled in, limits as numbers. */
export interface Plan {
  experiment: string
  description: string | null
  /** Where it was written, as its submitter said. */
  file: string | null
  submittedAtMs: number
  load: { users: number; host: string } | null
  steadyMs: number
  holdMs: number
  leaseMs: number
  recovery: { withinMs: number; stableMs: number }
  /** `durationMs` null: done in an instant. */
  faults: { id: string; kind: string; atMs: number; durationMs: number | null; target: string }[]
  gates: PlannedGate[]
  probes: { name: string; kind: string }[]
}

export interface PlannedGate {
  name: string
  kind: string
  phase: GatePhase
  source: GateSource
  /** The limit in words. */
  description: string
  limits: Limit[]
  /** Looks in a row that must break the limit. */
  consecutive: number
}

/** One look at a gate's SLI; `value` null: no data. `bad` of `total` requests where it counts requests. */
export interface LookNews { endMs: number; value: number | null; breaks: boolean; bad?: number; total?: number }

/** Where a gate stands in one of its phases. `looks` are those since the last news; another `startMs` than before begins them anew. */
export interface GateNews {
  gate: string
  phase: GatePhase
  startMs: number
  status: GateStatus
  evidence: string
  /** Looks that the whole phase takes; null: nobody can say. */
  dueLooks: number | null
  looks: LookNews[]
}

/** Attempts of one probe from one node over about a second. */
export interface ProbeNews { probe: string; node: string; atMs: number; ok: number; failed: number; slowestMs: number }

/** What is new of a run since the last news; the first has all of it. */
export interface News {
  /** The scheduler's clock. */
  nowMs: number
  plan?: Plan
  /** Facts that people are told; samples and answers come as looks and seconds. */
  facts?: StoredFact[]
  gates?: GateNews[]
  /** Whole seconds of load; one that came before replaces it. */
  load?: LoadPoint[]
  probes?: ProbeNews[]
}

/** `GET /api/v1/whoami`: whose token it is. */
export interface Caller { name: string; role: 'viewer' | 'operator' | 'admin' }

/** `GET /api/v1/halt` */
export interface Halt { halted: boolean; why?: string | null; by?: string | null; sinceMs?: number | null }

export interface CoverageCell { kind: string; verdict: 'passed' | 'failed' | 'inconclusive'; run: string; experiment: string; atMs: number; version: string | null; stale: boolean }
export interface CoveredService { namespace: string; app: string; versions: string[]; present: boolean; cells: CoverageCell[] }

/** `GET /api/v1/coverage`. A kind without a cell was never tried on the service. */
export interface Coverage { kinds: string[]; services: CoveredService[]; discoveredAtMs: number | null; unknown: string | null }

export interface PolicyState {
  name: string
  state: 'active' | 'paused' | 'halted' | 'waiting'
  reason: string | null
  nextAtMs: number | null
  upcoming: { atMs: number; experiment: string }[]
  recent: { atMs: number; experiment: string; run: string | null; outcome: string }[]
  budgets: { slo: string; remainingRatio: number | null; why: string | null }[]
}

/** `GET /api/v1/policies` */
export interface Policies { policies: PolicyState[] }
