import { isDeepStrictEqual } from 'node:util'
import { EventsV1Api, V1MicroTime, type KubeConfig, type KubernetesObject } from '@kubernetes/client-node'
import type { Logger } from 'pino'
import type { Clock } from '#shared/clock.ts'
import { messageOf } from '#shared/errors.ts'
import type { StoredFact } from '#shared/events.ts'
import { codeOf } from '#shared/kubernetes-answer.ts'
import type { RunState } from './core.ts'
import { customObjects, watchObjects } from './custom-objects.ts'
import { printOrigin, problemsIn, readExperimentObject, readOrigin, runNameOf, statusOf, wasSubmitted, type ExperimentObject, type ExperimentStatus, type Finding, type Origin } from './experiment-object.ts'
import { eventsOf, type EventToSend } from './kubernetes-events.ts'
import { Halted, LoadBusy, NotLeading, type Scheduler } from './service.ts'

const againMs = 1_000
/** Longer than a change of leaders takes: what the old one may not have told any more, the new one tells. */
const untoldMs = 10_000

export interface ControllerOptions {
  kubernetes: KubeConfig
  scheduler: Scheduler
  /** Who says it, in Events. */
  instance: string
  clock: Clock
  log: Logger
}

export interface Controller { stop(): Promise<void> }

/**
 * Experiments as objects of Kubernetes: each is run once, its status follows the run, and Events tell of its faults where they are. Every scheduler
 * watches; the one that leads acts. Objects bear no finalizer, so that nothing can hang on one: that an object is gone is seen by the watch, or by
 * looking for it; its run is aborted then, and if nobody looks, there are no heartbeats either, and the leases end the faults.
 */
export async function startExperimentController({ kubernetes, scheduler, instance, clock, log }: ControllerOptions): Promise<Controller> {
  const objects = customObjects(kubernetes, 'experiments')
  const eventApi = kubernetes.makeApiClient(EventsV1Api)
  const written = new Map<string, ExperimentStatus>()
  const dirty = new Set<string>()
  const untold: { event: EventToSend; seenMs: number }[] = []
  let draining: Promise<void> | undefined
  let wasLeading = false
  const stopping = new AbortController()
  const leads = () => scheduler.leadership.epoch() !== undefined

  const watched = watchObjects(kubernetes, 'experiments', { log, onChange: schedule, onDelete({ metadata }) {
    written.delete(metadata?.uid ?? '')
    void abortRunsOf(({ uid }) => uid === metadata?.uid, 'the deletion of its Experiment')
  } })

  function schedule({ metadata }: KubernetesObject): void {
    if (metadata?.name === undefined) return
    dirty.add(`${metadata.namespace}/${metadata.name}`)
    if (leads()) draining ??= drain().finally(() => { draining = undefined })
  }

  /** One object after another; what fails is tried again with the next tick. */
  async function drain(): Promise<void> {
    for (let key = first(dirty); key !== undefined && leads() && !stopping.signal.aborted; key = first(dirty)) {
      dirty.delete(key)
      const [namespace = '', name = ''] = key.split('/')
      const found = watched.get({ namespace, name })
      const object = readExperimentObject(found)
      if (found && !object) log.error({ experiment: key }, 'the API server gave something that is no Experiment')
      if (object) await reconcile(object).catch((error: unknown) => {
        log.warn({ experiment: key, why: messageOf(error) }, 'the Experiment could not be brought up to date; tried again')
        setTimeout(() => schedule({ metadata: { namespace: object.metadata.namespace, name } }), againMs).unref()
      })
    }
  }

  async function reconcile(object: ExperimentObject): Promise<void> {
    const { uid, generation } = object.metadata
    await abortRunsOf(origin => origin.uid === uid && origin.generation !== generation, 'a change of its Experiment')
    const finding = await find(object)
    const previous = written.get(uid) ?? object.status
    const status = statusOf(object, finding, previous, clock.nowMs())
    if (isDeepStrictEqual(status, previous)) return
    await objects.writeStatus(object.metadata, status, ['runId', 'verdict', 'startedAt', 'completedAt'])
    written.set(uid, status)
  }

  async function find(object: ExperimentObject): Promise<Finding> {
    const run = runNameOf(object)
    const known = scheduler.runs().find(state => state.run === run)
    if (known) return { is: 'run', state: known }
    if (wasSubmitted(object)) return { is: 'lost' }
    const problems = problemsIn(object.document)
    if (problems.length > 0) return { is: 'refused', problems }
    const ending = activeRuns().find(({ origin }) => origin?.uid === object.metadata.uid)
    if (ending) return { is: 'waiting', reason: 'EarlierRunEnds', message: `the run ${ending.state.run} of its earlier generation is being aborted` }
    try {
      await scheduler.submit(object.document, { run, file: printOrigin(object) })
    } catch (error) {
      if (error instanceof Halted) return { is: 'waiting', reason: 'Halted', message: error.message }
      if (error instanceof LoadBusy) return { is: 'waiting', reason: 'LoadGeneratorBusy', message: error.message }
      throw error
    }
    const begun = await scheduler.arrival(run, 0)
    return begun ? { is: 'run', state: begun } : { is: 'waiting', reason: 'Submitted', message: 'it was submitted' }
  }

  const activeRuns = () => scheduler.runs().filter(({ sealedAtMs }) => sealedAtMs === undefined).map(state => ({ state, origin: readOrigin(state.file) }))

  async function abortRunsOf(isMeant: (origin: Origin) => boolean, by: string): Promise<void> {
    const meant = activeRuns().flatMap(({ state, origin }) => origin && isMeant(origin) && !state.abort ? [state.run] : [])
    await Promise.all(meant.map(run => scheduler.abort(run, by).catch((error: unknown) => {
      if (!(error instanceof NotLeading)) log.error({ run, why: messageOf(error) }, 'the run could not be aborted; tried again')
    })))
  }

  /** The watch of a new leader may have begun after the object was gone, or may lag behind: the API server is asked before a run is ended for it. */
  async function endOrphans(): Promise<void> {
    if (!watched.isSynced()) return
    for (const { state, origin } of activeRuns()) {
      if (!origin || state.abort || watched.get(origin)?.metadata?.uid === origin.uid) continue
      if (readExperimentObject(await objects.read(origin))?.metadata.uid !== origin.uid) await abortRunsOf(({ uid }) => uid === origin.uid, 'the deletion of its Experiment')
    }
  }

  const facts = scheduler.onFact((stored: StoredFact, state: RunState) => {
    const origin = readOrigin(state.file)
    if (origin) schedule({ metadata: origin })
    const seenMs = clock.monotonicMs()
    for (const event of eventsOf(stored, origin)) {
      if (leads()) void send(event)
      else untold.push({ event, seenMs })
    }
    while (untold[0] && untold[0].seenMs < seenMs - untoldMs) untold.shift()
  })

  async function send({ namespace, name, regarding, type, reason, action, note, atMs }: EventToSend): Promise<void> {
    try {
      await eventApi.createNamespacedEvent({ namespace, body: {
        metadata: { name, namespace }, regarding, type, reason, action, note, eventTime: new V1MicroTime(new Date(atMs)),
        reportingController: 'faultline.dev/scheduler', reportingInstance: instance,
      } })
    } catch (error) {
      if (codeOf(error) !== 409) log.warn({ regarding: `${regarding.kind} ${namespace}/${regarding.name}`, reason, why: messageOf(error) }, 'an Event could not be made')
    }
  }

  const ticking = setInterval(() => {
    const leading = leads()
    if (leading) {
      if (!wasLeading) {
        for (const { event, seenMs } of untold.splice(0)) if (seenMs > clock.monotonicMs() - untoldMs) void send(event)
        for (const object of watched.all()) schedule(object)
      }
      for (const object of watched.all()) if (readExperimentObject(object)?.status?.phase === 'Waiting') schedule(object)
      endOrphans().catch((error: unknown) => log.warn({ why: messageOf(error) }, 'it could not be found out whether the Experiments of all runs are there'))
    }
    wasLeading = leading
  }, againMs)

  await watched.start()
  return {
    async stop() {
      stopping.abort()
      clearInterval(ticking)
      facts.stop()
      await watched.stop()
      await draining
    },
  }
}

const first = <T>(set: ReadonlySet<T>): T | undefined => set.values().next().value
