import type { Logger } from 'pino'
import { Counter, type Registry } from 'prom-client'
import type { Bus } from '#shared/bus.ts'
import { clockId, type Clock } from '#shared/clock.ts'
import { messageOf } from '#shared/errors.ts'
import type { FactData, FactType } from '#shared/events.ts'
import { experimentSchema } from '#shared/experiment.ts'
import { nothingHalts, printFoundHalt, type FindHalt } from '#shared/halt-file.ts'
import { runFields } from '#shared/log.ts'
import type { ProbeSpec } from '#shared/probe.ts'
import { endpointOf, readEndpoints, type Endpoints } from './endpoints.ts'
import { startProbing, type Probing } from './probing.ts'

export interface ProberOptions {
  bus: Bus
  clock: Clock
  log: Logger
  metrics: Registry
  /** Name of the node that it looks from. */
  node: string
  /** Read at the start of each run. */
  endpointsFolder?: string
  /** What stops it, whoever else is dead: no attempt is begun any more. What the facts say stops it as well. */
  findHalt?: FindHalt
}

const flushEveryMs = 1_000
const lookForHaltEveryMs = 100
/** A prober waits as long for NATS as a change of its leader may take: a sample that is not stored is a hole in the log. */
const storePatienceMs = 60_000
/** Shorter than the scheduler waits (patience.verifyMs). */
const verifyPatienceMs = 40_000
const clearPatienceMs = 8_000

/**
 * Starts the prober: it probes from a run's phase steady to its phase verify, then tells its ledgers. While everything is halted it begins no attempt; what it has
 * written by then is looked for and taken away as ever, when the run ends.
 */
export async function startProber({ bus, clock, log, metrics, node, endpointsFolder, findHalt = nothingHalts }: ProberOptions): Promise<{ stop(): Promise<void> }> {
  const writer = bus.writer('prober')
  const attempts = new Counter({ name: 'faultline_probe_attempts_total', help: 'Attempts of probes by outcome', labelNames: ['probe', 'outcome'], registers: [metrics] })
  const waiting = new Map<string, ProbeSpec[]>()
  const probed = new Map<string, ProbedRun>()
  const seen = new Set<string>()
  let isStopping = false
  /** What the facts say of a halt, and why nothing is probed now. */
  let toldHalt: string | undefined
  let halted: string | undefined

  interface ProbedRun { probings: Probing[]; flushing: NodeJS.Timeout; stored: Promise<void>; over: boolean }

  function begin(run: string): void {
    const specs = waiting.get(run) ?? []
    if (specs.length === 0 || probed.has(run) || isStopping) return
    lookForHalt()
    const made = resolve(specs)
    const refused = made.flatMap(({ spec, url }) => {
      const why = halted ?? (url instanceof URL ? undefined : url.why)
      return why === undefined ? [] : [{ probe: spec.name, why }]
    })
    const state: ProbedRun = { probings: [], flushing: setInterval(() => flush(run, state), flushEveryMs), stored: Promise.resolve(), over: false }
    probed.set(run, state)
    if (refused.length > 0) {
      for (const { probe, why } of refused) refuse(run, state, probe, why)
      return
    }
    log.info({ ...runFields(run), probes: specs.map(({ name }) => name) }, 'probing')
    store(run, state, 'probe.opened', { node, probes: specs.map(({ name }) => name), atMs: clock.nowMs(), clock: clockId })
    state.probings = made.flatMap(({ spec, url }) => url instanceof URL ? [startProbing({
      spec, url, clock, onChange: change => store(run, state, 'probe.state', { node, probe: spec.name, ...change, clock: clockId }),
    })] : [])
  }

  function refuse(run: string, state: ProbedRun, probe: string, why: string): void {
    log.warn({ ...runFields(run), probe, why }, 'refused')
    store(run, state, 'probe.refused', { node, probe, why, atMs: clock.nowMs() })
  }

  /** Looked for at each tick, and before anything is begun. What it has ended stays so: the run is refused by that. */
  function lookForHalt(): void {
    const found = findHalt()
    const why = toldHalt ?? (found && printFoundHalt(found))
    if (why === halted) return
    log.warn({ why: why ?? halted }, why === undefined ? 'no longer halted' : 'halted')
    const wasHalted = halted !== undefined
    halted = why
    if (why === undefined || wasHalted) return
    for (const [run, state] of probed) {
      if (state.over) continue
      for (const probing of state.probings) {
        void probing.stop()
        refuse(run, state, probing.spec.name, why)
      }
    }
  }

  function resolve(specs: readonly ProbeSpec[]): { spec: ProbeSpec; url: URL | { why: string } }[] {
    let known: Endpoints
    try {
      known = readEndpoints(endpointsFolder)
    } catch (error) {
      return specs.map(spec => ({ spec, url: { why: messageOf(error) } }))
    }
    return specs.map(spec => ({ spec, url: endpointOf(spec, known) }))
  }

  /** One after another, so that the log has them in their order. */
  function store<T extends FactType>(run: string, state: ProbedRun, type: T, data: FactData<T>): void {
    state.stored = state.stored.then(() => writer.write(run, type, data, { deadlineMs: storePatienceMs })).then(() => undefined, (error: unknown) => {
      log.error({ ...runFields(run), why: messageOf(error) }, `${type} was not stored; the log has a gap`)
    })
  }

  function flush(run: string, state: ProbedRun): void {
    for (const { spec: { name }, log: slots } of state.probings) {
      const taken = slots.take()
      if (!taken) continue
      for (const [, , outcome] of taken.slots) attempts.inc({ probe: name, outcome })
      store(run, state, 'probe.samples', { node, probe: name, ...taken, clock: clockId })
    }
  }

  /** `told`: the run waits for the ledgers. Otherwise nobody does, and only what was written is taken away. */
  async function finish(run: string, told: boolean): Promise<void> {
    const state = probed.get(run)
    if (!state || state.over) return
    state.over = true
    clearInterval(state.flushing)
    await Promise.all(state.probings.map(probing => probing.stop()))
    flush(run, state)
    if (told) {
      const patience = AbortSignal.timeout(verifyPatienceMs)
      await Promise.all(state.probings.filter(({ spec }) => spec.keepsLedger).map(async probing => {
        const ledger = await probing.verify(patience)
        store(run, state, 'probe.ledger', { node, probe: probing.spec.name, ...ledger, atMs: clock.nowMs(), clock: clockId })
      }))
    }
    await Promise.all(state.probings.map(async probing => {
      await probing.clear(AbortSignal.timeout(clearPatienceMs)).catch((error: unknown) => log.warn({ ...runFields(run), why: messageOf(error) }, 'not cleared'))
    }))
    if (told && state.probings.length > 0) store(run, state, 'probe.closed', { node, atMs: clock.nowMs() })
    await state.stored
    probed.delete(run)
  }

  const ending = new Set<Promise<void>>()
  function finishSoon(run: string, told: boolean): void {
    const work: Promise<void> = finish(run, told).catch((error: unknown) => log.error({ ...runFields(run), why: messageOf(error) }, 'ended badly')).finally(() => ending.delete(work))
    ending.add(work)
  }

  const facts = bus.follow({ types: ['run.submitted', 'run.phase', 'run.sealed', 'halt.set', 'halt.released'] })
  const caughtUp = Promise.withResolvers<void>()
  const following = (async () => {
    let isLive = false
    for await (const next of facts) {
      if (next.is === 'caught-up') {
        isLive = true
        for (const run of seen) begin(run)
        caughtUp.resolve()
      }
      if (next.is !== 'fact') continue
      const { kind, fact } = next.stored
      const run = fact.subject
      if (kind === 'halt.released') toldHalt = undefined
      if (kind === 'halt.set') toldHalt ??= printFoundHalt({ where: fact.data.by, why: fact.data.why, sinceMs: fact.data.atMs })
      if (kind === 'run.submitted') {
        const parsed = experimentSchema.safeParse(fact.data.experiment)
        if (parsed.success && !waiting.has(run)) waiting.set(run, parsed.data.probes)
      }
      if (kind === 'run.phase' && fact.data.phase === 'steady') {
        if (isLive) begin(run)
        else seen.add(run)
      }
      if (kind === 'run.sealed' || (kind === 'run.phase' && fact.data.phase === 'verify')) {
        seen.delete(run)
        waiting.delete(run)
        finishSoon(run, kind === 'run.phase')
      }
    }
  })()
  following.catch((error: unknown) => {
    caughtUp.reject(error)
    log.error({ why: messageOf(error) }, 'following runs ended')
  })
  await caughtUp.promise
  const looking = setInterval(lookForHalt, lookForHaltEveryMs)

  return {
    async stop() {
      isStopping = true
      clearInterval(looking)
      await facts.stop()
      await following.catch(() => undefined)
      for (const run of probed.keys()) finishSoon(run, false)
      await Promise.all(ending)
    },
  }
}
