import type { FactData, StoredFact } from '#shared/events.ts'
import type { Experiment, GateSpec } from '#shared/experiment.ts'
import { growthInLog } from '#shared/counter-log.ts'
import { orderOf, silentOf } from '#shared/fault-order.ts'
import { faultOfPart } from '#shared/fault.ts'
import type { GateSource, GatePhase } from '#shared/gate.ts'
import { probeRecoveryEvidence, recoveryEvidence, recoveryGates, recoveryOf, type GateState } from '#shared/gate-core.ts'
import { figuresOf as sequentialFigures, type SequentialFigures } from '#shared/gate-sequential.ts'
import { evidenceOf, missingEvidence, type Watch } from '#shared/gate-watch.ts'
import { figuresOf, samplesOnce } from '#shared/load-figures.ts'
import { probeFigures, probeRecoveryOf } from '#shared/probe-core.ts'
import { printReconciliation, reconcile, type Reconciliation } from '#shared/reconciliation.ts'
import { breachOf, firstBadOf, type Dated } from '#shared/verdict-breach.ts'

/** The parts of a judgement: what happened, in numbers. What follows from them is decided in verdict.ts. */
export interface JudgedGate {
  name: string
  phase: GatePhase
  source: GateSource
  kind: string
  description: string
  verdict: 'passed' | 'failed' | 'inconclusive'
  evidence: string
  looks: { endMs: number; value: number | null }[]
  /** Of a gate on a probe alone: what was held against its limit. */
  value?: number | null
  /** Of a gate with a `limit` alone: what its evidence came to, at the breach or in the end. */
  sequential?: SequentialFigures
  /** Of a gate that says `reconcile` alone: what it and the service's own counters have to say of the same requests. */
  reconciliation?: Reconciliation
  /** From the raw samples; only of a gate that failed in the during phase. */
  breachedAtMs?: number
}

/** One fault on one node. What joined it is a part of its own. */
export interface JudgedFault {
  /** Of the fault, or of the part: `1-pod-pause.2`. */
  id: string
  kind: string
  node: string
  /** Descriptions of the bound targets. */
  targets: string[]
  injectedAtMs: number | null
  revertedAtMs: number | null
  /** Both its effect and, when it lasts, its end were read back. */
  verified: boolean
  /** What ended it: `duration`, `command`, `abort`, `halt`, `lease`, `restart`, `instant`. */
  cause: string | null
}

type TimingName = 'breachToAbortMs' | 'breachToRevertedMs' | 'firstBadToRevertedMs'
/** `why` says of each null why it is not known. */
export type Timings = Record<TimingName, number | null> & { why: Partial<Record<TimingName, string>> }

export interface JudgedLoad {
  /** Most users at a time. */
  users: number
  requests: number
  failures: number
  p50Ms: number | null
  p95Ms: number | null
  requestsPerSecond: number | null
  reached: boolean
}

export interface JudgedRecovery {
  requiredWithinMs: number
  recoveredInMs: number | null
  met: boolean
  /** One sentence for each gate that was to hold again. */
  evidence: string[]
}

/** A pass takes both sides to agree; what is no pass by itself stays what it is. */
export function judgeGate(gate: GateSpec, gates: GateState, facts: readonly StoredFact[]): JudgedGate {
  const judged = judgeAlone(gate, gates, facts)
  const reconciliation = reconciliationOf(gate, gates, facts)
  if (!reconciliation) return judged
  const verdict = judged.verdict === 'passed' && reconciliation.is !== 'agreed' ? 'inconclusive' : judged.verdict
  return { ...judged, verdict, evidence: `${judged.evidence}; ${printReconciliation(reconciliation)}`, reconciliation }
}

/** Undefined of a gate that is held against no other, and while its phase has not begun. */
function reconciliationOf({ name, sequential, reconcile: wanted }: GateSpec, { experiment, watches }: GateState, facts: readonly StoredFact[]): Reconciliation | undefined {
  const watch = watches.find(({ gate }) => gate.name === name)
  const other = experiment?.gates.find(gate => gate.name === wanted?.with)?.sequential
  if (!wanted || !watch || sequential?.counted.is !== 'stream' || other?.counted.is !== 'counters') return undefined
  const { phaseStartMs: fromMs, end } = watch
  return reconcile({
    client: { rule: sequential.counted.requests, samples: samplesOnce(facts.flatMap(stored => stored.kind === 'load.sample' ? [stored.fact.data] : [])) },
    server: { name: wanted.with, counters: other.counted.counters, ...growthInLog(wanted.with, other, fromMs, facts) },
    phase: { fromMs, untilMs: end?.atMs ?? Infinity }, tolerance: wanted.tolerance,
  })
}

function judgeAlone(gate: GateSpec, gates: GateState, facts: readonly StoredFact[]): JudgedGate {
  if (gate.rule.probe) return judgeProbeGate(gate, gate.rule.probe, gates)
  const watch = [...gates.watches, ...gates.recovery].find(found => found.gate.name === gate.name && found.phase === gate.phase)
  const common = { name: gate.name, phase: gate.phase, source: gate.source, kind: gate.kind, description: gate.rule.description }
  if (!watch) return { ...common, verdict: 'inconclusive', evidence: `${gate.rule.description}: its phase never began`, looks: [] }
  const looks = watch.looks.map(({ endMs, measurement }) => ({ endMs, value: measurement.is === 'measured' ? measurement.value : null }))
  if (gate.phase === 'recovery' && gates.experiment) {
    const wanted = gates.experiment.recovery
    const { is } = recoveryOf(watch, wanted)
    return { ...common, verdict: is === 'met' ? 'passed' : is === 'missed' ? 'failed' : 'inconclusive', evidence: recoveryEvidence(watch, wanted), looks }
  }
  const evidence = evidenceOf(watch)
  const figures = figuresOfTally(watch)
  if (watch.ended?.is === 'breached') {
    const breach = gate.phase === 'during' ? breachOf(gate, watch.startMs, facts) : undefined
    return { ...common, verdict: 'failed', evidence, looks, ...figures, ...(breach?.is === 'dated' && { breachedAtMs: breach.atMs }) }
  }
  const missing = missingEvidence(watch)
  return { ...common, looks, ...figures, ...(missing === undefined ? { verdict: 'passed', evidence } : { verdict: 'inconclusive', evidence: `${evidence}; ${missing}` }) }
}

function figuresOfTally({ gate: { sequential }, tally, ended }: Watch): Pick<JudgedGate, 'sequential'> {
  const counted = ended?.tally ?? tally
  return sequential && counted ? { sequential: sequentialFigures(sequential, counted) } : {}
}

function judgeProbeGate({ name, phase, source, kind, rule: { description } }: GateSpec, probe: NonNullable<GateSpec['rule']['probe']>, { experiment, probes, duringFromMs }: GateState): JudgedGate {
  const spec = experiment?.probes.find(found => found.name === probe.name)
  const judged = spec && experiment ? probe.judge(probeFigures(probes, spec, experiment, duringFromMs)) : { verdict: 'inconclusive' as const, value: null, evidence: 'there is no such probe' }
  return { name, phase, source, kind, description, verdict: judged.verdict, evidence: `${description}: ${judged.evidence}`, looks: [], value: judged.value }
}

export function judgeFaults(experiment: Experiment, facts: readonly StoredFact[]): JudgedFault[] {
  return experiment.faults.flatMap(spec => {
    const injected = facts.flatMap(stored => stored.kind === 'fault.injected' && faultOfPart(stored.fact.data.fault) === spec.id ? [stored.fact.data] : [])
    const places = placesOf(injected)
    const unheard = (node: string): JudgedFault => ({ id: spec.id, kind: spec.kind, node, targets: [], injectedAtMs: null, revertedAtMs: null, verified: false, cause: null })
    const heard = new Set(places.flatMap(({ fault, node }) => fault === spec.id ? [node] : []))
    const silent = silentOf(orderOf(facts, spec.id), heard)
    return [...(heard.size === 0 && silent.length === 0 ? [''] : silent).map(unheard), ...places.map(({ fault, node }): JudgedFault => {
      const own = injected.filter(data => data.fault === fault && data.node === node)
      const last = lastReverted(facts, fault, node)
      const isOver = last ? last.verified : spec.durationMs === undefined
      return {
        id: fault, kind: spec.kind, node,
        targets: [...new Set(own.flatMap(({ targets }) => targets.map(({ description }) => description)))],
        injectedAtMs: Math.min(...own.map(({ injectedAtMs }) => injectedAtMs)),
        revertedAtMs: last?.verified ? last.revertedAtMs : null,
        verified: own.every(({ verified }) => verified) && isOver,
        cause: last?.cause ?? (spec.durationMs === undefined ? 'instant' : null),
      }
    })]
  })
}

/** Where a fault was done: the fault and each part that joined it, on each node, in order. */
function placesOf(facts: readonly { fault: string; node: string }[]): { fault: string; node: string }[] {
  const places = new Map(facts.map(({ fault, node }) => [`${fault} on ${node}`, { fault, node }]))
  const numberOf = (part: string) => Number(part.split('.')[1] ?? 1)
  return [...places.values()].toSorted((a, b) => numberOf(a.fault) - numberOf(b.fault) || (a.node < b.node ? -1 : 1))
}

/** A fault that may still be there: done, and not seen to be gone. Also one whose injection nobody saw, but whose revert failed. */
export function unconfirmedReverts(experiment: Experiment, facts: readonly StoredFact[]): string[] {
  return experiment.faults.flatMap(spec => {
    const told = facts.flatMap(stored => (stored.kind === 'fault.injected' || stored.kind === 'fault.reverted') && faultOfPart(stored.fact.data.fault) === spec.id ? [stored.fact.data] : [])
    return placesOf(told).filter(({ fault, node }) => {
      const last = lastReverted(facts, fault, node)
      return last ? !last.verified : spec.durationMs !== undefined
    }).map(({ fault, node }) => `${fault} on ${node}`)
  })
}

function lastReverted(facts: readonly StoredFact[], fault: string, node: string): FactData<'fault.reverted'> | undefined {
  return facts.flatMap(stored => stored.kind === 'fault.reverted' && stored.fact.data.fault === fault && stored.fact.data.node === node ? [stored.fact.data] : []).at(-1)
}

/** Of the breach that ended the run, or else of the earliest. */
export function judgeTimings(experiment: Experiment, gates: GateState, judged: readonly JudgedGate[], facts: readonly StoredFact[]): Timings {
  const abort = facts.flatMap(stored => stored.kind === 'run.aborting' ? [stored.fact.data] : [])[0]
  const failed = judged.filter(({ phase, verdict }) => phase === 'during' && verdict === 'failed')
    .toSorted((a, b) => (a.breachedAtMs ?? Infinity) - (b.breachedAtMs ?? Infinity))
  const name = (failed.find(gate => gate.name === abort?.gate) ?? failed[0])?.name
  const gate = experiment.gates.find(spec => spec.name === name)
  const reverted = lastEnd(facts)
  const aborted: Dated = abort?.cause === 'gate' ? { is: 'dated', atMs: abort.atMs, clocks: [abort.clock] } : { is: 'unknown', why: 'no gate aborted the run' }
  const none: Dated = { is: 'unknown', why: 'no gate was breached' }
  const breach = gate && gates.duringFromMs !== undefined ? breachOf(gate, gates.duringFromMs, facts) : none
  const firstBad = gate && gates.duringFromMs !== undefined ? firstBadOf(gate, gates.duringFromMs, facts) : none
  // What Prometheus dates bears no clock's name: it is that of all others when the whole run knew only one.
  const clocks = clocksOf(facts)
  const spans = {
    breachToAbortMs: between(breach, aborted, clocks),
    breachToRevertedMs: between(breach, reverted, clocks),
    firstBadToRevertedMs: between(firstBad, reverted, clocks),
  }
  const ms = (span: number | string) => typeof span === 'number' ? span : null
  return {
    breachToAbortMs: ms(spans.breachToAbortMs), breachToRevertedMs: ms(spans.breachToRevertedMs), firstBadToRevertedMs: ms(spans.firstBadToRevertedMs),
    why: Object.fromEntries(Object.entries(spans).filter((entry): entry is [string, string] => typeof entry[1] === 'string')),
  }
}

function lastEnd(facts: readonly StoredFact[]): Dated {
  const reverts = facts.flatMap(stored => stored.kind === 'fault.reverted' ? [stored.fact.data] : [])
  const last = reverts.filter(({ verified }) => verified).toSorted((a, b) => a.revertedAtMs - b.revertedAtMs).at(-1)
  if (!last) return { is: 'unknown', why: 'no revert was confirmed' }
  return { is: 'dated', atMs: last.revertedAtMs, clocks: [last.clock] }
}

/** Milliseconds from one date to the other, or why they cannot be subtracted. */
function between(from: Dated, to: Dated, clocksOfRun: readonly string[]): number | string {
  if (from.is === 'unknown') return from.why
  if (to.is === 'unknown') return to.why
  const isNamed = from.clocks.length > 0 && to.clocks.length > 0
  const clocks = isNamed ? new Set([...from.clocks, ...to.clocks]) : new Set(clocksOfRun)
  return clocks.size === 1 ? to.atMs - from.atMs : `dated by ${clocks.size} different clocks`
}

function clocksOf(facts: readonly StoredFact[]): string[] {
  return [...new Set(facts.flatMap(stored => stored.kind === 'load.sample' || stored.kind === 'fault.injected' || stored.kind === 'fault.reverted' ? [stored.fact.data.clock] : []))]
}

export function judgeLoad(facts: readonly StoredFact[]): JudgedLoad {
  const samples = samplesOnce(facts.flatMap(stored => stored.kind === 'load.sample' ? [stored.fact.data] : []))
  const states = facts.flatMap(stored => stored.kind === 'load.state' ? [stored.fact.data] : [])
  const figures = figuresOf(samples)
  const ends = samples.reduce(({ first, last }, { startMs, endMs }) => ({ first: Math.min(first, startMs), last: Math.max(last, endMs) }), { first: Infinity, last: -Infinity })
  const spanMs = ends.last - ends.first // not by spreading all dates into one call: half an hour of load has more than a call may take
  return {
    ...figures,
    users: Math.max(0, ...states.map(({ users }) => users)),
    requestsPerSecond: spanMs > 0 ? Number((figures.requests / spanMs * 1_000).toFixed(2)) : null,
    reached: states.some(({ state }) => state === 'reached'),
  }
}

export function judgeRecovery(experiment: Experiment, gates: GateState): JudgedRecovery & { missed: boolean } {
  const wanted = experiment.recovery
  const watched = (gates.recovering ? gates.recovery : []).map(watch => ({ recovery: recoveryOf(watch, wanted), evidence: `${watch.gate.name}: ${recoveryEvidence(watch, wanted)}` }))
  const found = [...watched, ...gates.recovering ? probeRecoveries(experiment, gates) : []]
  const met = recoveryGates(experiment).length > 0 && found.length > 0 && found.every(({ recovery }) => recovery.is === 'met')
  const afterMs = found.flatMap(({ recovery }) => recovery.is === 'met' ? [recovery.afterMs] : [])
  return {
    requiredWithinMs: wanted.withinMs,
    recoveredInMs: met ? Math.max(...afterMs) : null,
    met,
    evidence: found.map(({ evidence }) => evidence),
    missed: found.some(({ recovery }) => recovery.is === 'missed'),
  }
}

function probeRecoveries({ gates, recovery: wanted }: Experiment, { probes, lastEndedMs }: GateState) {
  const names = [...new Set(gates.flatMap(({ rule: { probe } }) => probe ? [probe.name] : []))]
  return lastEndedMs === undefined ? [] : names.map(name => {
    const recovery = probeRecoveryOf(probes, name, lastEndedMs, wanted)
    return { recovery, evidence: probeRecoveryEvidence(name, recovery, wanted) }
  })
}
