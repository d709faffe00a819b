import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import { Gauge, type Registry } from 'prom-client'
import type { BlastRadius } from '#shared/blast-radius.ts'
import type { Bus, Subscription } from '#shared/bus.ts'
import { clockId, type Clock } from '#shared/clock.ts'
import type { Joining } from '#shared/commands.ts'
import type { Coverage } from '#shared/coverage.ts'
import { experimentHashOf } from '#shared/decision-record.ts'
import { FaultlineError, messageOf } from '#shared/errors.ts'
import type { Epoch, FactData, FactType, StoredFact } from '#shared/events.ts'
import { experimentSchema, type Experiment, type ExperimentFault } from '#shared/experiment.ts'
import type { FaultPreview } from '#shared/fault-preview.ts'
import { nothingHalts, type FindHalt } from '#shared/halt-file.ts'
import { runFields } from '#shared/log.ts'
import type { BoundTarget } from '#shared/target.ts'
import type { TestedService } from '#shared/tested-service.ts'
import { showAgents } from './agent-metrics.ts'
import { begin, broadcasting, decide, fold, patience, renewing, type Effect, type RunState } from './core.ts'
import { watchCoverage } from './coverage.ts'
import { foldHalt, haltSubject, inForce, notHalted, printHalt, toldAgain, type Halt } from './halt.ts'
import type { Leadership } from './leadership.ts'
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

/** An agent as it last told of itself. `quarantined`: ids of what it could not confirm as undone; `seenMs`: monotonic. */
export interface KnownAgent { node: string; kinds: readonly string[]; quarantined: readonly string[]; seenMs: number }

/** What one agent is to do it to. */
interface Order { agent: string; targets: BoundTarget[]; peers: string[]; vouchers: Record<string, string>; widens?: true | undefined }

/** What a fault is to be done to, or only what is to join it. */
interface Search { run: string; fault: ExperimentFault; blastRadius: BlastRadius; joining?: Joining }

/** The facts a scheduler folds: all but the many that only judge. */
const followed: FactType[] = [
  'halt.set', 'halt.released',
  'run.submitted', 'run.services', 'run.phase', 'run.aborting', 'run.sealed', 'run.judged',
  'fault.injected', 'fault.reverted', 'fault.refused', 'fault.lapsed', 'load.state', 'gate.status', 'gate.closed',
  'probe.opened', 'probe.refused', 'probe.state', 'probe.closed',
]
/** Name of the agent that may use the Kubernetes API; there is one. */
const apiSideAgent = 'cluster'
const tickMs = 100
const agentStaleMs = 3_500
const arrivalMs = 10_000

/** Starts the scheduler: what comes in, what it does about it, `stop`. Runs that were under way in the stream go on, once it leads. */
export async function startScheduler({ bus, clock, log, leadership, findHalt = nothingHalts, metrics }: SchedulerOptions): Promise<Scheduler> {
  const writer = bus.writer('scheduler')
  const runs = new Map<string, RunState>()
  const documents = new Map<string, unknown>()
  const underWay = new Set<string>()
  const injecting = new Set<string>()
  const agents = new Map<string, KnownAgent>()
  const heartbeats = new Map<string, { dueMs: number; sentAtMs: number }>()
  const arrivals = new Map<string, Set<() => void>>()
  const listeners = new Set<FactListener>()
  const leverTurns: (() => void)[] = []

  new Gauge({ name: 'faultline_halted', help: '1 while everything is stopped by `faultline halt`', registers: [metrics], collect() { this.set(haltInForce().halted ? 1 : 0) } })
  const covered = watchCoverage({ bus, clock, log, metrics, apiSideAgent, leads: () => leadership.epoch() !== undefined })
  const facts = bus.follow({ types: followed })
  const caughtUp = Promise.withResolvers<void>()
  let isReady = false
  let halt = notHalted
  const haltInForce = () => inForce(halt, findHalt())

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
    if (stored.kind === 'halt.set' || stored.kind === 'halt.released') return turnLever(foldHalt(halt, stored))
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

  function turnLever(now: Halt): void {
    halt = now
    for (const state of isReady ? runs.values() : []) if (state.sealedAtMs === undefined) act(state)
    for (const tell of leverTurns.splice(0)) tell()
  }

  function keepHalted(): void {
    const data = leadership.epoch() && toldAgain(halt, clock.nowMs())
    if (!data || underWay.has(haltSubject)) return
    underWay.add(haltSubject)
    writer.write(haltSubject, 'halt.set', data)
      .catch((error: unknown) => log.error({ why: messageOf(error) }, 'the halt could not be told anew; tried again'))
      .finally(() => setTimeout(() => underWay.delete(haltSubject), 1_000).unref())
  }

  const presence = bus.onSignal('agent', '*', ({ node, kinds, quarantined }) => {
    agents.set(node, { node, kinds, quarantined, seenMs: clock.monotonicMs() })
  })

  const ticking = setInterval(() => {
    if (!isReady) return
    keepHalted()
    for (const state of runs.values()) if (state.sealedAtMs === undefined) act(state)
  }, tickMs)

  function act(state: RunState): void {
    const epoch = leadership.epoch()
    if (!epoch) return
    const nowMs = clock.nowMs()
    const now = haltInForce()
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
      case 'inject': {
        const key = `${run}/${effect.fault.id}`
        injecting.add(key)
        await inject(run, effect.fault, experiment).finally(() => injecting.delete(key))
        return
      }
      case 'join': await join(run, effect, experiment); return
      case 'abort': {
        broadcastAbort(run) // before the fact is stored: the breach is being paid for by users
        const { cause, detail, gate } = effect
        log.warn({ ...runFields(run), cause, gate }, `aborting: ${detail}`)
        await writer.write(run, 'run.aborting', { cause, detail, ...(gate !== undefined && { gate }), atMs, clock: clockId })
      }
    }
  }

  /** Finds out who is to do it to what, then has each agent do it to exactly those. */
  async function inject(run: string, fault: ExperimentFault, experiment: Experiment): Promise<void> {
    const { orders, why } = await (fault.target.process ? ordersByPlanning : ordersByResolving)({ run, fault, ...experiment })
    if (orders.length === 0) {
      await writer.write(run, 'run.aborting', { cause: 'refused', detail: `${fault.id}${why}`, atMs: clock.nowMs(), clock: clockId })
      return
    }
    await order(run, fault.id, orders, experiment)
  }

  /** Has the agents do it also to what came up since. Who is refused is looked at again a second later, as long as the fault lasts. */
  async function join(run: string, { fault, part, joining, endsAtMs }: Effect & { effect: 'join' }, experiment: Experiment): Promise<void> {
    if (injecting.has(`${run}/${fault.id}`)) return // not all that it is done to is known yet
    const { orders, why } = await ordersByResolving({ run, fault, joining, ...experiment })
    const leftMs = endsAtMs - clock.nowMs()
    if (orders.length === 0) log.debug({ ...runFields(run), fault: fault.id }, `nothing joins${why}`)
    else if (leftMs >= patience.joinMs / 2) await order(run, part, orders, experiment, leftMs)
  }

  async function order(run: string, fault: string, orders: readonly Order[], { leaseMs, blastRadius }: Experiment, leftMs?: number): Promise<void> {
    const item = writtenFault(run, fault)
    const epoch = demandLead() // finding them took a while, in which another may have come to lead, or the run have left its path
    const now = runs.get(run)
    if (haltInForce().halted || !now || !renewing(now)) return
    const deadlineMs = clock.nowMs() + 5_000
    await Promise.all(orders.map(async ({ agent, targets, peers, vouchers, widens }) => {
      const command = { run, fault, item, targets, peers, vouchers, widens, blastRadius, epoch, deadlineMs, leaseMs, leftMs }
      const reply = await bus.request('inject', agent, command, { timeoutMs: 10_000 })
      if (reply.outcome === 'refused') log.warn({ ...runFields(run), fault, node: agent }, `refused: ${reply.why}`)
    }))
  }

  /** Processes: every agent that can do it is asked for its own. */
  async function ordersByPlanning({ run, fault, blastRadius }: Search): Promise<{ orders: Order[]; why: string }> {
    const item = writtenFault(run, fault.id)
    const able = await ableAgents(fault.kind)
    if (able.length === 0) return { orders: [], why: noAgent(fault.kind) }
    const plans = await Promise.all(able.map(async ({ node }) => ({ node, plan: await bus.request('plan', node, { run, fault: fault.id, item, blastRadius }, { timeoutMs: 5_000 }) })))
    const refusals = plans.flatMap(({ node, plan }) => plan.outcome === 'refused' ? [`${node}: ${plan.why}`] : [])
    return {
      orders: plans.flatMap(({ node, plan }) => plan.outcome === 'done' && plan.targets.length > 0 ? [{ agent: node, targets: plan.targets.map(planned => planned.target), peers: [], vouchers: {} }] : []),
      why: ` has no target: ${refusals.join('; ') || 'nothing matches'}`,
    }
  }

  /** In Kubernetes: the API-side agent finds them, vouches for them, and says who is to act on each. */
  async function ordersByResolving({ run, fault, joining, blastRadius }: Search): Promise<{ orders: Order[]; why: string }> {
    const question = { run, fault: fault.id, item: writtenFault(run, fault.id), blastRadius, joining }
    const resolved = await bus.request('resolve', apiSideAgent, question, { timeoutMs: 10_000 })
    if (resolved.outcome === 'refused') return { orders: [], why: ` has no target: ${resolved.why}` }
    const able = new Set((await ableAgents(fault.kind)).map(({ node }) => node))
    const unable = resolved.targets.find(({ agent }) => !able.has(agent))
    if (unable) return { orders: [], why: `: nobody can do it to ${unable.target.description}, since no agent ${unable.agent} that is alive can do ${fault.kind}` }
    return {
      orders: [...Map.groupBy(resolved.targets, ({ agent }) => agent)].map(([agent, found]) => ({
        agent, targets: found.map(({ target }) => target), peers: resolved.peers, widens: resolved.widens, vouchers: Object.fromEntries(found.map(({ target, voucher }) => [target.id, voucher])),
      })),
      why: ' has no target: nothing matches',
    }
  }

  const noAgent = (kind: string) => `: no agent that is alive can do ${kind}; alive: ${[...agents.keys()].join(', ') || 'none'}`

  /** Agents that were heard lately and can do it; they may have started just now, so the first is waited for a little. */
  async function ableAgents(kind: string): Promise<{ node: string }[]> {
    const givenUpAtMs = clock.monotonicMs() + agentStaleMs
    for (;;) {
      const able = [...agents.values()].filter(agent => isAlive(agent) && agent.kinds.includes(kind))
      if (able.length > 0 || clock.monotonicMs() > givenUpAtMs) return able
      await delay(50)
    }
  }

  /** The fault as the experiment's author wrote it: agents check it with the same schema again. */
  function writtenFault(run: string, id: string): unknown {
    const document = documents.get(run) as { faults: unknown[] } | undefined
    return document?.faults[Number(id.split('-')[0]) - 1]
  }

  function demandLead(): Epoch {
    const epoch = leadership.epoch()
    if (!epoch) throw new NotLeading(`this scheduler does not lead; ${leadership.leader()?.holder ?? 'nobody'} does`)
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
  const isAlive = ({ seenMs }: { seenMs: number }) => seenMs > clock.monotonicMs() - agentStaleMs
  showAgents({ metrics, clock, agents, isAlive })
  const counting = showRuns({ metrics, clock, onFact, runs: () => [...runs.values()], leads: () => leadership.epoch() !== undefined })
  const recording = recordServices({
    bus, writer, clock, log, onFact, leads: () => leadership.epoch() !== undefined,
    apiSideAgent: () => [...agents.values()].find(agent => agent.node === apiSideAgent && isAlive(agent))?.node,
  })

  await caughtUp.promise
  await leadership.campaign() // not before: who leads can act at once
  log.info({ epoch: leadership.epoch(), leader: leadership.leader()?.holder, runsUnderWay: [...runs.values()].filter(run => run.sealedAtMs === undefined).length }, 'scheduler ready')

  /** Stores the fact, and waits until it is folded here too. */
  async function pull(lever: { type: 'halt.set'; data: FactData<'halt.set'> } | { type: 'halt.released'; data: FactData<'halt.released'> }): Promise<Halt> {
    demandLead()
    const turned = new Promise<void>(resolve => { leverTurns.push(resolve) })
    await writer.write(haltSubject, lever.type, lever.data)
    await Promise.race([turned, following])
    return haltInForce()
  }

  return {
    leadership,
    halt: {
      state: haltInForce,
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
      const now = haltInForce()
      if (now.halted) throw new Halted(`no run is taken: ${printHalt(now)}; faultline resume`)
      const busy = experiment.load && [...runs.values()].find(other => other.sealedAtMs === undefined && other.experiment.load)
      if (busy) throw new LoadBusy(`the run ${busy.run} has the load generator; wait for it, or abort it: faultline abort ${busy.run}`)
      const experimentHash = experimentHashOf(document)
      await writer.write(run, 'run.submitted', { experiment: document, experimentHash, epoch, ...(file !== undefined && { file }), ...(services && { services }) })
      await arrival(run, arrivalMs) // whoever is told of the run may ask about it at once
      return run
    },
    preview: document => previewExperiment({ bus, apiSideAgent, ableAgents }, document),
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
      presence.stop()
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
