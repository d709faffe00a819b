import type { Joining } from '#shared/commands.ts'
import { runPhase, type AbortCause, type FactData, type GateStatus, type RunPhase, type StoredFact } from '#shared/events.ts'
import type { Experiment, ExperimentFault } from '#shared/experiment.ts'
import { silentOf, withOrder, type FaultOrder } from '#shared/fault-order.ts'
import { faultOfPart, isJoined, partOf } from '#shared/fault.ts'
import { recoveryGates } from '#shared/gate-core.ts'
import { faultedNodesOf } from '#shared/probe-core.ts'
import type { BoundTarget } from '#shared/target.ts'
import type { TestedService } from '#shared/tested-service.ts'
import { printDuration } from '#shared/units.ts'
import { withServices, type RunServices } from './run-services.ts'

/**
 * The life of a run, with no I/O and no clock of its own: `fold` takes what has happened, `decide` says what to do now.
 *
 *   (load) -> steady -> inject -> hold -> revert -> recover -> (verify) -> sealed -> judged
 *      |         |         |        |        |         |          |
 *      '---------'---------'--------'--------'---------'----------'--- run.aborting: revert everywhere, (recover, verify,) seal
 *
 *   without faults: (load) -> steady -> hold -> end -> (verify) -> sealed -> judged
 *
 * Every step is taken because of a fact in the stream, so a scheduler that starts in mid-run folds the same facts and goes on.
 */
export interface RunState {
  run: string
  experiment: Experiment
  submittedAtMs: number
  phases: Partial<Record<RunPhase, number>>
  load: { state: 'none' | 'starting' | 'ramping' | 'reached' | 'stopping' | 'stopped' | 'failed'; detail?: string }
  faults: ReadonlyMap<string, FaultState>
  /** By `phase/gate`, as last told. `measured`: of the look that changed the status, in the unit of the gate's limit. */
  gates: ReadonlyMap<string, { status: GateStatus; evidence: string; lookEndMs: number; measured?: number }>
  /** By their facts' source, so a prober that is started again is another one. */
  probers: ReadonlyMap<string, Prober>
  refusedProbe?: string
  /** Nodes that some fault was done to: their probers are not waited for at the end. */
  faultedNodes: ReadonlySet<string>
  /** Every look of the during gates has been taken. */
  duringClosed: boolean
  abort?: { cause: AbortCause; detail: string; atMs: number }
  sealedAtMs?: number
  verdict?: string
  judgedAtMs?: number
  /** Of the verdict. */
  reasons?: readonly string[]
  /** Where the experiment was written, as its submitter said. */
  file?: string
  /** SHA-256 of the experiment as it was written. */
  experimentHash?: string
  declaredServices?: readonly TestedService[]
  services: RunServices
}

/** A prober that has begun with the run. `probes`: how each was when it last told. */
export interface Prober { node: string; closed: boolean; probes: ReadonlyMap<string, { up: boolean; why?: string }> }

/** One fault may be done on several nodes, and each ends it by itself. No node: nothing was heard of it yet. */
export interface FaultState {
  spec: ExperimentFault
  nodes: ReadonlyMap<string, NodeFault>
  /** Who was ever told to do it; undefined before, and of what joined. */
  ordered?: FaultOrder
  /** Why a node refused it. The first refusal stays, whatever is done there or elsewhere later: another leader may have asked again. */
  refused?: string
  /** Ids of what it was done to, and addresses of the other side. */
  targets: ReadonlySet<string>
  peers: ReadonlySet<string>
}

/** `injectedAtMs` is missing when an agent tells of an end whose beginning nobody saw. */
export type NodeFault = { injectedAtMs?: number } & (
  | { at: 'active' | 'lapsed' | 'refused' }
  | { at: 'reverted'; confirmed: boolean; cause: FactData<'fault.reverted'>['cause'] }
)

/** What to do now. `key` names the deed: the same key is not begun again while it is under way. */
export type Effect = { key: string } & (
  | { effect: 'phase'; phase: RunPhase }
  | { effect: 'load-start' | 'load-stop' | 'seal' }
  | { effect: 'inject'; fault: ExperimentFault }
  /** Look whether something came up that belongs to the fault as well, and do it to that too, as this part, until the fault ends; then let some time pass. */
  | { effect: 'join'; fault: ExperimentFault; part: string; joining: Joining; endsAtMs: number; pauseMs: number }
  | { effect: 'revert'; fault: string; nodes: readonly string[] }
  | { effect: 'abort'; cause: AbortCause; detail: string; gate?: string }
)

/** How long to wait for what should take an instant before the run gives up on it, and a few other spans of time. */
export const patience = {
  beginMs: 10_000,
  /** Beyond what the experiment gives its load. */
  loadMs: 30_000,
  steadyGatesMs: 3_000,
  probesUpMs: 10_000,
  injectMs: 15_000,
  /** Clocks that are set by one time server are closer to each other than this: a date that is ahead by less is waited for. */
  clocksApartMs: 1_000,
  /** A date that is further ahead than this is of a clock that is wrong. */
  clockMs: 10_000,
  /** A pod that could join a fault for less than this is spared. It is also the pause between two looks for such pods, which grows with each refusal. */
  joinMs: 1_000,
  /** An agent ends a fault by itself, its duration after it knows that the fault is there (a little after the date that it tells). Only one that is later than this is told to. */
  ownEndMs: 500,
  revertMs: 10_000,
  /** An abort is broadcast for at least as long: an inject that was sent before it must find the run's tombstone at its agent. */
  onItsWayMs: 500,
  recoveryGatesMs: 5_000,
  lastLooksMs: 10_000,
  loadStopMs: 10_000,
  verifyMs: 60_000,
} as const

export function begin(run: string, experiment: Experiment, submittedAtMs: number): RunState {
  return {
    run, experiment, submittedAtMs, phases: {}, load: { state: 'none' }, gates: new Map(), services: {}, duringClosed: false, probers: new Map(), faultedNodes: new Set(),
    faults: new Map(experiment.faults.map(fault => [fault.id, unheardOf(fault)])),
  }
}

export function fold(state: RunState, stored: StoredFact): RunState {
  switch (stored.kind) {
    case 'run.submitted': {
      const { file, experimentHash, services } = stored.fact.data
      return state.experimentHash === undefined ? { ...state, experimentHash, ...(file !== undefined && { file }), ...(services && { declaredServices: services }) } : state
    }
    case 'run.services': return { ...state, services: withServices(state.services, stored.fact.data) }
    case 'run.phase': {
      const { phase, atMs } = stored.fact.data
      return state.phases[phase] === undefined ? { ...state, phases: { ...state.phases, [phase]: atMs } } : state
    }
    case 'run.aborting': {
      const { cause, detail, atMs } = stored.fact.data
      return state.abort ? state : { ...state, abort: { cause, detail, atMs } }
    }
    case 'run.sealed': return { ...state, sealedAtMs: state.sealedAtMs ?? stored.fact.data.atMs }
    case 'run.judged': return { ...state, verdict: state.verdict ?? stored.fact.data.verdict, judgedAtMs: state.judgedAtMs ?? Date.parse(stored.fact.time), reasons: state.reasons ?? stored.fact.data.reasons }
    case 'load.state': {
      const { state: load, detail } = stored.fact.data
      return { ...state, load: { state: load, ...(detail !== undefined && { detail }) } }
    }
    case 'gate.status': {
      const { gate, phase, status, evidence, lookEndMs, measurement } = stored.fact.data
      return { ...state, gates: new Map(state.gates).set(`${phase}/${gate}`, { status, evidence, lookEndMs, ...(measurement?.is === 'measured' && { measured: measurement.value }) }) }
    }
    case 'gate.closed': return { ...state, duringClosed: true }
    case 'probe.opened': return withProber(state, stored.fact.source, { node: stored.fact.data.node, closed: false, probes: new Map() })
    case 'probe.refused': return { ...state, refusedProbe: state.refusedProbe ?? `the probe ${stored.fact.data.probe} cannot be made on ${stored.fact.data.node}: ${stored.fact.data.why}` }
    case 'probe.state': {
      const { probe, state: at, why } = stored.fact.data
      const known = state.probers.get(stored.fact.source)
      return known ? withProber(state, stored.fact.source, { ...known, probes: new Map(known.probes).set(probe, { up: at === 'up', ...(why !== undefined && { why }) }) }) : state
    }
    case 'probe.closed': {
      const known = state.probers.get(stored.fact.source)
      return known ? withProber(state, stored.fact.source, { ...known, closed: true }) : state
    }
    case 'fault.ordered': {
      const { data } = stored.fact
      return withFault(state, data.fault, known => ({ ...known, ordered: withOrder(known.ordered, data) }))
    }
    case 'fault.injected': {
      const { injectedAtMs } = stored.fact.data
      return withNode({ ...state, faultedNodes: new Set([...state.faultedNodes, ...faultedNodesOf(stored.fact.data)]) }, stored.fact.data, (known, { durationMs }) => ({
        ...(durationMs === undefined ? { at: 'reverted', confirmed: true, cause: 'instant' } : { at: 'active' }), // an instant fault leaves nothing to revert
        injectedAtMs: known?.injectedAtMs ?? injectedAtMs,
      }))
    }
    case 'fault.lapsed': return withNode(state, stored.fact.data, known => ({ ...known, at: 'lapsed' }))
    case 'fault.refused': {
      const { fault, why } = stored.fact.data
      return withFault(withNode(state, stored.fact.data, known => ({ ...known, at: 'refused' })), fault, known => ({ ...known, refused: known.refused ?? why }))
    }
    case 'fault.reverted': {
      const { verified, cause } = stored.fact.data
      return withNode(state, stored.fact.data, known => ({ ...known, at: 'reverted', confirmed: verified, cause }))
    }
    default: return state
  }
}

/** Where the run is: the furthest phase that it has entered; `submitted` before the first. By their order, since their dates may be of two leaders' clocks. */
export function phaseOf({ phases, sealedAtMs, verdict }: RunState): RunPhase | 'submitted' | 'sealed' | 'judged' {
  if (verdict !== undefined) return 'judged'
  if (sealedAtMs !== undefined) return 'sealed'
  return runPhase.options.findLast(phase => phases[phase] !== undefined) ?? 'submitted'
}

/** Whether the run's leases are to be renewed: until it leaves its path, or its faults are over. */
export const renewing = (state: RunState): boolean => !state.abort && state.sealedAtMs === undefined && state.phases.revert === undefined

/** Whether the abort is to be broadcast: until no agent can hold anything of the run any more. */
export function broadcasting(state: RunState, nowMs: number): boolean {
  if (!state.abort || state.sealedAtMs !== undefined) return false
  return holding(state).length > 0 || nowMs < state.abort.atMs + patience.onItsWayMs
}

export function decide(state: RunState, nowMs: number): Effect[] {
  if (state.sealedAtMs !== undefined) return []
  if (state.abort) return whileAborting(state, state.abort, nowMs)
  return abortIfNeeded(state, nowMs) ?? onPath(state, nowMs)
}

function onPath(state: RunState, nowMs: number): Effect[] {
  const { experiment, phases } = state
  if (phases.verify !== undefined) return ending(state, phases.verify, nowMs)
  if (phases.recover !== undefined) return recovering(state, phases.recover, nowMs)
  if (phases.revert !== undefined) {
    const late = holding(state)
    if (late.length === 0) return [phase('recover')]
    return nowMs < phases.revert + patience.ownEndMs ? [] : late.map(({ fault, nodes }) => ({ key: `revert/${fault}`, effect: 'revert', fault, nodes }))
  }
  if (phases.steady === undefined) {
    if (!experiment.load || state.load.state === 'reached') return [phase('steady')]
    return phases.load === undefined ? [phase('load')] : state.load.state === 'none' ? [{ key: 'load-start', effect: 'load-start' }] : []
  }
  if (isFaultless(state)) return withoutFaults(state, phases.steady, nowMs)
  if (phases.inject === undefined) return steadyOver(state, phases.steady, nowMs) ? [phase('inject')] : []
  const startMs = phases.steady
  const due = [...state.faults.values()].filter(({ spec, nodes }) => nodes.size === 0 && nowMs >= startMs + spec.atMs)
  const injects = due.map(({ spec }): Effect => ({ key: `inject/${spec.id}`, effect: 'inject', fault: spec }))
  if (phases.hold === undefined && firstInjectedAtMs(state) !== undefined) return [phase('hold'), ...injects]
  return holdOver(state, nowMs) ? [phase('revert')] : [...injects, ...joins(state, nowMs)]
}

/** Looks for pods that have come up since a fault began. Only pods do so by themselves: a Deployment is scaled, a Job begins, what was evicted starts elsewhere. */
function joins({ faults }: RunState, nowMs: number): Effect[] {
  return [...faults].flatMap(([id, { spec, nodes }]): Effect[] => {
    const [beganAtMs] = injectionsOf(nodes).toSorted((a, b) => a - b)
    if (isJoined(id) || !spec.target.pods || spec.durationMs === undefined || beganAtMs === undefined) return []
    const endsAtMs = beganAtMs + spec.durationMs
    const parts = [...faults].flatMap(([other, part]) => faultOfPart(other) === id ? [part] : [])
    const timesRefused = parts.filter(({ refused }) => refused !== undefined).length
    return endsAtMs - nowMs < patience.joinMs ? [] : [{
      key: `join/${id}`, effect: 'join', fault: spec, part: partOf(id, parts.length + 1), endsAtMs, pauseMs: patience.joinMs * (1 + timesRefused),
      joining: { held: parts.flatMap(({ targets }) => [...targets]), peers: parts.flatMap(({ peers }) => [...peers]), sinceMs: beganAtMs },
    }]
  })
}

/** Nothing to inject, to revert or to recover from: the hold, its last looks, and the seal. */
function withoutFaults(state: RunState, steadyAtMs: number, nowMs: number): Effect[] {
  const { experiment, phases: { hold, end } } = state
  if (hold === undefined) return steadyOver(state, steadyAtMs, nowMs) ? [phase('hold')] : []
  if (end === undefined) return nowMs >= hold + experiment.holdMs ? [phase('end')] : []
  const givenUpAtMs = end + patience.lastLooksMs
  return looksAreIn(state) || nowMs > givenUpAtMs ? ending(state, givenUpAtMs, nowMs) : []
}

/** The first reason to leave the path, if there is one. */
function abortIfNeeded(state: RunState, nowMs: number): Effect[] | undefined {
  const { phases: { steady }, experiment: { load } } = state
  if (state.refusedProbe !== undefined) return abort('refused', state.refusedProbe)
  if (state.load.state === 'failed') return abort('load', state.load.detail ?? 'the load generator failed')
  if (steady !== undefined) return brokenGate(state) ?? neverSteady(state, steady, nowMs) ?? faultGoneWrong(state, steady, nowMs)
  const patienceMs = load ? load.reachedWithinMs + patience.loadMs : patience.beginMs
  return nowMs > state.submittedAtMs + patienceMs ? abort('load', `the load did not come up within ${printDuration(patienceMs)}`) : undefined
}

const abort = (cause: AbortCause, detail: string, gate?: string): Effect[] => [{ key: 'abort', effect: 'abort', cause, detail, ...(gate !== undefined && { gate }) }]

/** The steady phase has ended: with the injection or, without faults, with the hold. */
const quietIsOver = ({ phases }: RunState) => (phases.inject ?? phases.hold) !== undefined
const beforeWhat = (state: RunState) => isFaultless(state) ? 'before the hold' : 'before any fault'

/** The abort for the first broken or unreadable gate among those that are judged in this phase. */
function brokenGate(state: RunState): Effect[] | undefined {
  const judging = !quietIsOver(state) ? 'steady' : state.phases.recover === undefined ? 'during' : undefined
  for (const gate of state.experiment.gates.filter(spec => spec.phase === judging)) {
    const seen = state.gates.get(`${gate.phase}/${gate.name}`)
    if (judging === 'steady' && (seen?.status === 'breached' || seen?.status === 'unreadable')) return abort('steady', `${beforeWhat(state)}, ${gate.name}: ${seen.evidence}`, gate.name)
    if (seen?.status === 'breached') return abort('gate', `${gate.name}: ${seen.evidence}`, gate.name)
    if (seen?.status === 'unreadable') return abort('unreadable', `${gate.name}: ${seen.evidence}`, gate.name)
  }
  return undefined
}

function neverSteady(state: RunState, steadyAtMs: number, nowMs: number): Effect[] | undefined {
  if (quietIsOver(state)) return undefined
  const steadyEndMs = steadyAtMs + state.experiment.steadyMs
  if (nowMs > steadyEndMs + patience.steadyGatesMs && !steadyGatesHold(state)) {
    const missing = state.experiment.gates.filter(gate => gate.phase === 'steady' && !holds(state, gate.name)).map(gate => gate.name)
    return abort('steady', `the system was not seen steady ${beforeWhat(state)}: no good look at ${missing.join(', ')}`)
  }
  if (nowMs > steadyEndMs + patience.probesUpMs && missingProbes(state).length > 0) {
    return abort('steady', `the system was not seen steady ${beforeWhat(state)}: ${missingProbes(state).join('; ')}`)
  }
  return undefined
}

function faultGoneWrong(state: RunState, steadyAtMs: number, nowMs: number): Effect[] | undefined {
  const { phases, experiment } = state
  for (const [fault, { spec, nodes, refused, ordered }] of state.faults) {
    if (refused !== undefined && !isJoined(fault)) return abort('refused', `${fault} was not injected: ${refused}`)
    for (const [node, held] of nodes) {
      const aheadMs = (held.injectedAtMs ?? 0) - nowMs
      if (aheadMs > patience.clockMs) return abort('infrastructure', `the clock of ${node} is ${Math.round(aheadMs / 1_000)} s ahead of the scheduler's, so that nobody can say when ${fault} has been held for long enough`)
      if (held.at === 'refused') continue // a part, whose pod may be gone again; if it is not, the next look finds it
      if (held.at === 'reverted' && held.cause === 'halt') return abort('user', `${fault} was ended by a halt on ${node}`)
      if (held.at === 'lapsed' || (held.at === 'reverted' && held.cause === 'lease')) return abort('lease', `the lease of ${fault} ran out while it was held: its agent heard no heartbeat`)
      if (held.injectedAtMs === undefined) return abort('unconfirmed', `${fault} was reverted, but never confirmed as injected`)
    }
    const isGivenUp = phases.revert !== undefined && phases.recover === undefined && nowMs > phases.revert + experiment.leaseMs + patience.revertMs
    const [unreverted] = isGivenUp ? holding(state).filter(held => held.fault === fault) : []
    if (unreverted) return abort('unconfirmed', `${fault} was never confirmed as reverted on ${unreverted.nodes.join(', ')}`) // the node may be gone for good, or its journal
    const silent = silentOf(ordered, nodes)
    if (ordered && silent.length > 0 && nodes.size > 0 && nowMs > ordered.atMs + patience.injectMs) return abort('unconfirmed', `${fault} was never confirmed as injected on ${silent.join(', ')}`) // it is there on a part of its targets alone
    if (phases.inject !== undefined && nodes.size === 0 && nowMs > steadyAtMs + spec.atMs + patience.injectMs) return abort('unconfirmed', `${fault} was never confirmed as injected`)
  }
  return undefined
}

function whileAborting(state: RunState, abort: NonNullable<RunState['abort']>, nowMs: number): Effect[] {
  const leaseOverMs = abort.atMs + state.experiment.leaseMs + patience.revertMs
  if (holding(state).length > 0 && nowMs < leaseOverMs) return []
  if (state.phases.verify !== undefined) return ending(state, state.phases.verify, nowMs)
  const injectedSomething = firstInjectedAtMs(state) !== undefined
  const worthRecovering = injectedSomething && (abort.cause === 'gate' || abort.cause === 'unreadable' || abort.cause === 'lease')
  if (!worthRecovering) return nowMs >= abort.atMs + patience.onItsWayMs ? ending(state, injectedSomething ? leaseOverMs : abort.atMs, nowMs) : []
  return state.phases.recover === undefined ? [phase('recover')] : recovering(state, state.phases.recover, nowMs)
}

function recovering(state: RunState, recoverAtMs: number, nowMs: number): Effect[] {
  const { withinMs, stableMs } = state.experiment.recovery
  const givenUpAtMs = recoverAtMs + withinMs + stableMs + patience.recoveryGatesMs
  return (recoveryIsKnown(state) && looksAreIn(state)) || nowMs > givenUpAtMs ? ending(state, givenUpAtMs, nowMs) : []
}

/** Stops the load, waits for the probers, and seals. `latestBeginMs`: the latest date at which the stop is asked for first; the patience with it counts from there. */
function ending(state: RunState, latestBeginMs: number, nowMs: number): Effect[] {
  const loadIsOver = state.load.state === 'none' || state.load.state === 'stopped' || state.load.state === 'failed'
  const { verify } = state.phases
  if (verify === undefined && !loadIsOver && nowMs <= latestBeginMs + patience.loadStopMs) return [{ key: 'load-stop', effect: 'load-stop' }]
  const waited = awaitedProbers(state)
  if (verify === undefined) return waited.length > 0 ? [phase('verify')] : [{ key: 'seal', effect: 'seal' }]
  return waited.length === 0 || nowMs > verify + patience.verifyMs ? [{ key: 'seal', effect: 'seal' }] : []
}

/** Nodes whose probers still have to tell what they saw. A prober on a node that a fault was done to may never do so, and is not waited for. */
function awaitedProbers({ probers, faultedNodes }: RunState): string[] {
  return [...probers.values()].filter(({ closed, node }) => !closed && !faultedNodes.has(node)).map(({ node }) => node)
}

function steadyOver(state: RunState, steadyAtMs: number, nowMs: number): boolean {
  return nowMs >= steadyAtMs + state.experiment.steadyMs && steadyGatesHold(state) && looksArePast(state, nowMs) && missingProbes(state).length === 0
}

const steadyGatesHold = (state: RunState) => state.experiment.gates.every(gate => gate.phase !== 'steady' || holds(state, gate.name))
/** The evaluator's clock may be ahead: a phase that ended, by its dates, before the looks that it was waited for would be judged without them. */
const looksArePast = (state: RunState, nowMs: number) => state.experiment.gates.every(gate => {
  const { lookEndMs = 0 } = gate.phase === 'steady' ? state.gates.get(`steady/${gate.name}`) ?? {} : {}
  return lookEndMs <= nowMs || lookEndMs > nowMs + patience.clocksApartMs
})

/** Each probe must have been seen well by some prober before anything is done: a probe that never worked could tell nothing of a fault. */
function missingProbes({ experiment, probers }: RunState): string[] {
  return experiment.probes.flatMap(({ name }) => {
    const seen = [...probers.values()].flatMap(({ node, probes }) => { const found = probes.get(name); return found ? [{ node, ...found }] : [] })
    if (seen.some(({ up }) => up)) return []
    return [`the probe ${name} ${seen.length === 0 ? `was attempted by nobody (${probers.size === 0 ? 'no prober is there' : `probers on ${[...probers.values()].map(({ node }) => node).join(', ')}`})` : `fails: ${seen.map(({ node, why }) => `${node}: ${why ?? 'no answer'}`).join(', ')}`}`]
  })
}
const holds = (state: RunState, gate: string) => state.gates.get(`steady/${gate}`)?.status === 'holding'

function holdOver(state: RunState, nowMs: number): boolean {
  const sinceMs = firstInjectedAtMs(state)
  if (sinceMs === undefined || nowMs < sinceMs + state.experiment.holdMs) return false
  return [...state.faults].every(([id, { spec: { durationMs = 0 }, nodes, ordered }]) => isJoined(id) || nodes.size > 0 && silentOf(ordered, nodes).length === 0 && injectionsOf(nodes).every(atMs => nowMs >= atMs + durationMs))
}

const isFaultless = ({ experiment }: RunState) => experiment.faults.length === 0

/** A seal must not come before a late answer to the last look. An abort has decided already. */
function looksAreIn({ experiment, duringClosed, abort }: RunState): boolean {
  return abort !== undefined || duringClosed || experiment.gates.every(gate => gate.phase !== 'during' || gate.source === 'probe')
}

function recoveryIsKnown(state: RunState): boolean {
  const statuses = recoveryGates(state.experiment).map(gate => state.gates.get(`recovery/${gate.name}`)?.status)
  return statuses.every(status => status === 'met') || statuses.includes('missed')
}

/** Faults that some agent may still hold, and on which nodes. */
export function holding(state: RunState): { fault: string; nodes: string[] }[] {
  const mayHold = (held: NodeFault) => held.at === 'active' || held.at === 'lapsed' || (held.at === 'reverted' && !held.confirmed)
  return [...state.faults].map(([fault, { nodes }]) => ({ fault, nodes: [...nodes].filter(([, held]) => mayHold(held)).map(([node]) => node) }))
    .filter(({ nodes }) => nodes.length > 0)
}

function firstInjectedAtMs(state: RunState): number | undefined {
  const dates = [...state.faults.values()].flatMap(({ nodes }) => injectionsOf(nodes))
  return dates.length === 0 ? undefined : Math.min(...dates)
}

const injectionsOf = (nodes: FaultState['nodes']): number[] => [...nodes.values()].flatMap(({ injectedAtMs }) => injectedAtMs ?? [])

const unheardOf = (spec: ExperimentFault): FaultState => ({ spec, nodes: new Map(), targets: new Set(), peers: new Set() })

/** Of a fault of the run, or of a part that joins one; any other changes nothing. */
function withFault(state: RunState, fault: string, change: (known: FaultState) => FaultState): RunState {
  const whole = state.faults.get(faultOfPart(fault))
  return whole ? { ...state, faults: new Map(state.faults).set(fault, change(state.faults.get(fault) ?? unheardOf(whole.spec))) } : state
}

type FaultFact = { fault: string; node: string; targets?: readonly BoundTarget[]; peers?: readonly string[] | undefined }
function withNode(state: RunState, { fault, node, targets = [], peers = [] }: FaultFact, change: (known: NodeFault | undefined, spec: ExperimentFault) => NodeFault): RunState {
  return withFault(state, fault, known => ({
    ...known, nodes: new Map(known.nodes).set(node, change(known.nodes.get(node), known.spec)),
    targets: new Set([...known.targets, ...targets.map(({ id }) => id)]), peers: new Set([...known.peers, ...peers]),
  }))
}

const withProber = (state: RunState, source: string, prober: Prober): RunState => ({ ...state, probers: new Map(state.probers).set(source, prober) })

const phase = (next: RunPhase): Effect => ({ key: `phase/${next}`, effect: 'phase', phase: next })
