import type { FactData, GateStatus, StoredFact } from '#shared/events.ts'
import { experimentSchema, type Experiment } from '#shared/experiment.ts'
import type { GatePhase, Measurement } from '#shared/gate.ts'
import { remember, type Sample, type SampleBuffer } from '#shared/gate-blocks.ts'
import { emptyProbes, foldProbes, probeRecoveryOf, type ProbeRecovery, type ProbesState } from '#shared/probe-core.ts'
import { advance, answered, beginWatch, evidenceOf, hasOverrun, watchStatus, withLateSample, type Look, type Watch } from '#shared/gate-watch.ts'

/**
 * What a run's gates say, as a fold over its facts: the evaluator folds them as they come, the verdict folds the same facts again.
 *
 *   run.phase steady --> steady watches --run.phase inject--> over
 *   first fault.injected --> during watches --run.phase revert, run.aborting--> over
 *   run.phase hold, without faults --> during watches --run.phase end, run.aborting--> over
 *   fault.reverted --> recovery watches (again at each later one; none while a later fault holds)
 *
 * Samples, answers and ticks make their looks. Gates on probes have no watch: what the probers saw is folded beside (probe-core.ts).
 */
export interface GateState {
  run: string
  experiment?: Experiment
  buffer: SampleBuffer
  /** Of the steady and the during phase, in the order of the file. */
  watches: readonly Watch[]
  recovery: readonly Watch[]
  /** The run has entered `recover`: only then is a recovery told. */
  recovering: boolean
  probes: ProbesState
  /** Begin of the during phase: the first injection; without faults, of the hold. */
  duringFromMs?: number
  lastEndedMs?: number
  sealed: boolean
  /** Of phases whose end is known before they begin: only where a log is read again. */
  ends?: Partial<Record<GatePhase, NonNullable<Watch['end']>>>
}

export const emptyGates = (run: string): GateState => ({ run, buffer: { samples: [], tickMs: 0 }, watches: [], recovery: [], recovering: false, probes: emptyProbes, sealed: false })

export function fold(before: GateState, stored: StoredFact): GateState {
  if (before.sealed) return before
  const probes = foldProbes(before.probes, stored)
  const state = probes === before.probes ? before : { ...before, probes }
  switch (stored.kind) {
    case 'run.submitted': {
      const parsed = experimentSchema.safeParse(stored.fact.data.experiment)
      return parsed.success && !state.experiment ? { ...state, experiment: parsed.data } : state
    }
    case 'run.phase': return entered(state, stored.fact.data)
    case 'run.aborting': return over(state, ['steady', 'during'], stored.fact.data.atMs, false)
    case 'run.sealed': return { ...state, sealed: true }
    case 'fault.injected': return injected(state, stored.fact.data)
    case 'fault.reverted': return ended(state, stored.fact.data.revertedAtMs)
    case 'load.sample': return sampled(state, stored.fact.data)
    case 'slo.tick': return ticked(state, stored.fact.data.atMs)
    case 'slo.answer': {
      const { data } = stored.fact
      const take = (watch: Watch) => answered(watch, data)
      return ticked({ ...state, watches: state.watches.map(take), recovery: state.recovery.map(take) }, data.answeredAtMs)
    }
    default: return state
  }
}

/** One that is known already changes nothing. */
function sampled(state: GateState, sample: Sample): GateState {
  const buffer = remember(state.buffer, sample, keepMs(state))
  if (buffer === state.buffer) return advanceAll(state)
  return advanceAll({ ...state, buffer, watches: state.watches.map(watch => withLateSample(watch, sample, buffer)) })
}

function entered(state: GateState, { phase, atMs }: FactData<'run.phase'>): GateState {
  switch (phase) {
    case 'steady': return state.watches.length > 0 ? state : begin(state, 'steady', atMs)
    case 'inject': return over(state, ['steady'], atMs, true)
    case 'hold': return state.experiment?.faults.length === 0 && state.duringFromMs === undefined ? beginDuring(over(state, ['steady'], atMs, true), atMs) : state
    case 'revert': case 'end': return over(state, ['during'], atMs, true)
    case 'recover': return { ...state, recovering: true }
    default: return state
  }
}

/** The first injection starts the during phase. An instant fault is over at once; one that lasts ends any recovery that was being watched. */
function injected(state: GateState, { fault, injectedAtMs }: FactData<'fault.injected'>): GateState {
  const started = state.duringFromMs === undefined ? beginDuring(state, injectedAtMs) : state
  const lasts = state.experiment?.faults.find(({ id }) => id === fault)?.durationMs !== undefined
  return lasts ? { ...started, recovery: [] } : ended(started, injectedAtMs)
}

/** Recovery counts from the end of the last fault. A confirmation that comes later, with a later date, starts it again. */
function ended(state: GateState, atMs: number): GateState {
  const lastEndedMs = Math.max(state.lastEndedMs ?? 0, atMs)
  if (lastEndedMs === state.lastEndedMs && state.recovery.length > 0) return state
  const recovery = looked(recoveryGates(state.experiment)).map(gate => beginWatch(gate, 'recovery', lastEndedMs))
  return advanceAll({ ...state, lastEndedMs, recovery })
}

/** The gates that say when the system has recovered: those written for it, else those that were to hold during the fault; and those on probes. */
export function recoveryGates(experiment: Pick<Experiment, 'gates'> | undefined): Experiment['gates'] {
  const gates = experiment?.gates ?? []
  const of = (phase: GatePhase) => looked(gates).filter(gate => gate.phase === phase)
  return [...of('recovery').length > 0 ? of('recovery') : of('during'), ...gates.filter(gate => gate.source === 'probe')]
}

const looked = (gates: Experiment['gates']) => gates.filter(gate => gate.source !== 'probe')

function begin(state: GateState, phase: GatePhase, atMs: number): GateState {
  const gates = looked(state.experiment?.gates ?? []).filter(gate => gate.phase === phase)
  const end = state.ends?.[phase]
  return advanceAll({ ...state, watches: [...state.watches, ...gates.map(gate => ({ ...beginWatch(gate, phase, atMs), ...(end && { end }) }))] })
}

const beginDuring = (state: GateState, atMs: number) => begin({ ...state, duringFromMs: atMs }, 'during', atMs)

function over(state: GateState, phases: readonly GatePhase[], atMs: number, complete: boolean): GateState {
  const close = (watch: Watch): Watch => watch.end || !phases.includes(watch.phase) ? watch : { ...watch, end: { atMs, complete } }
  return { ...state, watches: state.watches.map(close) }
}

/**
 * What `facts` fold to, less the looks that ended after their phase. Its end is dated when the scheduler decides it, and comes on record when NATS can be
 * reached: looks that were taken in between are of another time, and would make up for those of the phase that could not be read. What they have ended stays
 * ended: where the scheduler's clock is behind, the fault was there for longer than the date says.
 */
export function withinPhases(folded: GateState, facts: readonly StoredFact[]): GateState {
  if (!folded.watches.some(hasOverrun)) return folded
  const ends = Object.fromEntries(folded.watches.flatMap(({ phase, end }) => end?.complete ? [[phase, end]] : []))
  const { watches } = facts.reduce(fold, { ...emptyGates(folded.run), ends })
  return { ...folded, watches: watches.map((within, index) => {
    const watch = folded.watches[index]
    return watch?.ended && !within.ended ? watch : within
  }) }
}

const ticked = (state: GateState, atMs: number): GateState => advanceAll({ ...state, buffer: { ...state.buffer, tickMs: Math.max(state.buffer.tickMs, atMs) } })

function advanceAll(state: GateState): GateState {
  const step = (watch: Watch) => advance(watch, state.buffer)
  return { ...state, watches: state.watches.map(step), recovery: state.recovery.map(step) }
}

/** A phase's first block may lie before the fact that begins it: a minute and two blocks are kept for it. */
function keepMs({ experiment }: GateState): number {
  return 60_000 + 2 * Math.max(0, ...experiment?.gates.map(({ windowMs, sequential }) => Math.max(windowMs, sequential?.blockMs ?? 0)) ?? [])
}

export type Recovery =
  | { is: 'watching' }
  /** `afterMs`: from the last fault's end to the start of the stretch that held. */
  | { is: 'met'; afterMs: number }
  | { is: 'missed' }
  /** The deadline passed, and what broke the last stretch was a look without data: nobody knows. */
  | { is: 'unreadable' }

/** Whether one gate has held for `stableMs` in a stretch that began by the deadline. */
export function recoveryOf({ startMs, looks }: Watch, { withinMs, stableMs }: Experiment['recovery']): Recovery {
  let stretchMs = startMs
  for (const { endMs, measurement } of looks) {
    const holds = measurement.is === 'measured' && !measurement.breaks
    if (!holds) stretchMs = endMs
    if (stretchMs - startMs > withinMs) return { is: measurement.is === 'measured' ? 'missed' : 'unreadable' }
    if (holds && endMs - stretchMs >= stableMs) return { is: 'met', afterMs: stretchMs - startMs }
  }
  return { is: 'watching' }
}

export interface GateReport {
  gate: string
  phase: GatePhase
  status: GateStatus
  lookEndMs: number
  measurement?: Measurement
  evidence: string
}

/** Where each gate stands. A gate appears once a phase of its own has begun. */
export function reports(state: GateState): GateReport[] {
  const { experiment } = state
  const recovering = state.recovering && experiment ? state.recovery.map(watch => recoveryReport(watch, experiment.recovery)) : []
  return [...state.watches.map(watch => report(watch, watchStatus(watch), () => evidenceOf(watch))), ...recovering, ...probeReports(state)]
}

/** A probe that a gate names must be steady again; what else the gate says is judged at the end of the run. */
function probeReports({ experiment, recovering, probes, lastEndedMs }: GateState): GateReport[] {
  if (!experiment || !recovering || lastEndedMs === undefined) return []
  return experiment.gates.flatMap(({ name, rule: { probe } }) => {
    if (!probe) return []
    const recovery = probeRecoveryOf(probes, probe.name, lastEndedMs, experiment.recovery)
    const status: GateStatus = recovery.is === 'met' || recovery.is === 'missed' ? recovery.is : recovery.is === 'watching' ? 'breaking' : 'no-data'
    return [{ gate: name, phase: 'recovery' as const, status, lookEndMs: lastEndedMs, evidence: probeRecoveryEvidence(probe.name, recovery, experiment.recovery) }]
  })
}

export function probeRecoveryEvidence(probe: string, recovery: ProbeRecovery, { withinMs, stableMs }: Experiment['recovery']): string {
  switch (recovery.is) {
    case 'met': return `the probe ${probe} was steady for ${stableMs} ms from ${recovery.afterMs} ms after the last fault's end (allowed: ${withinMs} ms)`
    case 'missed': return `the probe ${probe} was not steady ${withinMs} ms after the last fault's end`
    case 'watching': return `the probe ${probe} has not been steady for ${stableMs} ms yet`
    case 'unseen': return `no prober that counts has watched ${probe}`
  }
}

function recoveryReport(watch: Watch, wanted: Experiment['recovery']): GateReport {
  const recovery = recoveryOf(watch, wanted)
  return report(watch, recovery.is === 'watching' ? watchStatus(watch) : recovery.is, () => recoveryEvidence(watch, wanted))
}

export function recoveryEvidence(watch: Watch, wanted: Experiment['recovery']): string {
  const recovery = recoveryOf(watch, wanted)
  switch (recovery.is) {
    case 'met': return `held for ${wanted.stableMs} ms from ${recovery.afterMs} ms after the last fault's end (allowed: ${wanted.withinMs} ms)`
    case 'missed': return `did not hold for ${wanted.stableMs} ms, from ${wanted.withinMs} ms after the last fault's end at the latest; ${evidenceOf(watch)}`
    case 'unreadable': return `could not be read well enough by ${wanted.withinMs} ms after the last fault's end; ${evidenceOf(watch)}`
    case 'watching': return evidenceOf(watch)
  }
}

/** Nearly no report is told, since few change: the sentence is made when it is asked for. */
function report(watch: Watch, status: GateStatus, evidence: () => string): GateReport {
  const last: Look | undefined = watch.looks.at(-1)
  return { gate: watch.gate.name, phase: watch.phase, status, lookEndMs: last?.endMs ?? watch.startMs, ...(last && { measurement: last.measurement }), get evidence() { return evidence() } }
}
