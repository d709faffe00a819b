import { isOlderEpoch, type Epoch } from '#shared/epoch.ts'
import type { FactData } from '#shared/events.ts'
import { printDuration } from '#shared/units.ts'
import type { LoadSample } from './load-sample.ts'

/**
 * The life of a run's load, with no I/O and no clock of its own. One load at a time.
 *
 *   idle --start--> starting --there: swarm--> starting --swarmed--> ramping --all users--> reached
 *                      |                                                |                     |
 *                      |-----------------------stop---------------------'---------------------'
 *                      |                        '--> stopping --answered, statistics kept, every worker has said "0 users"--> stopped
 *                      '--no sample, ended, saturated, samples lost, users not there in time, halt--> failed
 *
 * `nowMs` is monotonic: only durations are taken of it. Samples count from the moment in which this run's Locust is there.
 */
export interface State {
  highestEpoch: Epoch | undefined
  /** Why no load is begun, while a halt file is there. */
  halted?: string | undefined
  /** Runs that have had their load, or whose stop overtook their start: a start of theirs that comes later does nothing. */
  over: readonly { run: string; was: 'loaded' | 'stopped before its start' }[]
  load: Load
  tickedAtMs: number
}

export type Load = { at: 'idle' } | Underway
type Underway = LoadOfRun & (
  | { at: 'starting'; isThere: boolean; sinceMs: number }
  | { at: 'ramping'; sinceMs: number }
  | { at: 'reached' }
  | { at: 'stopping'; isAnswered: boolean; isKept: boolean; sinceMs: number }
)

interface LoadOfRun {
  run: string
  targetUsers: number
  reachedWithinMs: number
  workers: ReadonlyMap<string, Worker>
  /** Time without any worker at all. */
  nobodyMs: number
  /** Locust answers from a cache for 2 s, so that it is idle means something only after it was seen not to be. */
  wasSeenRunning: boolean
}

interface Worker {
  index: number
  users: number
  quietMs: number
  lateInARow: number
  behindInARow: number
  /** Has said "0 users" after Locust had obeyed the stop: all it has done has arrived. */
  isDrained: boolean
}

export type Input =
  | { is: 'start'; run: string; users: number; reachedWithinMs: number; epoch: Epoch; isTooLate: boolean }
  | { is: 'stop'; run: string }
  | News
  /** `aheadMs`: how much later than now, by the bridge's clock, the sample says that it ended. */
  | { is: 'sample'; sample: LoadSample; aheadMs?: number }
  /** A halt file is there, or is gone. */
  | { is: 'halt'; why: string }
  | { is: 'resume' }
  | { is: 'drain' | 'tick' }

/** An answer to what was asked, or news of Locust. `kept`: its own statistics are stored, or are not to be had. */
type News =
  | { is: 'there' | 'swarmed' | 'stop-answered' | 'kept'; run: string }
  /** The process of Locust ended, or something that had to be done failed. */
  | { is: 'broken'; run: string; why: string }
  | { is: 'polled'; run: string; locust: string }

/** To be done in order. `bring`: have a Locust; `keep`: store its statistics; `end`: end it if it was started for this run. */
export type Effect =
  | { effect: 'accept' | 'refuse'; run: string; why?: string }
  | { effect: 'bring' | 'swarm' | 'ask-stop' | 'keep' | 'end'; run: string }
  | { effect: 'publish'; run: string; sample: LoadSample }
  | { effect: 'announce'; run: string; state: FactData<'load.state'>['state']; users: number; targetUsers: number; detail?: string }

export interface Next { state: State; effects: Effect[] }

/**
 * `quietMs`: a machine that starts ten pods at once, or has much to write to disk, stalls everybody on it for two or three seconds; what was
 * sampled meanwhile comes afterwards, whole. `clockMs`: what is dated further ahead than that was dated by a clock that is wrong, and what no block holds
 * would be judged by no gate. Further behind may also be what a listener has kept while the bridge stood still, which is `behindSamples` at most.
 */
export const patience = { startMs: 25_000, quietMs: 5_000, lateMs: 1_000, lateSamples: 3, stopMs: 8_000, clockMs: 10_000, behindSamples: 150 } as const
/** The bridge's own pause (a busy machine, a suspended one) is not the silence of others. */
const longestTickMs = 200
const rememberedRuns = 1_000

export const initialState: State = { highestEpoch: undefined, over: [], load: { at: 'idle' }, tickedAtMs: 0 }

export function step(state: State, input: Input, nowMs: number): Next {
  const { load } = state
  switch (input.is) {
    case 'start': return start(state, input, nowMs)
    case 'stop': return stop(state, input.run, nowMs)
    case 'tick': return tick({ ...state, tickedAtMs: nowMs }, Math.min(nowMs - state.tickedAtMs, longestTickMs), nowMs)
    case 'halt': return halt({ ...state, halted: input.why }, input.why)
    case 'resume': return nothing({ ...state, halted: undefined })
    case 'drain': return load.at === 'idle' ? nothing(state) : broken(state, load, 'the locust-bridge was stopped')
    case 'sample': return load.at === 'idle' || (load.at === 'starting' && !load.isThere) ? nothing(state) : takeSample(state, load, input)
    case 'there': case 'swarmed': case 'stop-answered': case 'kept': case 'broken': case 'polled':
      return load.at === 'idle' || load.run !== input.run ? nothing(state) : heard(state, load, input, nowMs)
  }
}

function start(state: State, { run, users, reachedWithinMs, epoch, isTooLate }: Input & { is: 'start' }, nowMs: number): Next {
  const { load, highestEpoch } = state
  const refuse = (why: string): Next => ({ state, effects: [{ effect: 'refuse', run, why }] })
  if (load.at !== 'idle' && load.run === run) return { state, effects: [{ effect: 'accept', run }] }
  const past = state.over.find(other => other.run === run)
  if (past) return past.was === 'loaded' ? { state, effects: [{ effect: 'accept', run }] } : refuse('it was stopped before it was started')
  if (state.halted !== undefined) return refuse(state.halted)
  if (isOlderEpoch(epoch, highestEpoch)) return refuse('the command is from an older leader')
  if (isTooLate) return refuse('the command came after its deadline')
  if (load.at !== 'idle') return refuse(`the run ${load.run} has the load generator`)
  const next: Underway = {
    at: 'starting', isThere: false, run, targetUsers: users, reachedWithinMs, sinceMs: nowMs, workers: new Map(), nobodyMs: 0, wasSeenRunning: false,
  }
  return { state: { ...state, highestEpoch: epoch, load: next }, effects: [{ effect: 'accept', run }, announce(next, 'starting'), { effect: 'bring', run }] }
}

function stop(state: State, run: string, nowMs: number): Next {
  const { load } = state
  if (load.at === 'idle' || load.run !== run) {
    if (state.over.some(other => other.run === run)) return nothing(state)
    return nothing({ ...state, over: remember(state, { run, was: 'stopped before its start' }) })
  }
  if (load.at === 'stopping') return nothing(state)
  const stopping: Underway = { ...load, at: 'stopping', isAnswered: false, isKept: false, sinceMs: nowMs }
  if (load.at === 'starting' && !load.isThere) return finish(state, stopping, 'stopped')
  return { state: { ...state, load: stopping }, effects: [announce(stopping, 'stopping'), { effect: 'ask-stop', run }] }
}

/** At once: Locust is ended rather than asked to end, and nothing is waited for that would have to be stored. */
function halt(state: State, why: string): Next {
  return state.load.at === 'idle' ? nothing(state) : broken(state, state.load, why)
}

/** News that are no longer waited for change nothing. */
function heard(state: State, load: Underway, input: News, nowMs: number): Next {
  switch (input.is) {
    case 'there':
      if (load.at !== 'starting') return nothing(state)
      return { state: { ...state, load: { ...load, isThere: true } }, effects: [{ effect: 'swarm', run: load.run }] }
    case 'swarmed': {
      if (load.at !== 'starting') return nothing(state)
      const ramping: Underway = { ...load, at: 'ramping', sinceMs: nowMs, workers: mapWorkers(load, worker => ({ ...worker, quietMs: 0 })) }
      const next = reachedYet(state, ramping)
      return { state: next.state, effects: [announce(ramping, 'ramping'), ...next.effects] }
    }
    case 'stop-answered':
      if (load.at !== 'stopping') return nothing(state)
      return { state: { ...state, load: { ...load, isAnswered: true } }, effects: [{ effect: 'keep', run: load.run }] }
    case 'kept': {
      if (load.at !== 'stopping') return nothing(state)
      const kept: Underway = { ...load, isKept: true }
      return stoppedYet({ ...state, load: kept }, kept)
    }
    case 'polled': {
      if (load.at !== 'ramping' && load.at !== 'reached') return nothing(state)
      const isRunning = input.locust === 'spawning' || input.locust === 'running'
      if (!isRunning && load.wasSeenRunning) return broken(state, load, `Locust was stopped by somebody else: it says "${input.locust}"`)
      return nothing({ ...state, load: { ...load, wasSeenRunning: load.wasSeenRunning || isRunning } })
    }
    case 'broken': return broken(state, load, input.why)
  }
}

function takeSample(state: State, load: Underway, { sample, aheadMs = 0 }: Input & { is: 'sample' }): Next {
  const before = load.workers.get(sample.worker)
  if (before && sample.index <= before.index) return nothing(state) // a retry whose first try has arrived
  const worker: Worker = {
    index: sample.index,
    users: sample.users,
    quietMs: 0,
    lateInARow: sample.lateMs > patience.lateMs ? (before?.lateInARow ?? 0) + 1 : 0,
    behindInARow: aheadMs < -patience.clockMs ? (before?.behindInARow ?? 0) + 1 : 0,
    isDrained: load.at === 'stopping' && load.isAnswered && sample.users === 0,
  }
  const heardOf: Underway = { ...load, workers: new Map(load.workers).set(sample.worker, worker), nobodyMs: 0 }
  const next = judgeSample({ ...state, load: heardOf }, heardOf, { sample, aheadMs, before, worker })
  return { state: next.state, effects: [{ effect: 'publish', run: load.run, sample }, ...next.effects] }
}

interface Heard { sample: LoadSample; aheadMs: number; before: Worker | undefined; worker: Worker }
function judgeSample(state: State, load: Underway, { sample, aheadMs, before, worker }: Heard): Next {
  if (load.at === 'stopping') return stoppedYet(state, load)
  if (load.at === 'starting') return nothing(state)
  const lost = before === undefined ? 0 : Math.max(sample.index - before.index - 1, sample.dropped)
  if (lost > 0) return broken(state, load, `${lost} load samples of ${sample.worker} were lost, so its counts are not exact`)
  if (aheadMs > patience.clockMs || worker.behindInARow > patience.behindSamples) {
    return broken(state, load, `the clock of ${sample.worker} is ${printDuration(Math.round(Math.abs(aheadMs)))} ${aheadMs > 0 ? 'ahead of' : 'behind'} the locust-bridge's, so the gates would not see its samples; set both by the same time server (NTP)`)
  }
  if (worker.lateInARow >= patience.lateSamples) {
    return broken(state, load, `the load generator is saturated: ${sample.worker} was more than ${printDuration(patience.lateMs)} late ${patience.lateSamples} times in a row; give it more CPU, or fewer users`)
  }
  return load.at === 'ramping' ? reachedYet(state, load) : nothing(state)
}

function stoppedYet(state: State, load: Underway & { at: 'stopping' }): Next {
  const isDrained = load.workers.size > 0 && [...load.workers.values()].every(worker => worker.isDrained)
  return load.isKept && isDrained ? finish(state, load, 'stopped') : nothing(state)
}

function reachedYet(state: State, load: Underway): Next {
  if (usersOf(load) < load.targetUsers) return nothing({ ...state, load })
  const reached: Underway = { ...load, at: 'reached' }
  return { state: { ...state, load: reached }, effects: [announce(reached, 'reached')] }
}

function tick(state: State, elapsedMs: number, nowMs: number): Next {
  const { load } = state
  if (load.at === 'idle') return nothing(state)
  if (load.at === 'starting') return nowMs - load.sinceMs > patience.startMs ? broken(state, load, `Locust was not ready within ${printDuration(patience.startMs)}`) : nothing(state)
  if (load.at === 'stopping') return nowMs - load.sinceMs > patience.stopMs ? broken(state, load, 'its last samples did not come') : nothing(state)
  const workers = mapWorkers(load, worker => ({ ...worker, quietMs: worker.quietMs + elapsedMs }))
  const next: Underway = { ...load, workers, nobodyMs: workers.size === 0 ? load.nobodyMs + elapsedMs : 0 }
  const quiet = [...workers].find(([, { quietMs }]) => quietMs > patience.quietMs)?.[0]
  if (quiet !== undefined) return broken(state, next, `no load sample came from ${quiet} for ${printDuration(patience.quietMs)}`)
  if (next.nobodyMs > patience.quietMs) {
    return broken(state, next, `no load sample came for ${printDuration(patience.quietMs)}; the locustfile must import faultline_listeners (k8s/locust/README.md)`)
  }
  if (next.at === 'ramping' && nowMs - next.sinceMs > next.reachedWithinMs) {
    return broken(state, next, `${usersOf(next)} of ${next.targetUsers} users were there after ${printDuration(next.reachedWithinMs)}`)
  }
  return nothing({ ...state, load: next })
}

/** What breaks a load that is being stopped anyway is told, and fails nothing: the run's gates have been judged. */
function broken(state: State, load: Underway, why: string): Next {
  return finish(state, load, load.at === 'stopping' ? 'stopped' : 'failed', why)
}

function finish(state: State, load: Underway, how: 'stopped' | 'failed', detail?: string): Next {
  return {
    state: { ...state, load: { at: 'idle' }, over: remember(state, { run: load.run, was: 'loaded' }) },
    effects: [announce(load, how, detail), { effect: 'end', run: load.run }],
  }
}

const nothing = (state: State): Next => ({ state, effects: [] })

const announce = (load: Underway, state: FactData<'load.state'>['state'], detail?: string): Effect =>
  ({ effect: 'announce', run: load.run, state, users: usersOf(load), targetUsers: load.targetUsers, ...(detail !== undefined && { detail }) })

const usersOf = ({ workers }: LoadOfRun): number => [...workers.values()].reduce((sum, { users }) => sum + users, 0)

const mapWorkers = ({ workers }: LoadOfRun, change: (worker: Worker) => Worker): ReadonlyMap<string, Worker> =>
  new Map([...workers].map(([name, worker]) => [name, change(worker)]))

const remember = ({ over }: State, past: State['over'][number]) => [...over, past].slice(-rememberedRuns)
