import type { BlastRadius } from '#shared/blast-radius.ts'
import type { PlannedTarget } from '#shared/commands.ts'
import type { Experiment, ExperimentFault, GateSpec, LoadSpec } from '#shared/experiment.ts'
import type { Problem } from '#shared/experiment-problem.ts'
import type { FaultPreview } from '#shared/fault-preview.ts'
import { counterQueries } from '#shared/counter-series.ts'
import { recoveryGates } from '#shared/gate-core.ts'
import { fewestForPass, isControlled, type SequentialSpec } from '#shared/gate-sequential.ts'
import { percent } from '#shared/gate-share.ts'
import { stepMs } from '#shared/gate-watch.ts'
import { faultKinds } from '#shared/registry.ts'
import { isProcess, pickOf, printTargetSpec, type Pick as TargetPick } from '#shared/target.ts'
import { printDuration } from '#shared/units.ts'
import { FaultRefused } from '../../injector/fault-refused.ts'
import { previewFault, type PreviewedTarget } from '../../injector/local-driver.ts'
import type { DeclaredParent } from '../../injector/process-targets.ts'
import { evidenceWarnings, type EvidenceOptions, type EvidenceWarning } from './evidence-warnings.ts'
import { heldTargets } from './held-targets.ts'
import { noLookBefore } from './look-before.ts'

/** What `faultline plan --json` prints. Keys are only ever added. */
export interface FilePlan {
  file: string
  /** Whether the file is valid and no fault of it is refused. */
  possible: boolean
  problems: Problem[]
  parents: { name: string; pid: number; startTicks: number }[]
  /** Context of the kubeconfig; null: this machine. */
  cluster: string | null
  experiments: ExperimentPlan[]
}

/** What a run of an experiment would do. Times count from the begin of the steady phase. */
export interface ExperimentPlan {
  name: string
  /** Whether no fault is refused in any run. */
  possible: boolean
  timeline: Timeline
  faults: FaultPlan[]
  probes: ProbePlan[]
  gates: GatePlan[]
  /** How often gates with a `limit` were seen to abort for nothing, in words; null: there are none. */
  falseAborts: string | null
  /** What of it would show less than its author may think. */
  warnings: EvidenceWarning[]
  /** Why its faults would be done to a system that nobody has seen well, in words; null: somebody looks, or nothing is done. */
  noLookBefore: string | null
}

/** What every prober attempts for the whole run. `endpoint`: by the name that the probers' operator has given it. */
export interface ProbePlan {
  name: string
  kind: string
  endpoint: string
  /** The attempt in words. */
  attempt: string
  everyMs: number
  timeoutMs: number
  /** Whether what was acknowledged is looked for at the end. */
  ledger: boolean
}

export interface Timeline {
  /** Before the steady phase. */
  load: { users: number; spawnRate: number; rampMs: number; reachedWithinMs: number; host: string; locustfile: string | null; parameters: LoadSpec['parameters'] } | null
  /** Until the first fault; without faults, until the hold at the earliest. */
  steadyMs: number
  /** The earliest end of the hold: it counts from the first confirmed injection. */
  holdEndMs: number
  recovery: { withinMs: number; stableMs: number; gates: string[] }
  leaseMs: number
}

export interface FaultPlan {
  id: string
  kind: string
  atMs: number
  durationMs: number | null
  match: string
  parent: string | null
  /** `one`, `all`, a number, or a share such as `50%`. */
  pick: TargetPick
  /** How many of the candidates a run takes, by its name; 0 when there are not enough. */
  takes: number
  candidates: CandidatePlan[]
  refusals: Refusal[]
}

/** One that the fault may pick, bound to what cannot be recycled; no steps when it would be refused. */
export interface CandidatePlan {
  id: string
  /** Null for what is no process of this machine. */
  pid: number | null
  startTicks: number | null
  /** What it is: of a process, its command line. */
  commandLine: string
  /** Who would act on it; null: this machine's own agent. */
  agent: string | null
  steps: PlannedTarget['steps']
}

export interface Refusal {
  /** The candidate that it is about; null: the fault as a whole. */
  target: string | null
  why: string
  /** Whether the fault is refused in every run, or only when the run's name picks this target. */
  certain: boolean
}

export interface GatePlan {
  name: string
  kind: string
  phase: GateSpec['phase']
  source: GateSpec['source']
  /** The rule in words. */
  rule: string
  everyMs: number
  windowMs: number
  /** Looks begin so long after the phase; left out: at once. */
  anchorMs?: number
  consecutive: number
  noDataAfterMs: number
  /** Only for gates with a `limit`: what a breach takes, and how many requests a pass, in words. */
  limit?: { breach: string; pass: string }
  /** Only for gates that are held against the service's own counters: against which gate, and how far the two may differ, in words. */
  reconciled?: string
  /** Only for gates on the stream. */
  minRequests: number | null
  /** Only for Prometheus; `<run>` stands for the run's name. */
  promql: string | null
}

/** Looks at the processes as they are now, with the agent's own eyes, and changes nothing. */
export function planExperiment(experiment: Experiment, parents: readonly DeclaredParent[], options: EvidenceOptions = {}): ExperimentPlan {
  return planOf(experiment, experiment.faults.map(fault => planAlone(fault, parents, experiment.blastRadius)), options)
}

/** The same in a cluster, whose agents have looked. */
export function planInCluster(experiment: Experiment, previews: readonly FaultPreview[], options: EvidenceOptions = {}): ExperimentPlan {
  return planOf(experiment, experiment.faults.map(fault => {
    const { takes = 0, candidates = [], refusals = [] } = previews.find(preview => preview.fault === fault.id) ?? {}
    return { ...planHead(fault), takes, refusals, candidates: candidates.map(planRemoteCandidate) }
  }), options)
}

function planOf(experiment: Experiment, alone: FaultPlan[], options: EvidenceOptions): ExperimentPlan {
  const faults = withHeldTargets(alone)
  return {
    name: experiment.name,
    possible: faults.every(({ refusals }) => refusals.length === 0),
    timeline: timelineOf(experiment),
    faults,
    probes: experiment.probes.map(({ name, kind, endpoint, description, intervalMs, timeoutMs, keepsLedger }) => ({
      name, kind, endpoint, attempt: description, everyMs: intervalMs, timeoutMs, ledger: keepsLedger,
    })),
    gates: experiment.gates.map(planGate),
    falseAborts: printFalseAborts(experiment),
    warnings: evidenceWarnings(experiment, options),
    noLookBefore: noLookBefore(experiment) ?? null,
  }
}

function planAlone(fault: ExperimentFault, parents: readonly DeclaredParent[], blastRadius: BlastRadius): FaultPlan {
  const common = planHead(fault)
  let preview: ReturnType<typeof previewFault>
  try {
    preview = previewFault(fault, parents, blastRadius)
  } catch (error) {
    if (!(error instanceof FaultRefused)) throw error
    return { ...common, takes: 0, candidates: [], refusals: [{ target: null, why: error.message, certain: true }] }
  }
  const { takes, candidates } = preview
  const refused = candidates.filter(isRefused)
  const certain = takes > candidates.length - refused.length // too few are left that are not refused
  return {
    ...common, takes, candidates: candidates.map(planCandidate),
    refusals: refused.map(({ target, refused: why }) => ({ target: target.id, why, certain })),
  }
}

const planHead = ({ id, kind, atMs, durationMs, target }: ExperimentFault) => ({ id, kind, atMs, durationMs: durationMs ?? null, ...namedBy(target) })

function namedBy(target: ExperimentFault['target']): Pick<FaultPlan, 'match' | 'parent' | 'pick'> {
  const { process } = target
  return { match: process?.match ?? printTargetSpec(target), parent: process?.parent ?? null, pick: pickOf(target) }
}

const isRefused = (candidate: PreviewedTarget): candidate is PreviewedTarget & { refused: string } => 'refused' in candidate

function planCandidate(candidate: PreviewedTarget): CandidatePlan {
  const { id, pid, startTicks, description: commandLine } = candidate.target
  return { id, pid, startTicks, commandLine, agent: null, steps: isRefused(candidate) ? [] : candidate.steps }
}

function planRemoteCandidate({ target, agent, steps }: FaultPreview['candidates'][number]): CandidatePlan {
  const [pid, startTicks] = isProcess(target) ? [target.pid, target.startTicks] : [null, null]
  return { id: target.id, pid, startTicks, commandLine: target.description, agent, steps }
}

/** A fault that is refused for a reason of its own never holds anything. */
function withHeldTargets(faults: FaultPlan[]): FaultPlan[] {
  const possible = faults.filter(({ refusals }) => !refusals.some(({ certain }) => certain))
  const held = heldTargets(possible.map(({ id, kind, atMs, durationMs, takes, candidates }) => ({
    id, atMs, takes, alone: faultKinds.get(kind)?.alone, ...(durationMs !== null && { durationMs }), candidates: candidates.map(candidate => candidate.id),
  })))
  return faults.map(fault => ({
    ...fault,
    refusals: [...fault.refusals, ...held.filter(({ id }) => id === fault.id).map(({ target, holder, untilMs, certain }): Refusal => ({
      target, certain, why: `it is held by ${holder} until ${printDuration(untilMs)}${certain ? '' : ', if that picks it too'}; leave half a second between them`,
    }))],
  }))
}

function timelineOf(experiment: Experiment): Timeline {
  const { load, steadyMs, holdMs, recovery, leaseMs } = experiment
  return {
    load: load ? {
      users: load.users, spawnRate: load.spawnRate, rampMs: Math.ceil(load.users / load.spawnRate) * 1_000, reachedWithinMs: load.reachedWithinMs,
      host: load.host, locustfile: load.locustfile ?? null, parameters: load.parameters,
    } : null,
    steadyMs,
    holdEndMs: steadyMs + holdMs,
    recovery: { ...recovery, gates: experiment.faults.length === 0 ? [] : recoveryGates(experiment).map(({ name }) => name) },
    leaseMs,
  }
}

function planGate(gate: GateSpec): GatePlan {
  const { name, kind, phase, source, rule, windowMs, anchorMs, consecutive, noDataAfterMs, minRequests, sequential, reconcile } = gate
  return {
    name, kind, phase, source, rule: rule.description, everyMs: stepMs(gate), windowMs, ...(anchorMs !== undefined && { anchorMs }), consecutive, noDataAfterMs, ...(sequential && { limit: printLimit(sequential) }),
    ...(reconcile && { reconciled: `must agree with ${reconcile.with} within ${percent(reconcile.tolerance)} of the requests; otherwise it is inconclusive` }),
    minRequests: source === 'stream' ? minRequests : null,
    promql: source === 'prometheus' ? promqlOf(gate) : null,
  }
}

/** Of counters the raw samples are asked for, once a block; a query on each line. */
function promqlOf({ rule, windowMs, sequential }: GateSpec): string {
  if (sequential?.counted.is !== 'counters') return rule.query({ run: '<run>', windowMs })
  const { counters, control } = sequential.counted
  return [counters, control ?? []].flat().flatMap(arm => counterQueries(arm, sequential.blockMs)).join('\n')
}

function printFalseAborts({ gates, calibration }: Experiment): string | null {
  if (!gates.some(({ sequential }) => sequential)) return null
  if (!calibration) return 'never measured; faultline calibrate measures them'
  const { falseAborts, atMost, windows, measuredAt } = calibration
  return `${percent(falseAborts)} of ${windows} fault-free windows (95 %: at most ${percent(atMost)}), measured on ${measuredAt}`
}

function printLimit(spec: SequentialSpec): NonNullable<GatePlan['limit']> {
  const { limit } = spec
  return {
    breach: limit.is === 'rate' ? `evidence of ${Number(limit.eNeeded.toPrecision(4))} to 1 (E)` : `more than ${limit.mostBad} bad requests in the whole run`,
    pass: `takes ${fewestForPass(spec)} requests${isControlled(spec) ? ' of either arm' : ''} if none is bad, and more with each that is`,
  }
}
