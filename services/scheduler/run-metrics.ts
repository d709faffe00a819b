import { Counter, Gauge, Histogram, type LabelValues, type Registry } from 'prom-client'
import type { Subscription } from '#shared/bus.ts'
import type { Clock } from '#shared/clock.ts'
import { abortCause, facts, gateVerdict, type StoredFact } from '#shared/events.ts'
import { faultOfPart } from '#shared/fault.ts'
import { faultKinds } from '#shared/registry.ts'
import { holding, phaseOf, type RunState } from './core.ts'
import type { FactListener } from './service.ts'

export interface RunMetricsOptions {
  metrics: Registry
  clock: Clock
  /** In the order in which they were submitted. */
  runs(): readonly RunState[]
  /** Tells of facts as they come, never of history. */
  onFact(listener: FactListener): Subscription
  leads(): boolean
}

/** So long the gates of a sealed run are shown: whoever scrapes once a minute must still see how they ended. */
export const lingerMs = 300_000
/** Of so many finished runs the verdicts are shown. Each is a series of its own. */
export const shownVerdicts = 300
const secondsBuckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/**
 * Shows all runs to Prometheus. Gauges are read off the fold, so that every scheduler shows the same and a restart changes nothing: take their
 * maximum over the schedulers. Counters and histograms count what comes while this scheduler leads, and never history again: take their sum.
 */
export function showRuns({ metrics, clock, runs, onFact, leads }: RunMetricsOptions): Subscription {
  const registers = [metrics]
  const underWay = () => runs().filter(({ sealedAtMs }) => sealedAtMs === undefined)
  const shown = () => runs().filter(({ sealedAtMs }) => sealedAtMs === undefined || clock.nowMs() < sealedAtMs + lingerMs)

  new Gauge({ name: 'faultline_scheduler_leader', help: '1 while this scheduler leads', registers, collect() { this.set(leads() ? 1 : 0) } })
  new Gauge({ name: 'faultline_runs_active', help: 'Runs not yet sealed', registers, collect() { this.set(underWay().length) } })
  new Gauge({
    name: 'faultline_run_active', help: '1 for each run not yet sealed, in the phase that it is in', labelNames: ['run', 'experiment', 'phase'], registers,
    collect() { fill(this, underWay().map(state => one({ ...names(state), phase: phaseOf(state) }))) },
  })
  new Gauge({
    name: 'faultline_run_judged_timestamp_seconds', help: 'When a run was judged; of the latest few hundred runs', labelNames: ['run', 'experiment', 'verdict'], registers,
    collect() { fill(this, judged(runs())) },
  })
  new Gauge({
    name: 'faultline_fault_active', help: '1 while some agent may hold the fault; what joined it later is part of it', labelNames: ['run', 'experiment', 'fault', 'kind'], registers,
    collect() { fill(this, underWay().flatMap(activeFaults)) },
  })
  new Gauge({
    name: 'faultline_fault_injected_timestamp_seconds', help: 'When the fault was injected first, by its agent\'s clock; until some minutes after the run', labelNames: ['run', 'experiment', 'fault', 'kind'], registers,
    collect() { fill(this, shown().flatMap(injectedFaults)) },
  })
  new Gauge({
    name: 'faultline_faults_unconfirmed', help: 'Faults that were reverted, one for each agent, without it being confirmed since', registers,
    collect() { this.set(runs().reduce((sum, state) => sum + unconfirmed(state), 0)) },
  })
  new Gauge({
    name: 'faultline_gate_status', help: '1 for the status that a gate has in a phase; until some minutes after the run', labelNames: ['run', 'experiment', 'gate', 'phase', 'status'], registers,
    collect() { fill(this, shown().flatMap(statuses)) },
  })
  new Gauge({
    name: 'faultline_gate_measurement', help: 'What a gate measured when its status last changed, in the unit of its limit; until some minutes after the run', labelNames: ['run', 'experiment', 'gate'], registers,
    collect() { fill(this, shown().flatMap(measurements)) },
  })
  new Gauge({
    name: 'faultline_gate_limit', help: 'What a gate may measure at most (bound="max") or at least (bound="min"); until some minutes after the run', labelNames: ['run', 'experiment', 'gate', 'bound'], registers,
    collect() { fill(this, shown().flatMap(limits)) },
  })

  const count = countFacts(metrics, clock)
  return onFact((stored, state) => {
    if (leads()) count(stored, state)
  })
}

/** A series is there before the first thing that it counts: an increase is only seen from its second sample on. */
function countFacts(metrics: Registry, clock: Clock): FactListener {
  const registers = [metrics]
  const verdicts = new Counter({ name: 'faultline_runs_judged_total', help: 'Runs by verdict', labelNames: ['verdict'], registers })
  const aborts = new Counter({ name: 'faultline_runs_aborted_total', help: 'Runs that left their path, by cause', labelNames: ['cause'], registers })
  const injected = new Counter({ name: 'faultline_faults_injected_total', help: 'Faults injected, one for each agent', labelNames: ['kind'], registers })
  const reverted = new Counter({ name: 'faultline_faults_reverted_total', help: 'Faults reverted, by cause and whether it was confirmed', labelNames: ['kind', 'cause', 'verified'], registers })
  const refused = new Counter({ name: 'faultline_faults_refused_total', help: 'Faults refused by their agent', labelNames: ['kind'], registers })
  const lapsed = new Counter({ name: 'faultline_faults_lapsed_total', help: 'Faults that ended because nobody renewed their lease', labelNames: ['kind'], registers })
  const injection = new Histogram({ name: 'faultline_fault_injection_seconds', help: 'From the command\'s arrival to the fault being there, by the agent\'s clock', labelNames: ['kind'], buckets: secondsBuckets, registers })
  const toAbort = new Histogram({ name: 'faultline_breach_to_abort_seconds', help: 'From hearing that a gate is breached to the abort being on record, by the scheduler\'s clock', buckets: secondsBuckets, registers })
  const toReverted = new Histogram({
    name: 'faultline_breach_to_reverted_seconds', help: 'From hearing that a gate is breached to hearing that the last fault is confirmed as gone, by the scheduler\'s clock', buckets: secondsBuckets, registers,
  })
  const breachedMs = new Map<string, number>()

  for (const verdict of gateVerdict.options) verdicts.inc({ verdict }, 0)
  for (const cause of abortCause.options) aborts.inc({ cause }, 0)
  for (const kind of faultKinds.keys()) for (const counter of [injected, refused, lapsed]) counter.inc({ kind }, 0)

  const expected = new Set<string>()
  function expect(kind: string): void {
    if (expected.has(kind)) return
    expected.add(kind)
    injection.zero({ kind })
    for (const cause of facts['fault.reverted'].data.shape.cause.options) for (const verified of ['true', 'false']) reverted.inc({ kind, cause, verified }, 0)
  }

  /** Timed as this scheduler hears of both: their own dates are by several clocks. */
  function observeSinceBreach(run: string, histogram: Histogram): void {
    const sinceMs = breachedMs.get(run)
    if (sinceMs !== undefined) histogram.observe((clock.monotonicMs() - sinceMs) / 1_000)
  }

  return (stored, state) => {
    const { run } = state
    switch (stored.kind) {
      case 'run.submitted': return state.experiment.faults.forEach(({ kind }) => expect(kind))
      case 'fault.injected': {
        const { kind, requestedAtMs, injectedAtMs } = stored.fact.data
        expect(kind) // its run was submitted before this scheduler started
        injected.inc({ kind })
        if (requestedAtMs > 0) injection.observe({ kind }, Math.max(0, injectedAtMs - requestedAtMs) / 1_000)
        return
      }
      case 'fault.reverted': {
        const { kind, cause, verified } = stored.fact.data
        reverted.inc({ kind, cause, verified: String(verified) })
        if (holding(state).length > 0) return
        observeSinceBreach(run, toReverted)
        breachedMs.delete(run)
        return
      }
      case 'fault.refused': return refused.inc({ kind: stored.fact.data.kind })
      case 'fault.lapsed': return lapsed.inc({ kind: stored.fact.data.kind })
      case 'gate.status':
        if (stored.fact.data.status === 'breached' && !state.abort && !breachedMs.has(run)) breachedMs.set(run, clock.monotonicMs())
        return
      case 'run.aborting':
        if (!isFirst(stored, state)) return
        aborts.inc({ cause: stored.fact.data.cause })
        if (stored.fact.data.cause === 'gate') observeSinceBreach(run, toAbort)
        return
      case 'run.sealed':
        breachedMs.delete(run)
        return
      case 'run.judged':
        if (isFirst(stored, state)) verdicts.inc({ verdict: stored.fact.data.verdict })
        return
      default: return
    }
  }
}

/** Only the first abort and the first verdict of a run count; the fold has kept their dates. */
function isFirst(stored: StoredFact & { kind: 'run.aborting' | 'run.judged' }, { abort, judgedAtMs }: RunState): boolean {
  return stored.kind === 'run.judged' ? judgedAtMs === Date.parse(stored.fact.time) : abort?.atMs === stored.fact.data.atMs
}

interface Series<L extends string> { labels: LabelValues<L>; value: number }

function fill<L extends string>(gauge: Gauge<L>, series: readonly Series<L>[]): void {
  gauge.reset()
  for (const { labels, value } of series) gauge.set(labels, value)
}

const names = ({ run, experiment: { name } }: RunState) => ({ run, experiment: name })
const one = <L extends string>(labels: LabelValues<L>): Series<L> => ({ labels, value: 1 })

function judged(runs: readonly RunState[]): Series<'run' | 'experiment' | 'verdict'>[] {
  return runs.flatMap(state => state.verdict === undefined || state.judgedAtMs === undefined ? [] : [{ labels: { ...names(state), verdict: state.verdict }, value: state.judgedAtMs / 1_000 }]).slice(-shownVerdicts)
}

/** Parts counted to the fault that they joined: there may be one for each pod that came up. */
function activeFaults(state: RunState): Series<'run' | 'experiment' | 'fault' | 'kind'>[] {
  const held = new Set(holding(state).map(({ fault }) => faultOfPart(fault)))
  return [...held].flatMap(fault => { const kind = state.faults.get(fault)?.spec.kind; return kind === undefined ? [] : [one({ ...names(state), fault, kind })] })
}

function injectedFaults(state: RunState): Series<'run' | 'experiment' | 'fault' | 'kind'>[] {
  return state.experiment.faults.flatMap(({ id, kind }) => {
    const dates = [...state.faults.get(id)?.nodes.values() ?? []].flatMap(({ injectedAtMs }) => injectedAtMs ?? [])
    return dates.length === 0 ? [] : [{ labels: { ...names(state), fault: id, kind }, value: Math.min(...dates) / 1_000 }]
  })
}

function unconfirmed({ faults }: RunState): number {
  return [...faults.values()].reduce((sum, { nodes }) => sum + [...nodes.values()].filter(held => held.at === 'reverted' && !held.confirmed).length, 0)
}

function statuses(state: RunState): Series<'run' | 'experiment' | 'gate' | 'phase' | 'status'>[] {
  return [...state.gates].map(([key, { status }]) => { const [phase = '', gate = ''] = key.split('/'); return one({ ...names(state), gate, phase, status }) })
}

/** A gate that is looked at in two phases has what it measured in the later one. */
function measurements(state: RunState): Series<'run' | 'experiment' | 'gate'>[] {
  return [...state.gates].flatMap(([key, { measured }]) => measured === undefined ? [] : [{ labels: { ...names(state), gate: key.split('/')[1] ?? '' }, value: measured }])
}

function limits(state: RunState): Series<'run' | 'experiment' | 'gate' | 'bound'>[] {
  return state.experiment.gates.flatMap(({ name, rule: { limit, otherLimit } }) => [limit, ...otherLimit ? [otherLimit] : []].map(({ value, breaksWhen }) => ({
    labels: { ...names(state), gate: name, bound: breaksWhen === 'above' ? 'max' : 'min' }, value,
  })))
}
