import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import { connectBus, newCommandKeys } from '#shared/bus-nats.ts'
import type { Bus } from '#shared/bus.ts'
import { systemClock } from '#shared/clock.ts'
import type { NatsLogin } from '#shared/nats-login.ts'
import { createMetrics } from '#shared/service.ts'
import { ApiClient } from '../../services/cli/api-client.ts'
import { schedulerApi, type SchedulerApiOptions } from '../../services/scheduler/api.ts'
import { takeEpoch } from '../../services/scheduler/epoch.ts'
import { soleLeader } from '../../services/scheduler/leadership.ts'
import { startScheduler, type Scheduler, type SchedulerOptions } from '../../services/scheduler/service.ts'

/** Opens everything, unless the test gives another. */
export const apiToken = 'api-token'

/** A real scheduler on a real nats-server, with nobody else there: its runs wait for an agent. Disposal ends it, and leaves the server. */
export interface ServedScheduler extends AsyncDisposable {
  bus: Bus
  scheduler: Scheduler
  api: FastifyInstance
  url: string
  client: ApiClient
}

type Options = Pick<SchedulerOptions, 'findHalt'> & Omit<Partial<SchedulerApiOptions>, 'scheduler' | 'bus' | 'metrics'>

/** On a free port of loopback. */
export async function serveScheduler(nats: NatsLogin, { findHalt, ...more }: Options = {}): Promise<ServedScheduler> {
  const log = pino({ level: 'silent' })
  await using unfinished = new AsyncDisposableStack()
  const bus = await connectBus({ ...nats, service: 'scheduler', log, ...newCommandKeys() })
  unfinished.defer(() => bus.close())
  const metrics = createMetrics('scheduler')
  const scheduler = await startScheduler({ bus, clock: systemClock, log, leadership: soleLeader(await takeEpoch(nats)), metrics, ...(findHalt && { findHalt }) })
  unfinished.defer(() => scheduler.stop())
  const api = schedulerApi({ scheduler, bus, token: apiToken, metrics, ...more })
  unfinished.defer(() => api.close())
  const url = await api.listen({ host: '127.0.0.1', port: 0 })
  const owned = unfinished.move()
  return { bus, scheduler, api, url, client: new ApiClient({ apiUrl: url, token: apiToken }), [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** It does nothing until it is told to. */
export const quietExperiment = (name: string, more: object = {}): object => ({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name }, faults: [], hold: '60s', gates: [{ name: 'one', promql: { query: 'vector(1)', max: 2 } }], ...more,
})
