import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { pino, type Logger } from 'pino'
import type { Registry } from 'prom-client'
import { connectBus, newCommandKeys } from '#shared/bus-nats.ts'
import { systemClock, type Clock } from '#shared/clock.ts'
import type { Service } from '#shared/events.ts'
import { haltFiles as findIn } from '#shared/halt-file.ts'
import { createLog } from '#shared/log.ts'
import type { Children } from '#shared/process/children.ts'
import { connectPrometheus, type Prometheus } from '#shared/prometheus.ts'
import { createMetrics, serveHealth, showConnection } from '#shared/service.ts'
import { signerOf } from '#shared/signing-key.ts'
import { localDriver } from '../../injector/local-driver.ts'
import { tellingOfHalts } from '../../injector/halt-telling.ts'
import { startInjector } from '../../injector/service.ts'
import { spawnLocustIn } from '../../locust-bridge/locust-process.ts'
import { startLocustBridge } from '../../locust-bridge/service.ts'
import { schedulerApi } from '../../scheduler/api.ts'
import { takeEpoch } from '../../scheduler/epoch.ts'
import { recordHalts } from '../../scheduler/halt-record.ts'
import { soleLeader } from '../../scheduler/leadership.ts'
import { startPolicies } from '../../scheduler/policies.ts'
import { startScheduler } from '../../scheduler/service.ts'
import { startProber } from '../../prober/service.ts'
import { startSloEvaluator } from '../../slo-evaluator/service.ts'
import type { ScrapeTarget } from '../parts/prometheus.ts'
import { journalFolder, type LocalServices, type ServicesOptions } from './services.ts'

const listen = { host: '127.0.0.1', port: 0 }

/** The services in this process, each with a connection, metrics and a port of its own, as they have when they are processes. */
export async function startEmbeddedServices({ folder, nats, parents, endpointsFolder, token, verdictSeed, haltFiles, children }: ServicesOptions & { children: Children }): Promise<LocalServices> {
  await using unfinished = new AsyncDisposableStack()
  const log = createLog('faultline', { destination: pino.destination({ dest: join(folder, 'faultline.log'), sync: true }) })
  const keys = newCommandKeys()
  const findHalt = findIn(haltFiles)
  const scrape: ScrapeTarget[] = []
  const begin = async (name: Service, secrets: { signingSeed?: string } = {}) => {
    const context: { log: Logger; clock: Clock; metrics: Registry } = { log: log.child({ service: name }), clock: systemClock, metrics: createMetrics(name) }
    const bus = await connectBus({ ...nats, service: name, log: context.log, commandKey: keys.commandKey, ...secrets })
    unfinished.defer(() => bus.close())
    showConnection(context.metrics, bus)
    return { ...context, bus }
  }
  const scrapeAt = (job: Service, url: string, more: Partial<ScrapeTarget> = {}) => scrape.push({ job, address: new URL(url).host, ...more })
  const serve = async (job: Service, metrics: Registry, ready: () => boolean) => {
    const server = await serveHealth({ ...listen, metrics, ready })
    unfinished.defer(() => server.stop())
    scrapeAt(job, server.url)
  }

  const stateFolder = join(folder, journalFolder)
  mkdirSync(stateFolder, { recursive: true })
  const agent = await begin('injector')
  const injector = await startInjector({ ...agent, node: 'local', stateFolder, findHalt: tellingOfHalts({ ...agent, node: 'local', findHalt }), driver: localDriver(() => parents) })
  unfinished.defer(() => injector.stop())
  await serve('injector', agent.metrics, () => injector.ready())

  const bridge = await startLocustBridge({ ...await begin('locust-bridge'), listen, token, findHalt, spawnLocust: spawnLocustIn(children, folder) })
  unfinished.defer(() => bridge.stop())
  scrapeAt('locust-bridge', bridge.metricsUrl)

  const leader = await begin('scheduler', { signingSeed: keys.signingSeed })
  const scheduler = await startScheduler({ ...leader, findHalt, leadership: soleLeader(await takeEpoch(nats)) })
  unfinished.defer(() => scheduler.stop())
  const halts = recordHalts({ ...leader, findHalt, leads: () => scheduler.leadership.epoch() !== undefined })
  unfinished.defer(() => halts.stop())
  let budgets: Prometheus | undefined
  const policies = await startPolicies({ ...leader, scheduler, prometheus: () => budgets })
  unfinished.defer(() => policies.stop())
  const api = schedulerApi({ scheduler, bus: leader.bus, token, metrics: leader.metrics, policies, log: leader.log })
  unfinished.defer(() => api.close())
  const apiUrl = await api.listen(listen)
  scrapeAt('scheduler', apiUrl, { bearerToken: token })

  const looking = await begin('prober')
  const prober = await startProber({ ...looking, node: 'local', endpointsFolder, findHalt })
  unfinished.defer(() => prober.stop())
  await serve('prober', looking.metrics, () => looking.bus.connected)

  const judge = await begin('slo-evaluator')
  await serve('slo-evaluator', judge.metrics, () => judge.bus.connected)
  const owned = unfinished.move()
  return {
    apiUrl, scrape, loadMetricsUrl: bridge.metricsUrl,
    async startEvaluator(prometheus) {
      const signer = signerOf(verdictSeed)
      const evaluator = await startSloEvaluator({ ...judge, prometheus, signer: () => signer })
      owned.defer(() => evaluator.stop())
      const asked = connectPrometheus(prometheus)
      budgets = asked
      owned.defer(() => asked.close())
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
