import { emptyRun, type RunView } from './run-fold.ts'
import type { Caller, Coverage, Halt, Policies, RunSummary } from './wire.ts'

/** All that the page knows and shows. The views are functions of it; only main.ts changes it. */
export interface State {
  token: string | undefined
  caller: Known<Caller>
  /** Why the last sign-in did not do. */
  signInProblem: string | undefined
  route: Route
  connection: 'connecting' | 'live' | 'lost'
  runs: ReadonlyMap<string, RunSummary>
  runsAreKnown: boolean
  filter: Filter
  run: RunView | undefined
  /** The run of the route is none that the scheduler knows. */
  runIsUnknown: boolean
  coverage: Known<Coverage>
  policies: Known<Policies>
  halt: Known<Halt>
  dialog: Dialog | undefined
  /** For who cannot see what has changed. */
  announcement: string
  problem: string | undefined
  theme: Theme
  /** What may be drawn on, in pixels. */
  width: number
  /** Milliseconds that the scheduler's clock is ahead of this machine's. */
  clockAheadMs: number
}

export type Route = { view: 'runs' | 'coverage' | 'policies' } | { view: 'run'; run: string }
export interface Filter { text: string; verdict: VerdictFilter; page: number }
export const verdictFilters = ['all', 'under way', 'passed', 'failed', 'inconclusive'] as const
export type VerdictFilter = typeof verdictFilters[number]
export type Dialog = { ask: 'abort'; run: string } | { ask: 'halt' } | { ask: 'resume' }
export const themes = ['system', 'light', 'dark'] as const
export type Theme = typeof themes[number]

/** What another part of the scheduler may or may not have: it is asked for, and a 404 says that it is not there. */
export type Known<T> = { is: 'unknown' } | { is: 'absent' } | { is: 'there'; value: T }

export const emptyState: State = {
  token: undefined, caller: { is: 'unknown' }, signInProblem: undefined, route: { view: 'runs' }, connection: 'connecting', runs: new Map(), runsAreKnown: false,
  filter: { text: '', verdict: 'all', page: 0 }, run: undefined, runIsUnknown: false, coverage: { is: 'unknown' }, policies: { is: 'unknown' }, halt: { is: 'unknown' },
  dialog: undefined, announcement: '', problem: undefined, theme: 'system', width: 1_000, clockAheadMs: 0,
}

/** `#/runs/NAME`, `#/coverage`, `#/policies`; anything else is the list of runs. */
export function routeOf(hash: string): Route {
  const [, view, name] = /^#\/(\w+)(?:\/([^/]+))?$/.exec(hash) ?? []
  if (view === 'coverage' || view === 'policies') return { view }
  return view === 'runs' && name !== undefined ? { view: 'run', run: decoded(name) } : { view: 'runs' }
}

export const linkToRun = (run: string): string => `#/runs/${encodeURIComponent(run)}`

function decoded(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name // half an escape is nobody's run
  }
}

/** The state as another view is gone to: what was of the view before is not shown in the next. */
export const gone = (state: State, route: Route): State => ({
  ...state, route, dialog: undefined, problem: undefined, connection: 'connecting', runIsUnknown: false, run: route.view === 'run' ? emptyRun(route.run) : undefined,
})

/** Nothing of what was seen by the token stays. */
export const signedOut = ({ theme, width, route }: State, signInProblem?: string): State => ({ ...emptyState, theme, width, route, signInProblem, run: route.view === 'run' ? emptyRun(route.run) : undefined })
