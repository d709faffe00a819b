import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pino } from 'pino'
import { connectBus, newCommandKeys } from '#shared/bus-nats.ts'
import type { Bus } from '#shared/bus.ts'
import { systemClock } from '#shared/clock.ts'
import type { FactData, Service } from '#shared/events.ts'
import { createMetrics } from '#shared/service.ts'
import type { TestedService } from '#shared/tested-service.ts'
import { joinLeadership } from '../../services/scheduler/leadership.ts'
import { startScheduler, type Scheduler } from '../../services/scheduler/service.ts'
import { startApiSideAgent } from '../parts/api-side-agent.ts'
import { temporaryFolder } from '../parts/child.ts'
import { startNats, type Nats } from '../parts/nats.ts'
import { service } from '../parts/run-facts.ts'

/** Two real schedulers over a real nats-server, one of which leads: which services a run was on is stored once, by that one. */
const log = pino({ level: process.env['FAULTLINE_TEST_LOG'] ?? 'silent' })
const owned = new AsyncDisposableStack()
const keys = newCommandKeys()
let nats: Nats
let folder = ''
let bus: Bus
let leader: Scheduler

before(async () => {
  folder = owned.use(temporaryFolder('run-services')).path
  nats = owned.use(await startNats())
  const schedulers = [await startNamed('first'), await startNamed('second')]
  leader = schedulers.find(({ leadership }) => leadership.epoch()) ?? assert.fail('nobody leads')
  bus = await connect('scheduler')
})
after(() => owned.disposeAsync())

async function connect(name: Service): Promise<Bus> {
  const opened = await connectBus({ ...nats, service: name, log, waitMs: 10_000, ...keys })
  owned.defer(() => opened.close())
  return opened
}

async function startNamed(holder: string): Promise<Scheduler> {
  const metrics = createMetrics('scheduler')
  const own = await connect('scheduler')
  const leadership = await joinLeadership({ nats, replicas: 1, clock: systemClock, log, holder, address: () => undefined })
  const scheduler = await startScheduler({ bus: own, clock: systemClock, log, leadership, metrics })
  owned.defer(() => scheduler.stop())
  return scheduler
}

/** It waits in its first phase, for a fault that is not due: there it is aborted. */
const waits = {
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'waits' },
  faults: [{ kind: 'pause', target: { process: { match: 'worker' } }, at: '60s', duration: '1s' }],
  gates: [{ name: 'one', promql: { query: 'vector(1)', max: 2 } }],
}

type Recorded = Omit<FactData<'run.services'>, 'atMs'>

/** What is stored of a run that is aborted once `begun` holds, up to when `enough` holds. */
async function recordOf(run: string, { begun, enough }: { begun: (kind: string) => boolean; enough: (kind: string, recorded: readonly Recorded[]) => boolean }): Promise<Recorded[]> {
  const recorded: Recorded[] = []
  let isAborted = false
  await using facts = bus.follow({ run })
  for await (const next of facts) {
    if (next.is !== 'fact') continue
    if (next.stored.kind === 'run.services') {
      const { atMs, ...known } = next.stored.fact.data
      assert.ok(Math.abs(Date.now() - atMs) < 60_000)
      recorded.push(known)
    }
    if (!isAborted && begun(next.stored.kind)) isAborted = await leader.abort(run, 'the test')
    if (enough(next.stored.kind, recorded)) break
  }
  return recorded
}
const bothStored = { begun: (kind: string) => kind === 'run.services', enough: (_: string, recorded: readonly Recorded[]) => recorded.length === 2 }

/** Every fact of that type that is in the stream now. */
async function allOf(run: string): Promise<Recorded['when'][]> {
  const all: Recorded['when'][] = []
  await using facts = bus.follow({ run, types: ['run.services'] })
  for await (const next of facts) {
    if (next.is === 'caught-up') break
    if (next.is === 'fact' && next.stored.kind === 'run.services') all.push(next.stored.fact.data.when)
  }
  return all
}

const shop: TestedService[] = [service('shop', '1.4', '')]

test('where nobody can look, what was declared is stored as declared, as the run begins and as it ends; and nothing of a run that declares nothing', async () => {
  const silent = await leader.submit(waits)
  assert.deepEqual(await recordOf(silent, { begun: kind => kind === 'run.phase', enough: kind => kind === 'run.sealed' }), [])
  const declaring = await leader.submit(waits, { services: shop })
  assert.deepEqual(await recordOf(declaring, bothStored), [{ when: 'begin', services: shop, declared: true }, { when: 'end', services: shop, declared: true }])
  assert.deepEqual(await allOf(silent), [], 'nor later')
  assert.deepEqual(leader.runs().map(({ services }) => services), [{}, { begin: shop, end: shop }])
})

test('an agent that may look is asked as the run begins and as it ends, whatever was declared, and each is stored once', async () => {
  const [web, next] = [service('web', '1.4'), service('web', '1.5')]
  const agent = await startApiSideAgent({ bus: await connect('injector'), stateFolder: join(folder, 'agent'), log, services: [web] })
  owned.defer(() => agent.stop())
  await heard()
  const run = await leader.submit(waits, { services: shop })
  const recorded = await recordOf(run, {
    ...bothStored,
    begun(kind) {
      if (kind === 'run.services') agent.services = [web, next]
      return kind === 'run.services'
    },
  })
  assert.deepEqual(recorded, [{ when: 'begin', services: [web] }, { when: 'end', services: [web, next] }])

  agent.refuses = 'the API server does not answer'
  const blind = await leader.submit(waits, { services: shop })
  const why = await recordOf(blind, bothStored)
  assert.deepEqual(why.map(({ when, services, declared, unknown }) => [when, services, declared, /does not answer/.test(unknown ?? '')]), [['begin', [], undefined, true], ['end', [], undefined, true]])
  assert.match(leader.runs().at(-1)?.services.unknown ?? '', /does not answer/)
  assert.deepEqual([await allOf(run), await allOf(blind)], [['begin', 'end'], ['begin', 'end']], 'the scheduler on standby has stored none')
})

/** The agent tells every second that it is here; who has heard the next one, of all that listen, has heard this one. */
async function heard(): Promise<void> {
  const told = Promise.withResolvers<void>()
  let count = 0
  const hearing = bus.onSignal('agent', 'cluster', () => { if (++count === 2) told.resolve() })
  await told.promise
  hearing.stop()
}
