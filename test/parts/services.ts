import assert from 'node:assert/strict'
import { pino } from 'pino'
import { connectBus, newCommandKeys } from '#shared/bus-nats.ts'
import { systemClock } from '#shared/clock.ts'
import type { Service, StoredFact } from '#shared/events.ts'
import type { NatsLogin } from '#shared/nats-login.ts'
import { createMetrics } from '#shared/service.ts'
import { localDriver } from '../../services/injector/local-driver.ts'
import { startInjector } from '../../services/injector/service.ts'
import { schedulerApi } from '../../services/scheduler/api.ts'
import { takeEpoch } from '../../services/scheduler/epoch.ts'
import { soleLeader } from '../../services/scheduler/leadership.ts'
import { startScheduler, type SubmitOptions } from '../../services/scheduler/service.ts'
import type { HashedToken } from '../../services/scheduler/tokens-file.ts'
import { startSloEvaluator } from '../../services/slo-evaluator/service.ts'

const log = pino({ level: process.env['FAULTLINE_TEST_LOG'] ?? 'silent' })

export interface TestServicesOptions {
  /** How a service connects to NATS. */
  login: (service: Service) => NatsLogin
  stateFolder: string
  prometheusUrl: string
  /** Its descendants, and itself, may be touched. */
  parent: number
}

export type TestServices = Awaited<ReturnType<typeof startServices>>

/** The three services that a run without load needs, each on a connection of its own. */
export async function startServices({ login, stateFolder, prometheusUrl, parent }: TestServicesOptions) {
  const keys = newCommandKeys()
  const connect = (service: Service, secret: { signingSeed?: string } = {}) => connectBus({ ...login(service), service, log, commandKey: keys.commandKey, waitMs: 10_000, ...secret })
  const [scheduling, injecting, evaluating] = await Promise.all([connect('scheduler', { signingSeed: keys.signingSeed }), connect('injector'), connect('slo-evaluator')])
  const buses = { scheduler: scheduling, injector: injecting, evaluator: evaluating }
  const injector = await startInjector({ bus: buses.injector, node: 'n1', stateFolder, driver: localDriver(() => [{ name: 'worker', pid: parent }]), clock: systemClock, log, metrics: createMetrics('injector') })
  const evaluator = await startSloEvaluator({ bus: buses.evaluator, clock: systemClock, log, prometheus: { url: prometheusUrl } })
  const leadership = soleLeader(await takeEpoch(login('scheduler')))
  const startAScheduler = () => startScheduler({ bus: buses.scheduler, clock: systemClock, log, leadership, metrics: createMetrics('scheduler') })
  let scheduler = await startAScheduler()
  const served = new AsyncDisposableStack()
  return {
    /** The scheduler over HTTP, on loopback: its URL. */
    serveApi(token: string, port = 0, moreTokens: readonly HashedToken[] = []): Promise<string> {
      const api = schedulerApi({ scheduler, bus: buses.scheduler, token, moreTokens: () => moreTokens, metrics: createMetrics('scheduler') })
      served.defer(() => api.close())
      return api.listen({ host: '127.0.0.1', port })
    },
    submit: (document: unknown, options: SubmitOptions = {}) => scheduler.submit(document, options),
    abort: (run: string) => scheduler.abort(run, 'the test'),
    async restartScheduler() {
      await scheduler.stop()
      scheduler = await startAScheduler()
    },
    /** All facts of a run, from its first to its verdict; `onFact` is called as they come. */
    async facts(run: string, onFact: (stored: StoredFact) => void = () => undefined): Promise<StoredFact[]> {
      const facts: StoredFact[] = []
      await using following = buses.scheduler.follow({ run })
      for await (const next of following) {
        if (next.is === 'invalid') assert.fail(next.why)
        if (next.is !== 'fact') continue
        facts.push(next.stored)
        onFact(next.stored)
        if (next.stored.kind === 'run.judged') break
      }
      return facts
    },
    async [Symbol.asyncDispose]() {
      await served.disposeAsync()
      await scheduler.stop()
      await evaluator.stop()
      await injector.stop()
      await Promise.all(Object.values(buses).map(bus => bus.close()))
    },
  }
}
