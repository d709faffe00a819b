import type { FactData, FactType, StoredFact } from '#shared/events.ts'
import type { Experiment, GateSpec } from '#shared/experiment.ts'
import { emptyGates, fold as foldGates, reports, type GateState } from '#shared/gate-core.ts'
import { stepMs, type Look, type Watch } from '#shared/gate-watch.ts'
import { printTargetSpec } from '#shared/target.ts'
import { heard, noTraffic, type Traffic } from '#shared/traffic.ts'
import type { GateNews, LookNews, News, Plan, PlannedGate, ProbeNews } from './page/wire.ts'

/**
 * What the live page is told of a run, as a fold over its facts: gates by the same fold as the evaluator's and the verdict's, load by
 * the second. So the page reckons nothing by itself, and a long run comes to it in kilobytes. Pure.
 */
export interface LiveRun {
  gates: GateState
  traffic: Traffic
  plan?: Plan
  /** Facts that people are told. */
  facts: readonly StoredFact[]
  probes: readonly ProbeNews[]
}

export const emptyLiveRun = (run: string): LiveRun => ({ gates: emptyGates(run), traffic: noTraffic, facts: [], probes: [] })

/** Facts that people are told as they are. */
const told: ReadonlySet<FactType> = new Set<FactType>([
  'run.submitted', 'run.services', 'run.phase', 'run.aborting', 'run.sealed', 'run.judged', 'fault.ordered', 'fault.injected', 'fault.reverted', 'fault.refused', 'fault.lapsed',
  'load.state', 'gate.status', 'probe.opened', 'probe.refused', 'probe.state', 'probe.ledger', 'probe.closed',
])
/** All that is needed: Locust's own statistics and the history of a query are of use in reports alone. */
export const neededFacts: FactType[] = [...told, 'load.sample', 'slo.answer', 'slo.tick', 'probe.samples']

export function foldLive(before: LiveRun, stored: StoredFact): LiveRun {
  const state = { ...before, gates: foldGates(before.gates, stored) }
  switch (stored.kind) {
    case 'load.sample': return { ...state, traffic: heard(state.traffic, stored, Infinity) }
    case 'probe.samples': return { ...state, probes: [...state.probes, probeNews(stored.fact.data)] }
    case 'run.submitted': return { ...withFact(state, stored), ...(state.gates.experiment && !state.plan && { plan: planOf(state.gates.experiment, stored) }) }
    default: return told.has(stored.kind) ? withFact(state, stored) : state
  }
}

const withFact = (state: LiveRun, stored: StoredFact): LiveRun => ({ ...state, facts: [...state.facts, stored] })

/** What `after` has and `before` had not; undefined: nothing that the page would show. */
export function newsOf(before: LiveRun, after: LiveRun, nowMs: number): News | undefined {
  const facts = after.facts.slice(before.facts.length)
  const probes = after.probes.slice(before.probes.length)
  const known = new Set(before.traffic.seconds)
  const load = after.traffic.seconds.filter(point => !known.has(point))
  const gates = gateNews(before.gates, after.gates)
  const news = {
    ...(after.plan !== before.plan && after.plan && { plan: after.plan }),
    ...(facts.length > 0 && { facts }), ...(gates.length > 0 && { gates }), ...(load.length > 0 && { load }), ...(probes.length > 0 && { probes }),
  }
  return Object.keys(news).length > 0 ? { nowMs, ...news } : undefined
}

function gateNews(before: GateState, after: GateState): GateNews[] {
  if (before === after) return []
  const earlier = new Map(reports(before).map(report => [keyOf(report), report]))
  const watchesBefore = watchesOf(before)
  return reports(after).flatMap(report => {
    const { gate, phase, status, evidence, lookEndMs } = report
    const known = earlier.get(keyOf(report))
    const watch = watchesOf(after).get(keyOf(report))
    const knownWatch = known && watchesBefore.get(keyOf(report))
    const toldLooks = knownWatch?.startMs === watch?.startMs ? knownWatch?.looks.length ?? 0 : 0
    const looks = watch?.looks.slice(toldLooks).map(lookNews) ?? []
    if (known?.status === status && known.evidence === evidence && knownWatch?.startMs === watch?.startMs && looks.length === 0) return []
    return [{ gate, phase, startMs: watch?.startMs ?? lookEndMs, status, evidence, dueLooks: watch && after.experiment ? dueLooks(watch, after.experiment) : null, looks }]
  })
}

const keyOf = ({ gate, phase }: { gate: string; phase: string }) => `${phase}/${gate}`
const watchesOf = ({ watches, recovery }: GateState) => new Map([...watches, ...recovery].map(watch => [keyOf({ gate: watch.gate.name, phase: watch.phase }), watch]))

/** A phase that has ended took as many as it took; one that goes on is expected to take its time. */
function dueLooks({ gate, phase, startMs, end }: Watch, { steadyMs, holdMs, recovery }: Experiment): number {
  const expectedMs = { steady: steadyMs, during: holdMs - (gate.anchorMs ?? 0), recovery: recovery.stableMs }[phase]
  return Math.max(1, Math.floor((end?.complete ? end.atMs - startMs : expectedMs) / stepMs(gate)))
}

function lookNews({ endMs, measurement }: Look): LookNews {
  if (measurement.is === 'no-data') return { endMs, value: null, breaks: false }
  const { value, breaks, bad, total } = measurement
  return { endMs, value, breaks, ...(bad !== undefined && { bad }), ...(total !== undefined && { total }) }
}

function probeNews({ probe, node, slots }: FactData<'probe.samples'>): ProbeNews {
  const ok = slots.filter(([, , outcome]) => outcome === 'ok').length
  return { probe, node, atMs: slots[0]?.[0] ?? 0, ok, failed: slots.length - ok, slowestMs: Math.max(...slots.map(([, tookMs]) => tookMs)) }
}

function planOf(experiment: Experiment, { fact }: Extract<StoredFact, { kind: 'run.submitted' }>): Plan {
  const { name, load, steadyMs, holdMs, leaseMs, recovery, faults, gates, probes } = experiment
  const { description } = fact.data.experiment as { description?: string } // it has been parsed with the schema
  return {
    experiment: name, description: description ?? null, file: fact.data.file ?? null, submittedAtMs: Date.parse(fact.time),
    load: load ? { users: load.users, host: load.host } : null,
    steadyMs, holdMs, leaseMs, recovery,
    faults: faults.map(({ id, kind, atMs, durationMs = null, target }) => ({ id, kind, atMs, durationMs, target: printTargetSpec(target) })),
    gates: gates.map(plannedGate),
    probes: probes.map(({ name, kind }) => ({ name, kind })),
  }
}

function plannedGate({ name, kind, phase, source, rule, consecutive }: GateSpec): PlannedGate {
  return { name, kind, phase, source, description: rule.description, limits: [rule.limit, ...(rule.otherLimit ? [rule.otherLimit] : [])], consecutive }
}
