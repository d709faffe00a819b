import type { FactData } from '#shared/events.ts'
import { paceOf, withSpending, type Remaining, type Spending } from '#shared/policy-budget.ts'
import { whyClosed } from '#shared/policy-calendar.ts'
import { chooseTemplate, type Tick } from '#shared/policy-plan.ts'
import { areSame, printServiceKey, type ServiceKey } from '#shared/policy-services.ts'
import type { Policy, Template } from '#shared/policy.ts'
import { printDuration } from '#shared/units.ts'

/**
 * The life of a policy, with no I/O and no clock of its own: `fold` takes what has happened, `decide` says what to do now.
 *
 *   each tick, in order:   due -> waits -> run        (policy.ticked: run)
 *                           |       '--too long, the window closes, paused--> skipped
 *                           '--older than the grace as it is first seen--> missed
 *   each run:              begun -> judged -> settled (policy.settled: what it spent)
 *   the policy:            active --a verdict of pauseOn--> paused --resume--> active
 *
 * Waiting is on no record: whoever leads next counts what it finds too old as missed, so that nothing piles up while nobody was there.
 */
export interface PolicyState {
  name: string
  policy: Policy
  /** As written. */
  document: unknown
  by: string
  /** Ticks up to here are decided. */
  cursorMs: number
  paused?: Pause
  runs: ReadonlyMap<string, PolicyRun>
  lastEndMs?: number
  spendings: readonly Spending[]
  /** The newest last. */
  recent: readonly Recent[]
  /** When all that is above was last written down as one: facts are kept for days, policies for months. */
  writtenAtMs: number
}

export interface Pause { why: string; run?: string | undefined; atMs: number }
/** Begun and not settled yet. `remaining`: of each SLO's budget as it began. `hasPaused`: the policy has paused because of it. */
export interface PolicyRun { template: string; atMs: number; remaining: Readonly<Record<string, number>>; hasPaused?: true | undefined }
export interface Recent { atMs: number; experiment: string; run: string | null; outcome: string }
export type Verdict = FactData<'policy.settled'>['verdict']
export type SkipReason = 'window' | 'freeze' | 'cooldown' | 'concurrency' | 'exclusion' | 'load' | 'budget' | 'paused' | 'halted' | 'missed' | 'refused'

/** All that a decision looks at beside the state. */
export interface World {
  halted: boolean
  /** Since when somebody has looked at the policy without a break: what was due long before that was missed. */
  watchedSinceMs: number
  /** Ticks after the cursor, up to now. */
  ticks: readonly Tick[]
  /** Services that other runs under way are on, whoever began them. */
  busy: readonly { run: string; services: readonly ServiceKey[] }[]
  /** The run that has the load generator. */
  loadBusy: string | undefined
  /** Runs of the policy that are over; undefined: it goes on. */
  endOf(run: string): { verdict: Verdict; atMs: number } | undefined
  /** Whether there is such a run: whoever began it may have been gone before that was told. */
  isBegun(run: string): boolean
  /** By SLO. Undefined: nobody has asked yet. */
  remaining: { atMs: number; bySlo: ReadonlyMap<string, Remaining> } | undefined
  /** What is preferred by coverage is above 1. */
  preference?: ((template: Template) => number) | undefined
}

/** What to do now. `key` names the deed: the same key is not begun again while it is under way. */
export type PolicyEffect = { key: string } & (
  | { effect: 'ask-remaining' }
  | { effect: 'begin'; tick: Tick; template: Template; run: string; remaining: Record<string, number> }
  | { effect: 'skip'; atMs: number; template: Template; reason: SkipReason; why: string }
  | { effect: 'miss'; fromMs: number; toMs: number; count: number }
  | { effect: 'settle'; run: string; verdict: Verdict; since: Readonly<Record<string, number>>; costs: Readonly<Record<string, number>> }
  | { effect: 'pause'; why: string; run: string }
  | { effect: 'write-down' }
)

/** A tick that is this old when it is first seen was missed. Longer than a change of leaders takes. */
export const graceMs = 30_000
/** What is left of a budget is asked again when the answer is older. */
export const answerFreshMs = 10_000
const keptRecent = 50
const dayMs = 86_400_000

/** Names the run of a tick, so that it is begun once, however often it is asked for. */
export const runOfTick = (policy: string, template: string, atMs: number): string => `${policy}-${template}-${new Date(atMs).toISOString().replace(/[-:Z]/g, '').replace(/[T.]/g, '-')}`

export function newPolicy(policy: Policy, { policy: document, by, atMs, kept }: FactData<'policy.set'>): PolicyState {
  const before = kept && { ...kept, runs: new Map(Object.entries(kept.runs)) }
  return {
    name: policy.name, policy, document, by, cursorMs: before?.cursorMs ?? atMs, runs: before?.runs ?? new Map(), spendings: before?.spendings ?? [], recent: [], writtenAtMs: atMs,
    ...(before?.paused && { paused: before.paused }), ...(before?.lastEndMs !== undefined && { lastEndMs: before.lastEndMs }),
  }
}

/** The policy is written anew: what it has done, spent and learned stays. What a new plan has in the past is not done. */
export function replacePolicy(state: PolicyState, policy: Policy, { policy: document, by, atMs, kept }: FactData<'policy.set'>): PolicyState {
  if (kept) return { ...state, writtenAtMs: atMs } // its own record
  return { ...state, policy, document, by, cursorMs: Math.max(state.cursorMs, atMs), writtenAtMs: atMs }
}

/** What would be forgotten with the facts, in the shape of policy.set. */
export function keptOf({ cursorMs, paused, runs, lastEndMs, spendings }: PolicyState): NonNullable<FactData<'policy.set'>['kept']> {
  const plain = [...runs].map(([run, known]) => [run, { ...known, remaining: { ...known.remaining } }] as const)
  return { cursorMs, runs: Object.fromEntries(plain), spendings: [...spendings], ...(paused && { paused }), ...(lastEndMs !== undefined && { lastEndMs }) }
}

export type PolicyFact = { [K in 'policy.ticked' | 'policy.missed' | 'policy.settled' | 'policy.paused' | 'policy.resumed']: { kind: K; data: FactData<K> } }[
  'policy.ticked' | 'policy.missed' | 'policy.settled' | 'policy.paused' | 'policy.resumed']

/** Pure. A fact that comes twice changes nothing the second time. */
export function fold(state: PolicyState, { kind, data }: PolicyFact): PolicyState {
  switch (kind) {
    case 'policy.ticked': {
      const { atMs, experiment, template, run, reason } = data
      if (atMs <= state.cursorMs) return state
      const recent = [...state.recent.slice(1 - keptRecent), { atMs, experiment, run: run ?? null, outcome: data.outcome === 'run' ? 'running' : `skipped: ${reason ?? ''}` }]
      const runs = run === undefined ? state.runs : new Map([...state.runs, [run, { template, atMs, remaining: data.remaining ?? {} }]])
      return { ...state, cursorMs: atMs, recent, runs }
    }
    case 'policy.missed': return { ...state, cursorMs: Math.max(state.cursorMs, data.toMs) }
    case 'policy.settled': {
      const { run, verdict, endedAtMs, spent } = data
      if (!state.runs.has(run)) return state
      const runs = new Map(state.runs)
      runs.delete(run)
      const keptMs = Math.max(0, ...state.policy.budgets.map(({ periodMs }) => periodMs))
      return {
        ...state, runs, lastEndMs: Math.max(state.lastEndMs ?? 0, endedAtMs),
        spendings: spent.reduce((sum, { slo, ratio }) => withSpending(sum, slo, ratio, endedAtMs, keptMs), [...state.spendings]),
        recent: state.recent.map(known => known.run === run ? { ...known, outcome: verdict } : known),
      }
    }
    case 'policy.paused': {
      const cause = data.run === undefined ? undefined : state.runs.get(data.run)
      return {
        ...state, paused: state.paused ?? { why: data.why, run: data.run, atMs: data.atMs },
        ...(cause && data.run !== undefined && { runs: new Map([...state.runs, [data.run, { ...cause, hasPaused: true as const }]]) }),
      }
    }
    case 'policy.resumed': {
      const { paused: _, ...rest } = state
      return rest
    }
  }
}

/** Pure. Of the ticks the first alone is decided: what comes of it decides the next. */
export function decide(state: PolicyState, world: World, nowMs: number): PolicyEffect[] {
  const runs = endedRuns(state, world)
  const ofRuns = decideRuns(state, runs, nowMs)
  const pauses = ofRuns.some(({ effect }) => effect === 'pause') // nothing is begun on the way there
  return [...ofRuns, ...pauses ? [] : decideTick(state, runs, world, nowMs).effects, ...nowMs >= state.writtenAtMs + dayMs ? [{ key: 'write-down', effect: 'write-down' } as const] : []]
}

/** How it stands, for people. Pure. */
export function standing(state: PolicyState, world: World, nowMs: number): { state: 'active' | 'paused' | 'halted' | 'waiting'; reason: string | null } {
  if (state.paused) return { state: 'paused', reason: state.paused.why }
  if (world.halted) return { state: 'halted', reason: halted }
  const { waits } = decideTick(state, endedRuns(state, world), world, nowMs)
  return waits === undefined ? { state: 'active', reason: null } : { state: 'waiting', reason: waits }
}

const endedRuns = (state: PolicyState, world: World): Map<string, Ended> => new Map([...state.runs].map(([run, known]) => [run, { ...known, ended: world.endOf(run) }]))

type Ended = PolicyRun & { ended: ReturnType<World['endOf']> }

function decideRuns(state: PolicyState, runs: ReadonlyMap<string, Ended>, nowMs: number): PolicyEffect[] {
  const { pauseOn, budgets } = state.policy
  const settleMs = Math.max(0, ...budgets.map(budget => budget.settleMs))
  return [...runs].flatMap(([run, { ended, remaining, template, hasPaused }]): PolicyEffect[] => {
    if (!ended) return []
    const pauses = pauseOn.some(verdict => verdict === ended.verdict) && !state.paused && !hasPaused
    const costs = Object.fromEntries(budgets.map(budget => [budget.slo, paceOf(budget, 0, state.spendings, 0, nowMs).costRatio]))
    return [
      // the pause first: once the run is settled, nobody looks at its verdict again
      ...pauses ? [{ key: `pause ${run}`, effect: 'pause', run, why: `${run} (${template}) was ${ended.verdict}` } as const] : [],
      ...!pauses && nowMs >= ended.atMs + settleMs ? [{ key: `settle ${run}`, effect: 'settle', run, verdict: ended.verdict, since: remaining, costs } as const] : [],
    ]
  })
}

/** `waits`: why it may not begin yet. */
interface Decided { effects: PolicyEffect[]; waits?: string }
const now = (effect: PolicyEffect): Decided => ({ effects: [effect] })

function decideTick(state: PolicyState, runs: ReadonlyMap<string, Ended>, world: World, nowMs: number): Decided {
  const { policy } = state
  const due = world.ticks.filter(({ atMs }) => atMs > state.cursorMs && atMs <= nowMs)
  const [tick] = due
  if (!tick) return { effects: [] }
  const begun = policy.templates.find(({ name }) => world.isBegun(runOfTick(policy.name, name, tick.atMs)))
  if (begun) return now({ key: `tick ${tick.atMs}`, effect: 'begin', tick, template: begun, run: runOfTick(policy.name, begun.name, tick.atMs), remaining: {} })
  const missed = due.filter(({ atMs }) => atMs < world.watchedSinceMs - graceMs)
  const lastMissed = missed.at(-1)
  if (lastMissed) return now({ key: `tick ${tick.atMs}`, effect: 'miss', fromMs: tick.atMs, toMs: lastMissed.atMs, count: missed.length })

  const template = chooseTemplate(policy.templates, tick.choice, policy.prefersCoverage ? world.preference : undefined)
  const run = runOfTick(policy.name, template.name, tick.atMs)
  const skip = (reason: SkipReason, why: string) => now({ key: `tick ${tick.atMs}`, effect: 'skip', atMs: tick.atMs, template, reason, why })
  const closed = whyClosed(policy.calendar, nowMs, template.lengthMs)
  if (state.paused) return skip('paused', state.paused.why)
  if (world.halted) return skip('halted', halted)
  if (closed) return skip(closed.reason, closed.why)

  const wait = whyNotYet(policy, template, state, runs, world, nowMs)
  if (wait) return nowMs - tick.atMs > policy.waitMs ? skip(wait.reason, `${wait.why}, for ${printDuration(policy.waitMs)}`) : { effects: [], waits: wait.why }

  const asked = world.remaining
  if (policy.budgets.length > 0 && (!asked || nowMs - asked.atMs > answerFreshMs)) return now({ key: 'ask-remaining', effect: 'ask-remaining' })
  const remaining: Record<string, number> = {}
  for (const budget of policy.budgets) {
    const known = asked?.bySlo.get(budget.slo) ?? { is: 'unknown', why: 'nobody has asked' }
    if (known.is === 'unknown') return skip('budget', `the error budget of ${budget.slo} cannot be read: ${known.why}`)
    const { pace, leftRatio, costRatio, fits } = paceOf(budget, known.ratio, state.spendings, runs.size, nowMs)
    if (!fits) return skip('budget', `${budget.slo}: chaos may spend ${percent(leftRatio)} more of the error budget, and a run may cost ${percent(costRatio)}`)
    if (tick.pacing >= pace) return skip('budget', `${budget.slo}: of ten ticks ${(pace * 10).toFixed(1)} run while ${percent(known.ratio)} of the error budget is left`)
    remaining[budget.slo] = known.ratio
  }
  return now({ key: `tick ${tick.atMs}`, effect: 'begin', tick, template, run, remaining })
}

/** What a tick waits for. */
function whyNotYet({ cooldownMs, concurrency }: Policy, template: Template, state: PolicyState, runs: ReadonlyMap<string, Ended>, world: World, nowMs: number): { reason: SkipReason; why: string } | undefined {
  const underWay = [...runs].filter(([, { ended }]) => !ended)
  if (underWay.length >= concurrency) return { reason: 'concurrency', why: `${underWay.map(([run]) => run).join(', ')} ${underWay.length === 1 ? 'is' : 'are'} under way` }
  const lastEndMs = Math.max(state.lastEndMs ?? -Infinity, ...[...runs.values()].flatMap(({ ended }) => ended ? [ended.atMs] : []))
  if (nowMs < lastEndMs + cooldownMs) return { reason: 'cooldown', why: `the last run ended less than ${printDuration(cooldownMs)} ago` }
  for (const { run, services } of world.busy) {
    const shared = template.services.find(service => services.some(other => areSame(service, other)))
    if (shared) return { reason: 'exclusion', why: `${run} is on ${printServiceKey(shared)}` }
  }
  if (template.experiment.load && world.loadBusy !== undefined) return { reason: 'load', why: `${world.loadBusy} has the load generator` }
  return undefined
}

const halted = 'everything is halted'
const percent = (ratio: number): string => `${Number((ratio * 100).toPrecision(3))} %`
