import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import { FaultlineError, messageOf } from '#shared/errors.ts'
import type { LoadSpec } from '#shared/experiment.ts'
import { runFields } from '#shared/log.ts'
import { printDuration } from '#shared/units.ts'
import type { Input } from './core.ts'
import { locustApi, LocustUnanswered, type LocustApi, type LocustStats } from './locust-api.ts'
import { shopLocustfile, type LocustProcess, type SpawnLocust } from './locust-process.ts'

/** There is neither a Locust nor a way to start one. */
export class NoLocust extends FaultlineError {
  readonly code = 'no_locust'
}

/** Locust's master is there, but none to make requests for it. */
export class NoLocustWorkers extends FaultlineError {
  readonly code = 'no_locust_workers'
}

/** Somebody else's test runs in the Locust that is there. */
export class LocustBusy extends FaultlineError {
  readonly code = 'locust_busy'
}

export interface GeneratorsOptions {
  spawnLocust?: SpawnLocust
  locustUrl?: string
  /** What the Locust at `locustUrl` asks for, if anything. */
  locustToken?: string | undefined
  /** Stores Locust's own statistics. */
  keep: (run: string, stats: LocustStats) => Promise<void>
  token: string
  bridgeUrl: string
  log: Logger
  tell: (input: Input) => void
}

/** What is done to Locust, one thing after another: a run's Locust is there only when the one of the run before is gone. */
export interface Generators {
  bring(run: string, load: LoadSpec): void
  swarm(run: string): void
  askStop(run: string): void
  keepStats(run: string): void
  end(run: string): void
  /** Stops what an earlier start of the bridge has left going in a Locust that lives on; one of its own has ended with it. */
  stopLeft(run: string): void
  poll(run: string): void
  /** Resolves when all that was asked for is done, or cannot be done now. */
  close(): Promise<void>
}

interface Generator { run: string; load: LoadSpec; api: LocustApi; process?: LocustProcess }

/** Locust answers from a cache for 2 s, longer when it is slow; so long may its last figures take. */
const finalStatsPatienceMs = 3_500
const finalStatsPauseMs = 200
/** A node of Kubernetes leads to a Service's pod some seconds after that is ready, and refuses connections before. */
const nobodyPatienceMs = 10_000
/** Workers that come at the same time as their master join it some seconds later. Less than the core waits for Locust (patience.startMs). */
const workersPatienceMs = 20_000
const againMs = 500
const stopAgainMs = 500

export function startGenerators({ spawnLocust, locustUrl, locustToken, keep, token, bridgeUrl, log, tell }: GeneratorsOptions): Generators {
  let present: Generator | undefined
  let last: Promise<void> = Promise.resolve()
  /** A test of ours that may go on in a Locust that lives on, since it gave no answer to its stop. */
  let left: LocustApi | undefined
  let isClosing = false
  const polls = new Set<string>()

  /** The failure of what is to be done breaks the load; the core says whether that still matters. */
  function enqueue(run: string, deed: () => Promise<void>): void {
    last = last.then(deed).catch((error: unknown) => {
      log.warn({ ...runFields(run), why: messageOf(error) }, 'Locust')
      tell({ is: 'broken', run, why: messageOf(error) })
    })
  }

  async function bring(run: string, load: LoadSpec): Promise<void> {
    if (spawnLocust) {
      const process = await spawnLocust({ FAULTLINE_BRIDGE_URL: bridgeUrl, FAULTLINE_BRIDGE_TOKEN: token }, load.locustfile ?? shopLocustfile, load.host)
      present = { run, load, api: locustApi(process.apiUrl), process }
      void process.ended.then(how => tell({ is: 'broken', run, why: `Locust ended: ${how}` }))
    } else if (locustUrl !== undefined) {
      await stopLeftTest()
      const api = locustApi(locustUrl, { token: locustToken })
      const { state } = await withWorkers(api, locustUrl, {
        isClosing: () => isClosing,
        onNobodyThere: () => log.info(runFields(run), `nobody is at Locust's address; it is asked again for ${printDuration(nobodyPatienceMs)}`),
        onAnswer: waitedMs => log.info({ ...runFields(run), waitedMs }, 'somebody is at Locust\'s address now'),
      })
      if (isTesting(state)) throw new LocustBusy(`Locust at ${locustUrl} is running a test of its own ("${state}"); stop that first`)
      present = { run, load, api } // not before: what is not ours is not ours to stop
    } else {
      throw new NoLocust('no Locust is configured; set locust.url')
    }
    tell({ is: 'there', run })
  }

  async function end(run: string): Promise<void> {
    if (present?.run !== run) return // it never came to be
    const { api, process } = present
    present = undefined
    if (process) return await process.stop()
    await stopTest(run, api) // one that is there already goes on living: its test must not
  }

  /** Asked again until it is obeyed, or the bridge ends: what broke the load may be what keeps Locust from answering, and nobody else would end it. */
  async function stopTest(run: string, api: LocustApi): Promise<void> {
    left = api
    await stopLeftTest().catch((error: unknown) => {
      log.warn({ ...runFields(run), why: messageOf(error) }, 'Locust has not ended its test; it is asked again until it does')
      stopLeftTestLater()
    })
  }

  async function stopLeftTest(): Promise<void> {
    await left?.stop()
    left = undefined
  }

  /** In its turn, so that it never reaches the test of a later run. */
  function stopLeftTestLater(): void {
    if (!isClosing) setTimeout(() => { last = last.then(stopLeftTest).catch(stopLeftTestLater) }, stopAgainMs).unref()
  }

  const ours = (run: string): Generator => {
    if (present?.run !== run) throw new NoLocust(`the Locust of ${run} is gone`)
    return present
  }

  return {
    bring: (run, load) => enqueue(run, () => bring(run, load)),
    swarm: run => enqueue(run, async () => {
      const { api, load } = ours(run)
      await api.swarm(load)
      tell({ is: 'swarmed', run })
    }),
    askStop: run => enqueue(run, async () => {
      await ours(run).api.stop()
      tell({ is: 'stop-answered', run })
    }),
    keepStats: run => enqueue(run, async () => {
      try {
        await keep(run, await finalStats(ours(run).api))
      } catch (error) {
        log.warn({ ...runFields(run), why: messageOf(error) }, 'Locust\'s own statistics could not be kept')
      }
      tell({ is: 'kept', run }) // they decide nothing: the samples do
    }),
    end: run => enqueue(run, () => end(run)),
    stopLeft: run => enqueue(run, async () => {
      if (!spawnLocust && locustUrl !== undefined) await stopTest(run, locustApi(locustUrl, { token: locustToken }))
    }),
    poll(run) {
      if (present?.run !== run || polls.has(run)) return
      polls.add(run)
      present.api.stats().then(({ state }) => tell({ is: 'polled', run, locust: state }), (error: unknown) => {
        log.debug({ ...runFields(run), why: messageOf(error) }, 'Locust was not to be asked') // a Locust that is gone sends no samples either
      }).finally(() => polls.delete(run))
    },
    async close() {
      isClosing = true
      last = last.then(stopLeftTest).catch((error: unknown) => log.error({ why: messageOf(error) }, 'Locust may go on with its test; end it by hand'))
      for (let seen; seen !== last;) {
        seen = last
        await seen
      }
    },
  }
}

const isTesting = (state: string): boolean => state === 'spawning' || state === 'running' || state === 'stopping' || state === 'cleanup'

/** What is told of the waiting: each once, and only where there was nobody at first. */
interface Waiting { isClosing: () => boolean; onNobodyThere: () => void; onAnswer: (waitedMs: number) => void }

/** What it says once it can run a test: it has to be there, and a master needs a worker. */
async function withWorkers(api: LocustApi, url: string, { isClosing, onNobodyThere, onAnswer }: Waiting): Promise<LocustStats> {
  const beganAt = performance.now()
  const isTooLate = (patienceMs: number) => isClosing() || performance.now() - beganAt >= patienceMs
  let isNobodyThere = false
  for (;;) {
    try {
      const stats = await api.stats()
      if (isNobodyThere) onAnswer(Math.round(performance.now() - beganAt))
      isNobodyThere = false
      if (!stats.workers || stats.workers.some(({ state }) => state !== 'missing')) return stats
      if (isTooLate(workersPatienceMs)) throw new NoLocustWorkers(`no worker has joined the Locust at ${url} within ${printDuration(workersPatienceMs)}; see the log of its workers`)
    } catch (error) {
      if (!(error instanceof LocustUnanswered && error.isNobodyThere) || isTooLate(nobodyPatienceMs)) throw error
      if (!isNobodyThere) onNobodyThere()
      isNobodyThere = true
    }
    await delay(againMs)
  }
}

/**
 * Figures that say "stopped" were counted after the stop: all earlier ones come from the cache. Those of workers are in them, because
 * k8s/locust/faultline_listeners.py has each worker report once more before it says that it has stopped.
 */
async function finalStats(api: LocustApi): Promise<LocustStats> {
  const givenUpAt = performance.now() + finalStatsPatienceMs
  for (;;) {
    const stats = await api.stats()
    if (!isTesting(stats.state) || performance.now() >= givenUpAt) return stats
    await delay(finalStatsPauseMs)
  }
}
