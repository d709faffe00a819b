import { dirname, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import { Registry } from 'prom-client'
import type { Bus } from '#shared/bus.ts'
import type { Clock } from '#shared/clock.ts'
import type { Command, Reply } from '#shared/commands.ts'
import { FactNotStored, messageOf } from '#shared/errors.ts'
import type { FactData, StoredFact } from '#shared/events.ts'
import { experimentSchema, type Experiment, type LoadSpec } from '#shared/experiment.ts'
import { nothingHalts, printFoundHalt, type FindHalt } from '#shared/halt-file.ts'
import { runFields } from '#shared/log.ts'
import { initialState, step, type Effect, type Input, type State } from './core.ts'
import { sampleFact } from './load-sample.ts'
import { startGenerators, type Generators, type GeneratorsOptions } from './generator.ts'
import type { SpawnLocust } from './locust-process.ts'
import { showLoad, type ShownLoad } from './metrics.ts'
import { startSampleServer } from './sample-server.ts'

export interface LocustBridgeOptions {
  bus: Bus
  clock: Clock
  log: Logger
  /** Where samples are posted, and /metrics, /healthz and /readyz are; port 0: any free one. */
  listen: { host: string; port: number }
  /** Bearer token of the samples. */
  token: string
  /** Bearer token of /metrics. */
  metricsToken?: string | undefined
  /** Starts a Locust of its own for each run, ready to swarm. `locustfile` is an absolute path. */
  spawnLocust?: SpawnLocust
  /** Web API of a Locust that is there already, whose processes post to `listen`; used when there is no `spawnLocust`. */
  locustUrl?: string
  /** What that Locust asks for, if anything. */
  locustToken?: string | undefined
  metrics?: Registry
  /** What stops it, whoever else is dead: the load ends at once, and none is begun. */
  findHalt?: FindHalt
  /** How samples come in, and how Locust is reached: the simulation has other ways. */
  startSamples?: typeof startSampleServer
  startLocusts?: (options: GeneratorsOptions) => Generators
}

export interface LocustBridge {
  /** What Locust's FAULTLINE_BRIDGE_URL is. */
  url: string
  metricsUrl: string
  /** A load that is under way fails; its Locust ends. Resolves when all is written and nothing runs. Repeatable. */
  stop(): Promise<void>
}

interface KnownRun { load?: LoadSpec; gates: Experiment['gates'] }

const tickMs = 100
const pollMs = 1_000
/** The command may overtake the fact that says what it is about. */
const submissionPatienceMs = 2_000
/** Without NATS each fact that waits would take its own deadline, one after another. */
const writingPatienceMs = 5_000

/** Starts the bridge: facts and commands come in, the core decides, Locust and the stream are told. */
export async function startLocustBridge(options: LocustBridgeOptions): Promise<LocustBridge> {
  const { bus, clock, log, metrics = new Registry(), findHalt = nothingHalts, startSamples = startSampleServer, startLocusts = startGenerators } = options
  const writer = bus.writer('locust-bridge')
  const runs = new Map<string, KnownRun>()
  const awaited = new Map<string, PromiseWithResolvers<void>>()
  const writing = new Set<Promise<void>>()
  let state: State = { ...initialState, tickedAtMs: clock.monotonicMs() }
  let shown: ShownLoad | undefined
  let isReady = false
  let isStopping = false

  // --- what the core decides, and its effects

  function advance(input: Input): Effect[] {
    const next = step(state, input, clock.monotonicMs())
    state = next.state
    for (const effect of next.effects) perform(effect)
    return next.effects
  }

  function perform(effect: Effect): void {
    const { run } = effect
    switch (effect.effect) {
      case 'accept': case 'refuse': return // the answer to the command, which `loadStart` gives
      case 'publish':
        shown?.take(effect.sample)
        return track(run, writeSample(run, sampleFact(effect.sample)))
      case 'announce': {
        const { state: to, users, targetUsers, detail } = effect
        log[to === 'failed' ? 'warn' : 'info']({ ...runFields(run), state: to, users, targetUsers, detail }, 'load')
        if (to === 'starting') shown = showLoad(metrics, run, runs.get(run)?.gates ?? [])
        if (to === 'stopped' || to === 'failed') shown?.end()
        return track(run, writeState(run, { state: to, users, targetUsers, ...(detail !== undefined && { detail }), atMs: clock.nowMs() }))
      }
      case 'bring': {
        const load = runs.get(run)?.load
        if (!load) throw new Error(`the run ${run} was accepted without a load`) // loadStart has looked
        return generators.bring(run, load)
      }
      case 'swarm': return generators.swarm(run)
      case 'ask-stop': return generators.askStop(run)
      case 'keep': return generators.keepStats(run)
      case 'end': return generators.end(run)
    }
  }

  function track(run: string, work: Promise<unknown>): void {
    const tracked: Promise<void> = work.then(() => undefined, (error: unknown) => log.error({ ...runFields(run), why: messageOf(error) }, 'a fact was not written'))
      .finally(() => writing.delete(tracked))
    writing.add(tracked)
  }

  async function writeSample(run: string, sample: FactData<'load.sample'>): Promise<void> {
    try {
      await writer.write(run, 'load.sample', sample)
    } catch (error) {
      advance({ is: 'broken', run, why: `a load sample could not be stored: ${messageOf(error)}` })
      throw error
    }
  }

  /** The scheduler waits for it: tried until it is stored, at a stop given up. */
  async function writeState(run: string, data: FactData<'load.state'>): Promise<void> {
    for (;;) {
      try {
        return void await writer.write(run, 'load.state', data)
      } catch (error) {
        if (!(error instanceof FactNotStored) || isStopping) throw error
      }
    }
  }

  // --- what comes in: samples, Locust's news, time

  const server = await startSamples({
    listen: options.listen, token: options.token, metricsToken: options.metricsToken, metrics,
    take: sample => void advance({ is: 'sample', sample, aheadMs: sample.endMs - clock.nowMs() }),
    ready: () => isReady && bus.connected,
  })
  const generators = startLocusts({
    ...options, bridgeUrl: server.url,
    keep: async (run, stats) => void await writer.write(run, 'load.stats', { stats, atMs: clock.nowMs() }),
    tell: input => void advance(input),
  })
  /** Looked for at each tick, and before a load is begun. */
  function lookForHalt(): void {
    const found = findHalt()
    const why = found && printFoundHalt(found)
    if (why === state.halted) return
    log.warn({ why: why ?? state.halted }, why === undefined ? 'no longer halted' : 'halted')
    advance(why === undefined ? { is: 'resume' } : { is: 'halt', why })
  }

  const ticking = setInterval(() => {
    lookForHalt()
    advance({ is: 'tick' })
  }, tickMs)
  const polling = setInterval(() => {
    if (state.load.at === 'ramping' || state.load.at === 'reached') generators.poll(state.load.run)
  }, pollMs)

  // --- what comes in: facts

  const facts = bus.follow({ types: ['run.submitted', 'load.state', 'run.sealed'] })
  const caughtUp = Promise.withResolvers<void>()
  const following = (async () => {
    const underway = new Map<string, FactData<'load.state'>>()
    for await (const next of facts) {
      if (next.is === 'invalid') log.error({ stream: next.stream, why: next.why }, 'a fact is not in the catalogue')
      if (next.is === 'fact') {
        take(next.stored)
        if (!isReady) rememberLoad(underway, next.stored)
      }
      if (next.is !== 'caught-up') continue
      for (const [run, { targetUsers }] of underway) {
        generators.stopLeft(run)
        track(run, writeState(run, { state: 'failed', users: 0, targetUsers, detail: 'the locust-bridge was restarted while the load was running', atMs: clock.nowMs() }))
      }
      isReady = true
      caughtUp.resolve()
    }
  })()
  following.catch((error: unknown) => {
    isReady = false
    caughtUp.reject(error)
    log.error({ why: messageOf(error) }, 'following facts ended')
  })

  function take({ kind, fact }: StoredFact): void {
    const run = fact.subject
    if (kind === 'run.sealed') {
      runs.delete(run)
      if (state.load.at !== 'idle' && state.load.run === run) advance({ is: 'stop', run }) // nobody will say it any more
      return
    }
    if (kind !== 'run.submitted' || runs.has(run)) return // a second one changes nothing, here as for everybody
    const parsed = experimentSchema.safeParse(fact.data.experiment)
    if (!parsed.success) return log.error({ ...runFields(run), why: parsed.error.message }, 'a stored experiment cannot be read by this version')
    const { load, gates } = parsed.data
    const folder = fact.data.file === undefined ? '.' : dirname(fact.data.file)
    runs.set(run, { gates, ...(load && { load: { ...load, ...(load.locustfile !== undefined && { locustfile: resolve(folder, load.locustfile) }) } }) })
    awaited.get(run)?.resolve()
  }

  // --- what comes in: commands

  async function loadStart({ run, epoch, deadlineMs }: Command<'load-start'>): Promise<Reply<'load-start'>> {
    const known = await submission(run)
    if (!known) return { outcome: 'refused', why: `the run ${run} is not known, or has ended` }
    if (!known.load) return { outcome: 'refused', why: `the experiment of ${run} has no load` }
    const { users, reachedWithinMs } = known.load
    lookForHalt()
    const answer = advance({ is: 'start', run, users, reachedWithinMs, epoch, isTooLate: clock.nowMs() > deadlineMs }).find(({ effect }) => effect === 'refuse')
    return answer?.effect === 'refuse' ? { outcome: 'refused', why: answer.why ?? '' } : { outcome: 'done' }
  }

  async function submission(run: string): Promise<KnownRun | undefined> {
    if (runs.has(run)) return runs.get(run)
    const arrival = awaited.get(run) ?? Promise.withResolvers<void>()
    awaited.set(run, arrival)
    const given = new AbortController()
    await Promise.race([arrival.promise, delay(submissionPatienceMs, undefined, { signal: given.signal }).catch(() => undefined)])
    given.abort()
    awaited.delete(run)
    return runs.get(run)
  }

  try {
    await caughtUp.promise
  } catch (error) {
    await close()
    throw error
  }
  const answering = [
    bus.answer('load-start', 'locust-bridge', loadStart),
    bus.answer('load-stop', 'locust-bridge', async ({ run }) => {
      advance({ is: 'stop', run })
      return { outcome: 'done' }
    }),
  ]
  await bus.settled()
  log.info({ url: server.url }, 'listening')

  async function close(): Promise<void> {
    clearInterval(ticking)
    clearInterval(polling)
    await generators.close()
    await server.close()
    await facts.stop()
    await following.catch(() => undefined)
    const given = new AbortController()
    const late = delay(writingPatienceMs, undefined, { signal: given.signal }).then(() => log.error({ facts: writing.size }, 'stopped with facts not written'), () => undefined)
    await Promise.race([Promise.all(writing), late])
    given.abort()
  }

  let stopped: Promise<void> | undefined
  return {
    url: server.url,
    metricsUrl: `${server.url}/metrics`,
    stop() {
      if (stopped) return stopped
      isStopping = true
      for (const subscription of answering) subscription.stop()
      advance({ is: 'drain' })
      stopped = close()
      return stopped
    },
  }
}

/** Which loads of history are under way still: those of a bridge that is no more. */
function rememberLoad(underway: Map<string, FactData<'load.state'>>, { kind, fact }: StoredFact): void {
  if (kind === 'run.sealed') underway.delete(fact.subject)
  if (kind !== 'load.state') return
  if (fact.data.state === 'stopped' || fact.data.state === 'failed') underway.delete(fact.subject)
  else underway.set(fact.subject, fact.data)
}
