import type { FactData, StoredFact } from '#shared/events.ts'
import type { Experiment } from '#shared/experiment.ts'
import { greatestOf, leastOf } from '#shared/extremes.ts'
import type { ProbeFigures, ProbeSpec } from '#shared/probe.ts'
import { isNode } from '#shared/target.ts'
import { longestHole, watchedOf, type Span } from '#shared/probe-watched.ts'

/**
 * What the probers of a run have seen, as a fold over its facts, and the figures out of it.
 *
 * A slot's date is the start of its attempt, by the clock of its prober's node. Lengths of time are taken within one prober alone; the date of an
 * injection, which is another clock's, only chooses the slots that count.
 */
export interface ProbesState {
  /** Under `source probe`: a prober that is started again is another one. */
  views: ReadonlyMap<string, ProbeView>
  /** Nodes that are themselves the target of a fault: what is seen from there says nothing about the others. */
  faultedNodes: ReadonlySet<string>
  /** The probing is over, at this date. */
  endMs?: number
}

/** One probe as one prober sees it. */
export interface ProbeView {
  probe: string
  node: string
  /** It was opened then. */
  startMs: number
  attempts: number
  failures: number
  /** When it looked, without holes. */
  watched: readonly Span[]
  lastMs: number
  /** Slots in a row that failed: the first of them, and the next good one. The last has none while it goes on. */
  failed: readonly { firstMs: number; okMs?: number }[]
  ledger?: FactData<'probe.ledger'>
  closed: boolean
}

export const emptyProbes: ProbesState = { views: new Map(), faultedNodes: new Set() }

export function foldProbes(state: ProbesState, stored: StoredFact): ProbesState {
  const { source } = stored.fact
  switch (stored.kind) {
    case 'probe.opened': {
      const { node, probes, atMs } = stored.fact.data
      const opened = probes.map((probe): [string, ProbeView] => [`${source} ${probe}`, { probe, node, startMs: atMs, attempts: 0, failures: 0, watched: [], lastMs: 0, failed: [], closed: false }])
      return { ...state, views: new Map([...opened, ...state.views]) }
    }
    case 'probe.samples': return change(state, `${source} ${stored.fact.data.probe}`, stored.fact.data.slots.length, view => seen(view, stored.fact.data))
    case 'probe.ledger': return change(state, `${source} ${stored.fact.data.probe}`, 1, view => ({ ...view, ledger: stored.fact.data }))
    case 'probe.closed': return { ...state, views: new Map([...state.views].map(([key, view]) => [key, key.startsWith(`${source} `) ? { ...view, closed: true } : view])) }
    case 'fault.injected': {
      const nodes = faultedNodesOf(stored.fact.data)
      return nodes.length === 0 ? state : { ...state, faultedNodes: new Set([...state.faultedNodes, ...nodes]) }
    }
    case 'run.phase': return stored.fact.data.phase === 'verify' ? { ...state, endMs: state.endMs ?? stored.fact.data.atMs } : state
    default: return state
  }
}

/** The nodes that a fault was done to; those of a fault on pods or processes are none. */
export function faultedNodesOf({ targets }: Pick<FactData<'fault.injected'>, 'targets'>): string[] {
  return targets.flatMap(target => isNode(target) ? [target.node.name] : [])
}

function change(state: ProbesState, key: string, size: number, by: (view: ProbeView) => ProbeView): ProbesState {
  const view = state.views.get(key)
  return view && size > 0 ? { ...state, views: new Map(state.views).set(key, by(view)) } : state
}

function seen(view: ProbeView, { slots }: FactData<'probe.samples'>): ProbeView {
  const failed = [...view.failed]
  let failures = 0
  for (const [atMs, , outcome] of slots) {
    const last = failed.at(-1)
    const goesOn = last !== undefined && last.okMs === undefined
    if (outcome === 'ok' && goesOn) failed[failed.length - 1] = { ...last, okMs: atMs }
    if (outcome !== 'ok' && !goesOn) failed.push({ firstMs: atMs })
    if (outcome !== 'ok') failures += 1
  }
  const dates = slots.map(([atMs]) => atMs)
  return {
    ...view, attempts: view.attempts + slots.length, failures: view.failures + failures, failed,
    watched: watchedOf(view.watched, dates), lastMs: Math.max(view.lastMs, greatestOf(dates)),
  }
}

/** A time in which the probe was not steady: from a failed slot until no slot failed for `stableMs`. */
export interface Outage { startMs: number; endMs: number; over: boolean }

/** Of the slots from `sinceMs` on. `over: false`: the probe was not steady again when it was last attempted. */
export function outagesOf({ failed, lastMs }: ProbeView, sinceMs: number, stableMs: number): Outage[] {
  const outages: Outage[] = []
  for (const { firstMs, okMs = Infinity } of failed) {
    if (okMs <= sinceMs) continue
    const startMs = Math.max(firstMs, sinceMs)
    const last = outages.at(-1)
    if (last && startMs - last.endMs < stableMs) last.endMs = okMs
    else outages.push({ startMs, endMs: okMs, over: true })
  }
  return outages.map(({ startMs, endMs }) => ({ startMs, endMs: Math.min(endMs, Math.max(lastMs, startMs)), over: lastMs - endMs >= stableMs }))
}

export interface ViewFigures {
  recoveryTimeMs: number
  steady: boolean
  /** Longest time without a good slot. */
  longestOutageMs: number
  /** Date of the first failed slot. */
  firstFailedMs: number | null
  /** Ages of the oldest and of the newest acknowledged write that is missing, at the next failed slot; null when none is. */
  oldestLostAgeMs: number | null
  newestLostAgeMs: number | null
}

export function viewFigures(view: ProbeView, sinceMs: number, stableMs: number): ViewFigures {
  const outages = outagesOf(view, sinceMs, stableMs)
  const bare = outagesOf(view, sinceMs, 0)
  const ageOf = (writtenMs: number | undefined) => {
    if (writtenMs === undefined) return null
    const failedMs = view.failed.find(({ firstMs, okMs = Infinity }) => firstMs >= writtenMs || okMs > writtenMs)
    return Math.max(0, (failedMs ? Math.max(failedMs.firstMs, writtenMs) : view.lastMs) - writtenMs)
  }
  return {
    recoveryTimeMs: longest(outages), steady: outages.every(({ over }) => over), longestOutageMs: longest(bare),
    firstFailedMs: outages[0]?.startMs ?? null,
    oldestLostAgeMs: ageOf(view.ledger?.oldestMissingAtMs), newestLostAgeMs: ageOf(view.ledger?.newestMissingAtMs),
  }
}

const longest = (outages: readonly Outage[]) => Math.max(0, greatestOf(outages.map(({ startMs, endMs }) => endMs - startMs)))

export const viewsOf = ({ views }: ProbesState, probe: string): ProbeView[] => [...views.values()].filter(view => view.probe === probe)
export const counts = ({ faultedNodes }: ProbesState, { node }: ProbeView): boolean => !faultedNodes.has(node)

/** What a gate on the probe is held against: the worst of all probers that count. */
export function probeFigures(state: ProbesState, spec: ProbeSpec, { recovery: { stableMs } }: Pick<Experiment, 'recovery'>, firstInjectedMs: number | undefined): ProbeFigures {
  const views = viewsOf(state, spec.name).filter(view => counts(state, view))
  const figures = views.filter(({ attempts }) => attempts > 0).map(view => viewFigures(view, firstInjectedMs ?? -Infinity, stableMs))
  const ledgers = views.flatMap(({ ledger }) => ledger ?? [])
  const unseen = views.filter(({ ledger }) => !ledger).map(({ node }) => node)
  const unread = sum(ledgers.map(ledger => ledger.unread))
  const blind = blindness(state, views, spec, firstInjectedMs)
  const ledgerBlind = unseen.length > 0 ? `the ledger of the prober on ${[...new Set(unseen)].sort().join(', ')} never came`
    : unread > 0 ? `${unread} acknowledged writes could not be looked for` : undefined
  return {
    attempts: sum(views.map(({ attempts }) => attempts)),
    failures: sum(views.map(({ failures }) => failures)),
    recoveryTimeMs: Math.max(0, ...figures.map(({ recoveryTimeMs }) => recoveryTimeMs)),
    steady: figures.every(({ steady }) => steady),
    ...(ledgers.length > 0 && { ledger: { acknowledged: sum(ledgers.map(({ acknowledged }) => acknowledged)), missing: sum(ledgers.map(({ missing }) => missing)), unread } }),
    rpoMs: Math.max(0, ...figures.map(({ oldestLostAgeMs }) => oldestLostAgeMs ?? 0)),
    ...(blind !== undefined && { blind }),
    ...(!spec.keepsLedger ? { ledgerBlind: 'the probe keeps no ledger' } : ledgers.length === 0 ? { ledgerBlind: 'no ledger came' } : ledgerBlind !== undefined && { ledgerBlind }),
  }
}

function blindness({ endMs }: ProbesState, views: readonly ProbeView[], { name, intervalMs }: ProbeSpec, firstInjectedMs: number | undefined): string | undefined {
  if (views.length === 0) return `no prober that counts has watched ${name}`
  if (endMs === undefined) return 'the probing did not come to its end'
  const spans = views.flatMap(({ watched }) => watched)
  const startMs = firstInjectedMs ?? leastOf(spans.map(span => span.startMs))
  const hole = longestHole(spans, { startMs, endMs }, intervalMs)
  return hole && `no prober that counts watched ${name} for ${hole.endMs - hole.startMs} ms`
}

export type ProbeRecovery = { is: 'watching' | 'missed' | 'unseen' } | { is: 'met'; afterMs: number }

/** Silent for this much longer than another: it is gone, and nobody waits for it. */
const goneAfterMs = 5_000

/** Whether the probe has been steady again, for every prober that counts, from `withinMs` after the last fault's end at the latest. */
export function probeRecoveryOf(state: ProbesState, probe: string, lastEndedMs: number, { withinMs, stableMs }: Experiment['recovery']): ProbeRecovery {
  const all = viewsOf(state, probe).filter(view => counts(state, view) && view.attempts > 0)
  const newestMs = Math.max(0, ...all.map(({ lastMs }) => lastMs))
  const views = all.filter(({ lastMs }) => lastMs > newestMs - goneAfterMs)
  if (views.length === 0) return { is: 'unseen' }
  const each = views.map((view): ProbeRecovery => {
    const last = view.failed.at(-1)
    const sinceMs = Math.max(lastEndedMs, last ? last.okMs ?? Infinity : 0)
    if (Math.min(sinceMs, view.lastMs) - lastEndedMs > withinMs) return { is: 'missed' }
    return view.lastMs - sinceMs >= stableMs ? { is: 'met', afterMs: sinceMs - lastEndedMs } : { is: 'watching' }
  })
  const missed = each.find(({ is }) => is === 'missed') ?? each.find(({ is }) => is === 'watching')
  return missed ?? { is: 'met', afterMs: Math.max(...each.map(recovery => recovery.is === 'met' ? recovery.afterMs : 0)) }
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)
