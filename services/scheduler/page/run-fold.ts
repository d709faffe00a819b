import type { FactData, RunPhase, StoredFact } from '#shared/events.ts'
import type { LoadPoint } from '#shared/load-series.ts'
import type { GateNews, LookNews, News, Plan, ProbeNews } from './wire.ts'

/** What the page knows of a run: a fold over the news of it, with no clock. */
export interface RunView {
  run: string
  plan?: Plan
  /** Date of the first fact. */
  startMs?: number
  /** Date of the latest thing heard of, by the scheduler's clock. */
  latestMs: number
  phases: readonly { phase: RunPhase; atMs: number }[]
  /** Under `phase/gate`, in the order in which they began. */
  gates: ReadonlyMap<string, GateView>
  /** By id, then by node. */
  faults: ReadonlyMap<string, FaultView>
  loadState?: FactData<'load.state'>
  load: readonly LoadPoint[]
  /** Under `probe on node`. */
  probes: ReadonlyMap<string, ProbeView>
  services?: FactData<'run.services'>
  abort?: FactData<'run.aborting'>
  sealedAtMs?: number
  judged?: FactData<'run.judged'>
  /** What people are told, oldest first. */
  facts: readonly StoredFact[]
}

export type GateView = Omit<GateNews, 'looks'> & { looks: readonly LookNews[] }
export interface FaultView { id: string; kind: string; nodes: ReadonlyMap<string, NodeFault> }

/** A fault on one node. `sinceMs` is missing when only its end was heard of. */
export interface NodeFault {
  at: 'active' | 'reverted' | 'refused' | 'lapsed'
  targets: readonly string[]
  sinceMs?: number
  endedMs?: number
  verified: boolean
  cause?: FactData<'fault.reverted'>['cause']
  why?: string
}

export interface ProbeView {
  probe: string
  node: string
  state: 'opened' | 'up' | 'down' | 'refused' | 'closed'
  why?: string
  slots: readonly ProbeNews[]
  ledger?: FactData<'probe.ledger'>
}

export const emptyRun = (run: string): RunView => ({ run, latestMs: 0, phases: [], gates: new Map(), faults: new Map(), load: [], probes: new Map(), facts: [] })

/** Pure. */
export function take(view: RunView, { nowMs, plan, facts = [], gates = [], load = [], probes = [] }: News): RunView {
  const told = facts.reduce(foldFact, { ...view, latestMs: nowMs, ...(plan && { plan }) })
  return {
    ...told,
    gates: gates.length === 0 ? told.gates : gates.reduce(withGate, new Map(told.gates)),
    load: load.length === 0 ? told.load : withPoints(told.load, load),
    probes: probes.reduce((known, slot) => withProbe(known, slot, found => ({ ...found, slots: [...found.slots, slot] })), told.probes),
  }
}

function withGate(known: Map<string, GateView>, news: GateNews): Map<string, GateView> {
  const key = `${news.phase}/${news.gate}`
  const before = known.get(key)
  const looks = before?.startMs === news.startMs ? [...before.looks, ...news.looks] : news.looks
  return known.set(key, { ...news, looks })
}

/** A second that is told again was reckoned again, with a sample that came late. */
function withPoints(known: readonly LoadPoint[], news: readonly LoadPoint[]): LoadPoint[] {
  const from = Math.min(...news.map(({ startMs }) => startMs))
  const anew = new Map([...known.filter(({ startMs }) => startMs >= from), ...news].map(point => [point.startMs, point]))
  return [...known.filter(({ startMs }) => startMs < from), ...[...anew.values()].sort((a, b) => a.startMs - b.startMs)]
}

function foldFact(view: RunView, stored: StoredFact): RunView {
  const state: RunView = { ...view, startMs: view.startMs ?? Date.parse(stored.fact.time), facts: [...view.facts, stored] }
  switch (stored.kind) {
    case 'run.phase': {
      const { phase, atMs } = stored.fact.data
      return state.phases.some(known => known.phase === phase) ? state : { ...state, phases: [...state.phases, { phase, atMs }] }
    }
    case 'run.services': return { ...state, services: stored.fact.data }
    case 'run.aborting': return { ...state, abort: state.abort ?? stored.fact.data }
    case 'run.sealed': return { ...state, sealedAtMs: state.sealedAtMs ?? stored.fact.data.atMs }
    case 'run.judged': return { ...state, judged: state.judged ?? stored.fact.data }
    case 'load.state': return { ...state, loadState: stored.fact.data }
    case 'fault.injected': {
      const { targets, verified, injectedAtMs } = stored.fact.data
      return withFault(state, stored.fact.data, found => ({ targets: described(targets), verified, at: 'active', sinceMs: found?.sinceMs ?? injectedAtMs }))
    }
    case 'fault.reverted': {
      const { targets, verified, cause, revertedAtMs } = stored.fact.data
      return withFault(state, stored.fact.data, found => ({ ...since(found), targets: described(targets), verified, cause, at: 'reverted', endedMs: revertedAtMs }))
    }
    case 'fault.lapsed': {
      const { atMs } = stored.fact.data
      return withFault(state, stored.fact.data, found => ({ ...since(found), targets: found?.targets ?? [], verified: true, at: 'lapsed', endedMs: atMs }))
    }
    case 'fault.refused': {
      const { why } = stored.fact.data
      return withFault(state, stored.fact.data, found => ({ ...since(found), targets: found?.targets ?? [], verified: true, at: 'refused', why }))
    }
    case 'probe.opened': {
      const { node, probes } = stored.fact.data
      return { ...state, probes: probes.reduce((known, probe) => withProbe(known, { probe, node }, found => ({ ...found, state: 'opened' })), state.probes) }
    }
    case 'probe.refused': return { ...state, probes: withProbe(state.probes, stored.fact.data, found => ({ ...found, state: 'refused', why: stored.fact.data.why })) }
    case 'probe.state': {
      const { state: at, why } = stored.fact.data
      return { ...state, probes: withProbe(state.probes, stored.fact.data, ({ why: _before, ...found }) => ({ ...found, state: at, ...(why !== undefined && { why }) })) }
    }
    case 'probe.ledger': return { ...state, probes: withProbe(state.probes, stored.fact.data, found => ({ ...found, ledger: stored.fact.data })) }
    case 'probe.closed': {
      const closed = [...state.probes].map(([key, found]): [string, ProbeView] => [key, found.node === stored.fact.data.node && found.state !== 'refused' ? { ...found, state: 'closed' } : found])
      return { ...state, probes: new Map(closed) }
    }
    default: return state
  }
}

const described = (targets: readonly { description: string }[]) => targets.map(({ description }) => description)
const since = (found: NodeFault | undefined) => found?.sinceMs === undefined ? {} : { sinceMs: found.sinceMs }

function withFault(state: RunView, { fault, kind, node }: { fault: string; kind: string; node: string }, change: (found: NodeFault | undefined) => NodeFault): RunView {
  const nodes = state.faults.get(fault)?.nodes ?? new Map<string, NodeFault>()
  return { ...state, faults: new Map(state.faults).set(fault, { id: fault, kind, nodes: new Map(nodes).set(node, change(nodes.get(node))) }) }
}

function withProbe(known: RunView['probes'], { probe, node }: { probe: string; node: string }, change: (found: ProbeView) => ProbeView): RunView['probes'] {
  const key = `${probe} on ${node}`
  return new Map(known).set(key, change(known.get(key) ?? { probe, node, state: 'opened', slots: [] }))
}

/** Looks that say something of the gate: after a recovery is known, the load's end is none of its business. Pure. */
export function tellingLooks({ looks, status }: GateView): readonly LookNews[] {
  return status === 'met' || status === 'missed' ? looks.slice(0, looks.findLastIndex(({ value }) => value !== null) + 1) : looks
}

/** Where the run stands, in a word: its verdict, or its phase. */
export function standing({ judged, sealedAtMs, abort, phases }: RunView): string {
  if (judged) return judged.verdict
  if (sealedAtMs !== undefined) return 'sealed'
  return abort ? 'aborting' : phases.at(-1)?.phase ?? 'submitted'
}

/** Under way: it can be aborted. */
export const isUnderWay = ({ sealedAtMs, startMs }: RunView): boolean => startMs !== undefined && sealedAtMs === undefined
