import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { pino, type Logger } from 'pino'
import type { Bus } from '#shared/bus.ts'
import { connectBus, newCommandKeys } from '#shared/bus-nats.ts'
import { systemClock } from '#shared/clock.ts'
import { createLog } from '#shared/log.ts'
import { createMetrics } from '#shared/service.ts'
import { startInjector } from '../../injector/service.ts'
import { schedulerApi } from '../../scheduler/api.ts'
import { takeEpoch } from '../../scheduler/epoch.ts'
import { startScheduler } from '../../scheduler/service.ts'
import { startSloEvaluator } from '../../slo-evaluator/service.ts'
import { freePort } from '#shared/process/free-port.ts'
import { natsServerPlan } from '../parts/nats-server.ts'
import { prometheusPlan, untilScraped, type ScrapeTarget } from '../parts/prometheus.ts'
import { ChildFailed, Children } from '#shared/process/children.ts'
import { announceSession, forgetSessionsFolder, newSessionFolder } from './folder.ts'

export interface ProcessParent { name: string; pid: number }

export interface SessionOptions {
  /** Processes whose descendants may be touched; may grow while the session lives. */
  parents: ProcessParent[]
  /** A Prometheus that is there already; without it the session starts one. */
  prometheusUrl?: string
  scrape: ScrapeTarget[]
}

/** The services in this process, over a real nats-server; everything ends with the process, however it ends. */
export interface Session extends AsyncDisposable {
  apiUrl: string
  token: string
  bus: Bus
  children: Children
  folder: string
}

/** Starts the parts in the order in which they need each other. `prepare` starts what the session is to test, first. */
export async function startSession(options: SessionOptions, prepare?: (children: Children, folder: string) => Promise<void>): Promise<Session> {
  const folder = newSessionFolder()
  const children = new Children(folder)
  await using unfinished = new AsyncDisposableStack()
  unfinished.defer(async () => {
    await children.close()
    forgetSessionsFolder()
  })
  await prepare?.(children, folder)
  const log = createLog('faultline', { destination: pino.destination({ dest: join(folder, 'faultline.log'), sync: true }) })
  const token = randomBytes(24).toString('base64url')

  const natsToken = randomBytes(24).toString('base64url')
  const nats = { token: natsToken, port: await onFreePort(port => children.start(natsServerPlan({ folder, port, token: natsToken }))) }
  const keys = newCommandKeys()
  const connect = async (service: string, secrets: { signingSeed?: string } = {}) => {
    const bus = await connectBus({ servers: `127.0.0.1:${nats.port}`, token: nats.token, service, log: log.child({ service }), commandKey: keys.commandKey, ...secrets })
    unfinished.defer(() => bus.close())
    return bus
  }
  const service = (name: string): { log: Logger; clock: typeof systemClock; metrics: ReturnType<typeof createMetrics> } =>
    ({ log: log.child({ service: name }), clock: systemClock, metrics: createMetrics(name) })

  const prometheusUrl = options.prometheusUrl ?? await startPrometheus(children, folder, options.scrape)
  const evaluator = await startSloEvaluator({ ...service('slo-evaluator'), bus: await connect('slo-evaluator'), prometheus: { url: prometheusUrl } })
  unfinished.defer(() => evaluator.stop())

  const stateFolder = join(folder, 'injector')
  mkdirSync(stateFolder, { recursive: true })
  const injector = await startInjector({ ...service('injector'), bus: await connect('injector'), node: 'local', stateFolder, parents: () => options.parents })
  unfinished.defer(() => injector.stop())

  const bus = await connect('scheduler', { signingSeed: keys.signingSeed })
  const epoch = await takeEpoch({ servers: `127.0.0.1:${nats.port}`, token: nats.token })
  const own = service('scheduler')
  const scheduler = await startScheduler({ ...own, bus, epoch })
  unfinished.defer(() => scheduler.stop())
  const api = schedulerApi({ scheduler, bus, token, metrics: own.metrics })
  unfinished.defer(() => api.close())
  const apiUrl = await api.listen({ host: '127.0.0.1', port: 0 })
  announceSession(folder, { pid: process.pid, apiUrl, token })

  const owned = unfinished.move()
  return { apiUrl, token, bus, children, folder, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** A port that was free may be taken a moment later by somebody else: then another is tried. */
async function onFreePort(start: (port: number) => Promise<unknown>): Promise<number> {
  for (let triesLeft = 3; ; triesLeft--) {
    const port = await freePort()
    try {
      await start(port)
      return port
    } catch (error) {
      if (!(error instanceof ChildFailed) || triesLeft === 1) throw error
    }
  }
}

async function startPrometheus(children: Children, folder: string, targets: ScrapeTarget[]): Promise<string> {
  const port = await onFreePort(candidate => children.start(prometheusPlan({ folder, port: candidate, targets })))
  await untilScraped(`http://127.0.0.1:${port}`, targets.length)
  return `http://127.0.0.1:${port}`
}
