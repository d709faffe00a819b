import { randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { Bus, Subscription } from '#shared/bus.ts'
import { clockId, type Clock } from '#shared/clock.ts'
import type { Coverage } from '#shared/coverage.ts'
import { experimentHashOf } from '#shared/decision-record.ts'
import type { Epoch } from '#shared/epoch.ts'
import { FaultlineError, messageOf } from '#shared/errors.ts'
import type { FactType, StoredFact } from '#shared/events.ts'
import { experimentSchema } from '#shared/experiment.ts'
import type { FaultPreview } from '#shared/fault-preview.ts'
import { nothingHalts, type FindHalt } from '#shared/halt-file.ts'
import { runFields } from '#shared/log.ts'
import type { TestedService } from '#shared/tested-service.ts'
import { begin, broadcasting, decide, fold, renewing, type Effect, type RunState } from './core.ts'
import { watchCoverage } from './coverage.ts'
import { faultOrders } from './fault-orders.ts'
import { printHalt, type Halt } from './halt.ts'
import { holdLever, type Turn } from './halt-lever.ts'
import { hearAgents } from './known-agents.ts'
import type { Leadership } from './leadership.ts'
import { inOwnTime } from './own-time.ts'
import { previewExperiment } from './preview.ts'
import { showRuns } from './run-metrics.ts'
import { recordServices } from './run-services.ts'

/** Another run has the load generator; there is one. */
export class LoadBusy extends FaultlineError {
  readonly code = 'load_busy'
}

/** Everything is stopped; the message says by whom and why. */
export class Halted extends FaultlineError {
  readonly code = 'halted'
}

/** Another scheduler leads; the message says which. */
export class NotLeading extends FaultlineError {
  readonly code = 'not_leading'
}

export interface Scheduler {
  /**
   * Stores the run; it goes on by itself. With a name of its own (`newRunName`) it may be asked for again, and is stored once.
   * Throws zod's error for a document that is not an experiment, Halted, LoadBusy, NotLeading.
   */
  submit(document: unknown, options?: SubmitOptions): Promise<string>
  /** What a run of it would do now, as the agents say. Changes nothing. Throws zod's error for a document that is not an experiment. */
  preview(document: unknown): Promise<FaultPreview[]>
  /** Reverts and ends; true when there was such a run under way. Repeatable. Throws NotLeading. */
  abort(run: string, by: string): Promise<boolean>
  readonly halt: {
    state(): Halt
    /** Aborts every run; repeatable. Resolves once it is stored. Throws NotLeading. */
    set(by: string, why: string): Promise<Halt>
    release(by: string): Promise<Halt>
  }
  readonly leadership: Leadership
  runs(): RunState[]
  /** The run, as soon as its facts are here; undefined when they are not within that time. */
  arrival(run: string, withinMs: number): Promise<RunState | undefined>
  /** Every fact that it folds from now on, with what the run has become by it. */
  onFact(listener: FactListener): Subscription
  /** Services x kinds of faults with the last verdict of each. `staleAfterMs`: how old one may be; seven days when left out. */
  coverage(staleAfterMs?: number): Coverage
  ready(): boolean
  stop(): Promise<void>
}

/** `services`: what is tested, for where nobody can find out. */
export interface SubmitOptions { file?: string | undefined; run?: string | undefined; services?: TestedService[] | undefined }

export type FactListener = (stored: StoredFact, state: RunState) => void

export interface SchedulerOptions {
  bus: Bus
  clock: Clock
  log: Logger
  /** All schedulers fold the same facts; the one that leads acts on them. */
  leadership: Leadership
  /** What stops it beside the facts: a file, or what lies in Kubernetes. */
  findHalt?: FindHalt
  metrics: Registry
}

/** The facts a scheduler folds: all but the many that only judge. */
const followed: FactType[] = [
  'halt.set', 'halt.released',
  'run.submitted', 'run.services', 'run.phase', 'run.aborting', 'run.sealed', 'run.judged',
  'fault.ordered', 'fault.injected', 'fault.reverted', 'fault.refused', 'fault.lapsed', 'load.state', 'gate.status', 'gate.closed',
  'probe.opened', 'probe.refused', 'probe.state', 'probe.closed',
]
/** Name of the agent that may use the Kubernetes API; there is one. */
const apiSideAgent = 'cluster'
const tickMs = 100
const arrivalMs = 10_000

/**
 * Starts the scheduler: what comes in, what it does about it, `stop`. Runs that were under way in the stream go on, once it leads.
 *
 *   a fact --> take: fold it --.
 *   every 100 ms --------------+--> act on the run: heartbeat, abort, and what core.ts decides --> undertake, once at a time --> perform --> facts, commands
 *   the lever is turned -------'
 */
export async function startScheduler({ bus, clock, log, leadership, findHalt = nothingHalts, metrics }: SchedulerOptions): Promise<Scheduler> {
  const writer = bus.writer('scheduler')
  const runs = new Map<string, RunState>()
  /** The runs under way, without dates ahead of this scheduler's clock (own-time.ts). */
  const dated = new Map<string, RunState>()
  const documents = new Map<string, unknown>()
  const underWay = new Set<string>()
  const heartbeats = new Map<string, { dueMs: number; sentAtMs: number }>()
  const arrivals = new Map<string, Set<() => void>>()
  const listeners = new Set<FactListener>()
  const leads = () => leadership.epoch() !== undefined
  const covered = watchCoverage({ bus, clock, log, metrics, apiSideAgent, leads })
  const facts = bus.follow({ types: followed })
  const caughtUp = Promise.withResolvers<void>()
  let isReady = false

  const following = (async () => {
    for await (const next of facts) {
      if (next.is === 'caught-up') {
        isReady = true
        caughtUp.resolve()
        continue
      }
      if (next.is === 'invalid') {
        log.error({ stream: next.stream, why: next.why }, 'a fact that is not in the catalogue was left out')
        continue
      }
      take(next.stored)
    }
  })()
  following.catch(error => {
    isReady = false
    caughtUp.reject(error as Error)
    log.error({ err: error as Error }, 'the stream of facts ended')
  })

  function take(stored: StoredFact): void {
    if (stored.kind === 'halt.set' || stored.kind === 'halt.released') return lever.take(stored)
    const run = stored.fact.subject
    covered.take(stored)
    if (stored.kind === 'run.submitted') {
      const parsed = experimentSchema.safeParse(stored.fact.data.experiment)
      if (parsed.success && !runs.has(run)) { // a second one changes nothing: what is injected is what was checked
        documents.set(run, stored.fact.data.experiment)
        runs.set(run, begin(run, parsed.data, Date.parse(stored.fact.time)))
      } else if (!parsed.success) log.error({ ...runFields(run), why: parsed.error.message }, 'a stored experiment cannot be read by this version')
    }
    for (const tell of arrivals.get(run) ?? []) tell()
    const state = runs.get(run)
    if (!state) return
    const next = fold(state, stored)
    runs.set(run, next)
    if (!isReady) return
    for (const tell of listeners) tell(stored, next)
    act(next)
  }

  const agents = hearAgents({ bus, clock, metrics })
  const lever = holdLever({ writer, clock, log, metrics, findHalt, leads, following, onTurned: () => { if (isReady) actOnAll() } })
  const orders = faultOrders({
    bus, writer, clock, log, agents, apiSideAgent, demandLead, documentOf: run => documents.get(run),
    mayBegin(run) {
      const now = runs.get(run)
      return !lever.inForce().halted && now !== undefined && renewing(now)
    },
  })

  function actOnAll(): void {
    for (const state of runs.values()) if (state.sealedAtMs === undefined) act(state)
  }

  const ticking = setInterval(() => {
    if (!isReady) return
    lever.keep()
    actOnAll()
  }, tickMs)

  function act(told: RunState): void {
    const nowMs = clock.nowMs()
    const state = inOwnTime(told, dated.get(told.run), nowMs) // on standby too: a scheduler that takes over has waited already
    if (state.sealedAtMs === undefined) dated.set(state.run, state)
    else dated.delete(state.run)
    const epoch = leadership.epoch()
    if (!epoch) return
    const now = lever.inForce()
    if (renewing(state) && !now.halted) heartbeat(state, epoch) // the abort may not get through: then the leases end it
    if (broadcasting(state, nowMs)) broadcastAbort(state.run)
    if (now.halted && !state.abort && state.sealedAtMs === undefined) return undertake(state, { key: 'abort', effect: 'abort', cause: 'user', detail: printHalt(now) })
    for (const effect of decide(state, nowMs)) undertake(state, effect)
  }

  /** Begins a deed unless it is under way. What it brings about comes back as a fact; a failed one is decided again. */
  function undertake(state: RunState, effect: Effect): void {
    const key = `${state.run}/${effect.key}`
    if (underWay.has(key)) return
    underWay.add(key)
    const free = (afterMs: number) => setTimeout(() => underWay.delete(key), afterMs).unref()
    perform(state, effect).then(() => free(retryPauseMs(effect)), (error: unknown) => {
      if (error instanceof NotLeading) return free(tickMs)
      log.error({ ...runFields(state.run), err: error as Error, effect: effect.key }, 'an effect failed; it is tried again')
      return free(retryPauseMs(effect))
    })
  }

  async function perform(state: RunState, effect: Effect): Promise<void> {
    const { run, experiment } = state
    const epoch = demandLead()
    const atMs = clock.nowMs()
    switch (effect.effect) {
      case 'phase': await writer.write(run, 'run.phase', { phase: effect.phase, atMs }); return
      case 'seal': await writer.write(run, 'run.sealed', { atMs }); return
      case 'load-start': await bus.request('load-start', 'locust-bridge', { run, epoch, deadlineMs: atMs + 10_000 }, { timeoutMs: 30_000 }); return
      case 'load-stop': await bus.request('load-stop', 'locust-bridge', { run }, { timeoutMs: 5_000 }); return
      case 'revert': await Promise.all(effect.nodes.map(node => bus.request('revert', node, { run, fault: effect.fault }, { timeoutMs: 5_000 }))); return
      case 'inject': await orders.inject(run, effect.fault, experiment); return
      case 'join': await orders.join(run, effect, experiment); return
      case 'abort': {
        broadcastAbort(run) // before the fact is stored: the breach is being paid for by users
        const { cause, detail, gate } = effect
        log.warn({ ...runFields(run), cause, gate }, `aborting: ${detail}`)
        await writer.write(run, 'run.aborting', { cause, detail, ...(gate !== undefined && { gate }), atMs, clock: clockId })
      }
    }
  }

  /** Throws NotLeading, with `since` also when this scheduler leads under another epoch by now: a leader in between knew nothing of what was begun under that one. */
  function demandLead(since?: Epoch): Epoch {
    const epoch = leadership.epoch()
    if (!epoch) throw new NotLeading(`this scheduler does not lead; ${leadership.leader()?.holder ?? 'nobody'} does`)
    if (since && !isDeepStrictEqual(since, epoch)) throw new NotLeading('this scheduler leads anew, and another may have led in between')
    return epoch
  }

  function heartbeat(state: RunState, epoch: Epoch): void {
    const nowMs = clock.monotonicMs()
    const last = heartbeats.get(state.run)
    if (last && nowMs < last.dueMs) return
    const { leaseMs } = state.experiment
    const sentAtMs = Math.max(clock.nowMs(), (last?.sentAtMs ?? 0) + 1) // also when the clock is put back: agents take none that is not later than the one before
    heartbeats.set(state.run, { dueMs: nowMs + Math.min(1_000, leaseMs / 3) - tickMs / 2, sentAtMs })
    bus.signal('heartbeat', state.run, { run: state.run, epoch, leaseMs, sentAtMs })
  }

  const broadcastAbort = (run: string) => bus.signal('abort', run, { run, sentAtMs: clock.nowMs() })

  async function arrival(run: string, withinMs: number): Promise<RunState | undefined> {
    const told = Promise.withResolvers<void>()
    const waiting = arrivals.get(run) ?? new Set()
    arrivals.set(run, waiting.add(told.resolve))
    const late = setTimeout(told.resolve, withinMs)
    if (!runs.has(run) && withinMs > 0) await Promise.race([told.promise, following])
    clearTimeout(late)
    waiting.delete(told.resolve)
    if (waiting.size === 0) arrivals.delete(run)
    return runs.get(run)
  }

  const onFact = (listener: FactListener): Subscription => {
    listeners.add(listener)
    return { stop: () => void listeners.delete(listener) }
  }
  const counting = showRuns({ metrics, clock, onFact, runs: () => [...runs.values()], leads })
  const recording = recordServices({ bus, writer, clock, log, onFact, leads, apiSideAgent: () => agents.isAlive(apiSideAgent) ? apiSideAgent : undefined })

  await caughtUp.promise
  await leadership.campaign() // not before: who leads can act at once
  log.info({ epoch: leadership.epoch(), leader: leadership.leader()?.holder, runsUnderWay: [...runs.values()].filter(run => run.sealedAtMs === undefined).length }, 'scheduler ready')

  const pull = async (turn: Turn): Promise<Halt> => {
    demandLead()
    return lever.pull(turn)
  }

  return {
    leadership,
    halt: {
      state: lever.inForce,
      set: (by, why) => pull({ type: 'halt.set', data: { by, why, atMs: clock.nowMs() } }),
      release: by => pull({ type: 'halt.released', data: { by, atMs: clock.nowMs() } }),
    },
    runs: () => [...runs.values()],
    ready: () => isReady && bus.connected,
    onFact,
    coverage: covered.coverage,
    arrival,
    async submit(document, { file, services, run = newRunName(document, clock.nowMs()) } = {}) {
      const experiment = experimentSchema.parse(document)
      const epoch = demandLead()
      if (runs.has(run)) return run
      const now = lever.inForce()
      if (now.halted) throw new Halted(`no run is taken: ${printHalt(now)}; faultline resume`)
      const busy = experiment.load && [...runs.values()].find(other => other.sealedAtMs === undefined && other.experiment.load)
      if (busy) throw new LoadBusy(`the run ${busy.run} has the load generator; wait for it, or abort it: faultline abort ${busy.run}`)
      const experimentHash = experimentHashOf(document)
      await writer.write(run, 'run.submitted', { experiment: document, experimentHash, epoch, ...(file !== undefined && { file }), ...(services && { services }) })
      await arrival(run, arrivalMs) // whoever is told of the run may ask about it at once
      return run
    },
    preview: document => previewExperiment({ bus, apiSideAgent, ableAgents: agents.able }, document),
    async abort(run, by) {
      demandLead()
      const state = runs.get(run)
      if (!state || state.sealedAtMs !== undefined) return false
      broadcastAbort(run)
      if (!state.abort) await writer.write(run, 'run.aborting', { cause: 'user', detail: `aborted by ${by}`, atMs: clock.nowMs(), clock: clockId })
      return true
    },
    async stop() {
      isReady = false
      clearInterval(ticking)
      await leadership.stop()
      recording.stop()
      covered.stop()
      counting.stop()
      agents.stop()
      await facts.stop()
      await following.catch((error: unknown) => log.error({ why: messageOf(error) }, 'following ended'))
    },
  }
}

/** Names a run of this experiment, which has been checked: it is in the subject of each of its facts. */
export function newRunName(document: unknown, nowMs: number): string {
  const { name } = experimentSchema.parse(document)
  return `${name}-${new Date(nowMs).toISOString().replace(/[-:]|\.\d+Z/g, '').replace('T', '-')}-${randomBytes(2).toString('hex')}`
}

/** How long a done deed waits for its fact before it is decided again. Injections and loads are slow to show; writes come back at once. */
function retryPauseMs(effect: Effect): number {
  switch (effect.effect) {
    case 'phase': case 'seal': case 'abort': return 300
    case 'revert': case 'load-stop': return 1_000
    case 'join': return effect.pauseMs
    case 'inject': case 'load-start': return 30_000
  }
}
