import type { FactData, RunPhase, StoredFact } from '#shared/events.ts'
import { emptyGates, fold as foldGates, type GateState } from '#shared/gate-core.ts'
import { heard, noTraffic, type Traffic } from '#shared/traffic.ts'
import type { Judgement } from '#shared/verdict.ts'
import { tellFact, type Told } from '../timeline.ts'

/**
 * What the live view knows of a run: a fold over its facts, with no clock. The gates are the same fold as the evaluator's, so that a
 * value moves at each look and not only when a status changes.
 */
export interface LiveState {
  run: string
  /** Date of the first fact. */
  startedMs?: number
  /** The experiment is in it, once run.submitted is there. */
  gates: GateState
  phases: Partial<Record<RunPhase, number>>
  load?: FactData<'load.state'>
  traffic: Traffic
  /** By id, then by node. */
  faults: ReadonlyMap<string, ReadonlyMap<string, NodeFault>>
  abort?: FactData<'run.aborting'>
  sealedAtMs?: number
  judged?: FactData<'run.judged'>
  /** The last events that are told to people. */
  events: readonly Told[]
  /** All that came of the run, when it is over. */
  judgement?: Judgement
}

/** A fault on one node. `sinceMs`: when it was injected; missing when only its end was heard of. */
export type NodeFault = { sinceMs?: number; targets: readonly string[] } & (
  | { at: 'active' | 'lapsed'; verified: boolean }
  | { at: 'reverted'; verified: boolean; cause: FactData<'fault.reverted'>['cause']; afterMs?: number }
  | { at: 'refused'; why: string }
)

export const keptEvents = 3

export const emptyLive = (run: string): LiveState => ({ run, gates: emptyGates(run), phases: {}, traffic: noTraffic, faults: new Map(), events: [] })

/** The run is over: its figures are those of the report. */
export const concluded = (state: LiveState, judgement: Judgement): LiveState => ({ ...state, judgement })

/** Pure. */
export function fold(before: LiveState, stored: StoredFact): LiveState {
  const startedMs = before.startedMs ?? Date.parse(stored.fact.time)
  const known = { ...before, startedMs, gates: foldGates(before.gates, stored) }
  const told = tellFact(stored, { startedMs, experiment: known.gates.experiment })
  const state = told ? { ...known, events: [...known.events.slice(1 - keptEvents), told] } : known
  switch (stored.kind) {
    case 'run.phase': {
      const { phase, atMs } = stored.fact.data
      return state.phases[phase] === undefined ? { ...state, phases: { ...state.phases, [phase]: atMs } } : state
    }
    case 'run.aborting': return { ...state, abort: state.abort ?? stored.fact.data }
    case 'run.services': case 'halt.set': case 'halt.released': case 'audit.request': case 'audit.halt': return state
    case 'run.sealed': return { ...state, sealedAtMs: state.sealedAtMs ?? stored.fact.data.atMs }
    case 'run.judged': return { ...state, judged: state.judged ?? stored.fact.data }
    case 'load.state': return { ...state, load: stored.fact.data }
    case 'load.sample': return { ...state, traffic: heard(state.traffic, stored) }
    case 'fault.injected': {
      const { targets, verified, injectedAtMs } = stored.fact.data
      return withFault(state, stored.fact.data, () => ({ at: 'active', verified, sinceMs: injectedAtMs, targets: targets.map(({ description }) => description) }))
    }
    case 'fault.reverted': {
      const { targets, verified, cause, revertedAtMs } = stored.fact.data
      return withFault(state, stored.fact.data, found => ({
        at: 'reverted', verified, cause, targets: targets.map(({ description }) => description),
        ...(found?.sinceMs !== undefined && { sinceMs: found.sinceMs, afterMs: revertedAtMs - found.sinceMs }),
      }))
    }
    case 'fault.lapsed': return withFault(state, stored.fact.data, found => ({ ...since(found), at: 'lapsed', verified: true }))
    case 'fault.refused': {
      const { why } = stored.fact.data
      return withFault(state, stored.fact.data, found => ({ ...since(found), at: 'refused', why }))
    }
    case 'policy.set': case 'policy.removed': case 'policy.ticked': case 'policy.missed': case 'policy.settled': case 'policy.paused': case 'policy.resumed': return state // of no run
    case 'fault.ordered': case 'probe.opened': case 'probe.refused': case 'probe.state': case 'probe.samples': case 'probe.ledger': case 'probe.closed':
    case 'gate.status': case 'gate.closed': case 'run.submitted': case 'load.stats': case 'slo.answer': case 'slo.tick': case 'slo.history': return state
  }
}

const since = (found: NodeFault | undefined) => ({ targets: found?.targets ?? [], ...(found?.sinceMs !== undefined && { sinceMs: found.sinceMs }) })

function withFault(state: LiveState, { fault, node }: { fault: string; node: string }, change: (found: NodeFault | undefined) => NodeFault): LiveState {
  const nodes = state.faults.get(fault) ?? new Map<string, NodeFault>()
  return { ...state, faults: new Map(state.faults).set(fault, new Map(nodes).set(node, change(nodes.get(node)))) }
}
