import type { Logger } from 'pino'
import { Counter, Gauge, type Registry } from 'prom-client'
import { usualBlastRadius } from '#shared/blast-radius.ts'
import type { Bus } from '#shared/bus.ts'
import { clockId, type Clock } from '#shared/clock.ts'
import type { Command, Reply, Signal } from '#shared/commands.ts'
import { messageOf, MessageInvalid } from '#shared/errors.ts'
import type { FactData } from '#shared/events.ts'
import { nothingHalts, printFoundHalt, type FindHalt } from '#shared/halt-file.ts'
import { runFields } from '#shared/log.ts'
import { faultKinds } from '#shared/registry.ts'
import { parseItem, type Driver } from './driver.ts'
import { initialState, keyOf, step, type Effect, type FaultName, type Input, type State } from './core.ts'
import { leftFaultWork, newFaultWork, thisMachine, type FaultWork, type Machine } from './fault-work.ts'
import { openJournal, type Journal, type Lease } from './journal.ts'
import { hearRenewal, type HeardRenewals } from './renewals.ts'

export interface InjectorOptions {
  bus: Bus
  /** Name of this agent: commands are addressed to it. */
  node: string
  /** Folder of the undo journal; made if need be. Two agents never share one. */
  stateFolder: string
  /** What it can touch, and how. */
  driver: Driver
  /** What stops it, whoever else is dead: held faults are undone at once, and new ones refused. */
  findHalt?: FindHalt
  /** In place of the folder, and of this machine: the simulation's. */
  journal?: Journal
  machine?: Machine
  clock: Clock
  log: Logger
  metrics: Registry
}

export interface Injector {
  /** False while what an earlier start left is being undone, and from `stop` on. */
  ready(): boolean
  /** Reverts everything it holds, tells it, then ends. Rejects never; what is not confirmed stays in the journal. Repeatable. */
  stop(): Promise<void>
}

const tickMs = 50
/** Without a fault there is nothing to end, and `inject` looks for a halt by itself. So the agent wakes less often: waking costs more than what it does then. */
const idleTickMs = 250
const presenceMs = 1_000
const retryFactMs = 1_000
const stopWithinMs = 10_000

/** Starts the agent: undoes what an earlier start left, then answers plan, inject and revert, and obeys heartbeats and aborts. */
export async function startInjector({ bus, node, stateFolder, driver, findHalt = nothingHalts, clock, log, metrics, machine = thisMachine(stateFolder, driver.shelter), journal = openJournal(stateFolder) }: InjectorOptions): Promise<Injector> {
  const writer = bus.writer('injector')
  const { memory, entries, corrupt, halfWritten } = journal.load()
  for (const file of halfWritten) log.warn({ file }, 'a half-written journal file was removed: what it announced had not begun')
  for (const { file, why } of corrupt) log.error({ file, why }, 'a journal file cannot be read; what it held may still be in force: look at it, undo it by hand, then remove it')

  let state: State = { ...initialState, highestEpoch: memory.highestEpoch ?? undefined, tombstones: memory.tombstones }
  let phase: 'starting' | 'ready' | 'stopping' | 'stopped' = 'starting'
  const isStopped = () => phase === 'stopped'
  let ticking: NodeJS.Timeout | undefined
  let paceMs: number | undefined
  let renewals: HeardRenewals = { startedAtMs: clock.nowMs(), last: new Map() }
  const work = new Map<string, FaultWork>()
  const replies = new Map<string, (reply: Reply<'inject'>) => void>()
  /** By fault, the renewal that is to be made next. A later one takes its place, so that an undo waits for one renewal at most, however slow they are. */
  const renewalsDue = new Map<string, Lease>()
  // two queues for each fault: a fact that cannot be stored yet never keeps a deed waiting
  const onError = (error: unknown) => log.error({ why: messageOf(error) }, 'a job failed')
  const deeds = new JobQueues(onError)
  const tellings = new JobQueues(onError)

  new Gauge({ name: 'faultline_injector_active_faults', help: 'Faults that are journaled and not yet confirmed as gone', registers: [metrics], collect() { this.set(state.faults.size) } })
  const reverts = new Counter({ name: 'faultline_injector_reverts_total', help: 'Faults reverted, by cause and whether it was confirmed', labelNames: ['cause', 'verified'], registers: [metrics] })

  function feed(input: Input): void {
    const next = step(state, input, clock.monotonicMs())
    state = next.state
    for (const effect of next.effects) {
      try {
        perform(effect)
      } catch (error) { // a full disk or a closed bus never keeps what comes next from being undone
        log.error({ effect: effect.effect, why: messageOf(error) }, 'an effect failed')
      }
    }
    keepPace()
  }

  function tick(): void {
    lookForHalt()
    feed({ is: 'tick' })
  }

  function keepPace(): void {
    const wantedMs = state.faults.size > 0 ? tickMs : idleTickMs
    if (phase === 'starting' || phase === 'stopped' || wantedMs === paceMs) return
    paceMs = wantedMs
    clearInterval(ticking)
    ticking = setInterval(tick, paceMs)
  }

  /** Looked for at each tick, and before anything is injected. */
  function lookForHalt(): void {
    const found = findHalt()
    const why = found && printFoundHalt(found)
    if (why === state.halted) return
    log.warn({ why: why ?? state.halted, faults: state.faults.size }, why === undefined ? 'no longer halted' : 'halted')
    feed(why === undefined ? { is: 'resume' } : { is: 'halt', why })
  }

  function perform(effect: Effect): void {
    if (effect.effect === 'remember') return journal.remember({ highestEpoch: state.highestEpoch ?? null, tombstones: state.tombstones })
    if (effect.effect === 'acknowledge') return bus.signal('aborted', node, { run: effect.run, node, holding: effect.holding })
    const { run, fault } = effect
    const name = { run, fault }
    const key = keyOf(name)
    const held = work.get(key)
    const failed = (error: unknown) => {
      log.error({ ...runFields(run), fault, why: messageOf(error) }, `${effect.effect} failed`)
      feed({ is: 'failed', ...name, why: messageOf(error) })
    }
    switch (effect.effect) {
      case 'prepare': return deeds.add(key, async () => held?.prepare(leaseOf(effect)).then(() => feed({ is: 'prepared', ...name }), failed))
      case 'act': return deeds.add(key, async () => held?.act().then(observation => feed({ is: 'acted', ...name, observation }), failed))
      case 'renew': {
        const isQueued = renewalsDue.has(key)
        renewalsDue.set(key, leaseOf(effect))
        return isQueued ? undefined : deeds.add(key, () => renewLease(name, held))
      }
      case 'undo':
        renewalsDue.delete(key)
        return deeds.add(key, async () => held?.undo(effect.cause).then(
          observation => feed({ is: 'undone', ...name, observation }),
          (error: unknown) => feed({ is: 'undone', ...name, observation: { verified: false, readBack: [messageOf(error)], atMs: clock.nowMs() } }),
        ))
      case 'turn-away': return reply(key, { outcome: 'refused', why: effect.why })
      case 'refuse':
        reply(key, { outcome: 'refused', why: effect.why })
        if (held) tellings.add(key, () => tell(() => writer.write(run, 'fault.refused', { fault, kind: held.kind, node, why: effect.why }), name))
        return
      case 'announce':
        if (effect.fact === 'injected') reply(key, { outcome: 'done' })
        if (effect.fact === 'reverted') reverts.inc({ cause: effect.cause, verified: String(effect.observation.verified) })
        if (held) announce(effect, held)
        return
      case 'release':
        work.delete(key)
        return tellings.add(key, async () => { if (!isStopped()) await held?.release() })
    }
  }

  /** Does nothing when the fault is being undone by now: then no renewal is due any more. */
  async function renewLease(name: FaultName, held: FaultWork | undefined): Promise<void> {
    const lease = renewalsDue.get(keyOf(name))
    renewalsDue.delete(keyOf(name))
    if (!lease || !held) return
    try {
      if (await held.renew(lease) === 'lapsed') feed({ is: 'lapsed', ...name })
    } catch (error) {
      log.error({ ...runFields(name.run), fault: name.fault, why: messageOf(error) }, 'the lease could not be renewed; it runs out unless the next renewal works')
    }
  }

  function announce(effect: Effect & { effect: 'announce' }, { run, fault, kind, targets, peers, requestedAtMs }: FaultWork): void {
    const common = { fault, kind, node }
    const seen = 'observation' in effect ? { targets, verified: effect.observation.verified, readBack: [...effect.observation.readBack], clock: clockId } : undefined
    const atMs = 'observation' in effect ? effect.observation.atMs : clock.nowMs()
    log.info({ ...runFields(run), fault, fact: effect.fact, ...(seen && { verified: seen.verified, readBack: seen.readBack }) }, `fault ${effect.fact}`)
    tellings.add(keyOf({ run, fault }), () => tell(async () => {
      if (!seen) await writer.write(run, 'fault.lapsed', { ...common, atMs })
      else if (effect.fact === 'injected') await writer.write(run, 'fault.injected', { ...common, ...seen, ...(peers.length > 0 && { peers: [...peers] }), requestedAtMs, injectedAtMs: atMs })
      else if (effect.fact === 'reverted') await writer.write(run, 'fault.reverted', { ...common, ...seen, cause: effect.cause, revertedAtMs: atMs } satisfies FactData<'fault.reverted'>)
    }, { run, fault }))
  }

  /** Others know of a fault by its facts alone. So each is tried until it is stored, or until the agent ends; then the next start tells it from the journal. */
  async function tell(write: () => Promise<unknown>, { run, fault }: FaultName): Promise<void> {
    while (!isStopped()) {
      try {
        await write()
        return
      } catch (error) {
        log.error({ ...runFields(run), fault, why: messageOf(error) }, 'a fact could not be stored')
        if (error instanceof MessageInvalid) return
        await new Promise(resolve => setTimeout(resolve, retryFactMs))
      }
    }
  }

  function reply(key: string, answer: Reply<'inject'>): void {
    replies.get(key)?.(answer)
    replies.delete(key)
  }

  function inject({ run, fault, item, targets, peers, vouchers, blastRadius = usualBlastRadius, leftMs, widens, epoch, deadlineMs, leaseMs }: Command<'inject'>): Promise<Reply<'inject'>> {
    const key = keyOf({ run, fault })
    if (work.has(key)) return Promise.resolve({ outcome: 'refused', why: 'it is held already' })
    lookForHalt()
    const spec = parseItem(item)
    const answered = Promise.withResolvers<Reply<'inject'>>()
    replies.set(key, answered.resolve)
    work.set(key, newFaultWork({ run, fault, spec, targets, peers, vouchers, blastRadius, driver, journal, clock, machine, onEndedEarly: () => feed({ is: 'lapsed', run, fault }) }))
    feed({
      is: 'inject', run, fault, targets: targets.map(target => target.id), alone: aloneOf(spec.kind), widens, epoch, leaseMs,
      durationMs: spec.durationMs === undefined || leftMs === undefined ? spec.durationMs : Math.min(spec.durationMs, leftMs),
      deadlineMs: clock.monotonicMs() + deadlineMs - clock.nowMs(), // the one date that two clocks must agree on
    })
    if (!state.faults.has(key)) work.delete(key) // refused
    return answered.promise
  }

  function renew(renewal: Signal<'heartbeat'>): void {
    const { heard, why } = hearRenewal(renewals, renewal, clock.nowMs())
    renewals = heard
    const { run, epoch, leaseMs } = renewal
    if (why !== undefined) return log.warn({ ...runFields(run), why }, 'a renewal was ignored')
    feed({ is: 'heartbeat', run, epoch, leaseMs })
    if (!driver.records && state.halted === undefined) machine.expectFaults() // one may come at any time while a run is under way
  }

  const recorded = await driver.records?.all() ?? []
  for (const { entry, reverted } of recorded) if (reverted) journal.markReverted(entry.id, reverted)
  const left = [...entries, ...recorded.map(({ entry }) => entry).filter(({ id }) => !entries.some(entry => entry.id === id))]
  for (const entry of left) {
    work.set(keyOf(entry), leftFaultWork(entry, journal, machine, driver.records))
    log.warn({ ...runFields(entry.run), fault: entry.fault }, 'left by an earlier start: undoing it')
    feed({ is: 'restore', run: entry.run, fault: entry.fault, targets: entry.targets.map(target => target.id), alone: aloneOf(entry.kind), cause: causeOf(entry.id) })
  }
  await deeds.done()

  /** Why it was reverted while no agent was there, if it was; a reverter or restorer has left word. */
  function causeOf(id: string) {
    try {
      return journal.readReverted(id)?.cause ?? 'restart'
    } catch {
      return 'restart' // spoilt: it is undone and looked at again anyway
    }
  }

  const subscriptions = [
    bus.answer('plan', node, async ({ run, fault, item, chosen, peers = [], blastRadius = usualBlastRadius }) => {
      const held = work.get(keyOf({ run, fault }))
      if (held) return { outcome: 'done', node, targets: held.targets.map(target => ({ target, steps: [] })) } // whoever led before has ordered it, and no fact has told so yet: there is nothing more to do
      return { outcome: 'done', node, targets: await driver.plan({ spec: parseItem(item), run, blastRadius, found: chosen && { chosen, peers } }) }
    }),
    bus.answer('resolve', node, async ({ run, item, joining, blastRadius = usualBlastRadius }) => {
      if (!driver.resolve) return { outcome: 'refused', why: `the agent ${node} does not know the Kubernetes API` }
      return { outcome: 'done', ...await driver.resolve({ spec: parseItem(item), run, blastRadius, joining }) }
    }),
    bus.answer('discover', node, async () => {
      if (!driver.discover) return { outcome: 'refused', why: `the agent ${node} does not know the Kubernetes API` }
      return { outcome: 'done', services: await driver.discover() }
    }),
    bus.answer('inject', node, async command => inject(command)),
    bus.answer('revert', node, async name => {
      const held = state.faults.has(keyOf(name))
      feed({ is: 'revert', run: name.run, fault: name.fault })
      return { outcome: 'done', held }
    }),
    bus.onSignal('heartbeat', '*', renew),
    bus.onSignal('abort', '*', ({ run }) => feed({ is: 'abort', run })),
  ]
  const sayPresent = () => bus.signal('agent', node, {
    node, kinds: [...driver.kinds], sentAtMs: clock.nowMs(),
    quarantined: [...[...state.faults.values()].flatMap(fault => fault.at === 'quarantined' ? fault.targets : []), ...corrupt.map(({ file }) => `journal:${file}`)],
  })
  await bus.settled()
  const presence = setInterval(sayPresent, presenceMs)
  sayPresent()
  phase = 'ready'
  keepPace()
  log.info({ node, kinds: driver.kinds, left: left.length }, 'injector ready')

  let stopping: Promise<void> | undefined
  async function drain(): Promise<void> {
    phase = 'stopping'
    for (const subscription of subscriptions) subscription.stop()
    feed({ is: 'drain' })
    await Promise.race([deeds.done().then(() => tellings.done()), new Promise(resolve => setTimeout(resolve, stopWithinMs).unref())])
    phase = 'stopped'
    clearInterval(ticking)
    clearInterval(presence)
    machine.stop()
    if (state.faults.size > 0) log.error({ faults: [...state.faults.keys()] }, 'stopped with faults whose revert is not confirmed; they stay in the journal')
  }
  return { ready: () => phase === 'ready', stop: () => stopping ??= drain() }
}

const aloneOf = (kind: string) => faultKinds.get(kind)?.alone
const leaseOf = ({ leaseEndsMs, endsMs }: Effect & { effect: 'prepare' | 'renew' }): Lease => ({ leaseEndsMs, endsMs: endsMs ?? null })

/** Jobs of one name run one after another; jobs of different names beside each other. A failed one does not stop the next. */
class JobQueues {
  readonly #last = new Map<string, Promise<unknown>>()
  readonly #onError: (error: unknown) => void

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError
  }

  add(name: string, job: () => Promise<unknown>): void {
    const done = (this.#last.get(name) ?? Promise.resolve()).then(job).catch(this.#onError)
    this.#last.set(name, done)
    void done.finally(() => { if (this.#last.get(name) === done) this.#last.delete(name) })
  }

  /** When nothing is left to do, what the jobs added meanwhile included. */
  async done(): Promise<void> {
    while (this.#last.size > 0) await Promise.all(this.#last.values())
  }
}
