import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { pino } from 'pino'
import { connectBus, newCommandKeys } from '#shared/bus-nats.ts'
import { systemClock } from '#shared/clock.ts'
import type { FactData, Service, StoredFact } from '#shared/events.ts'
import { createMetrics } from '#shared/service.ts'
import { judge } from '#shared/verdict.ts'
import type { Driver } from '../../services/injector/driver.ts'
import { startInjector } from '../../services/injector/service.ts'
import { joinLeadership } from '../../services/scheduler/leadership.ts'
import { startScheduler } from '../../services/scheduler/service.ts'
import { temporaryFolder } from '../parts/child.ts'
import { startNats } from '../parts/nats.ts'
import { until } from '../parts/until.ts'

const log = pino({ level: process.env['FAULTLINE_TEST_LOG'] ?? 'silent' })

const pod = (node: string) => ({ id: `pod:${node}`, pod: { namespace: 'shop', name: `web-${node}`, uid: node, node }, description: `shop/web-${node}` })
/** Only what the Kubernetes API and a container runtime would say and do is made up. */
const apiSide: Driver = {
  kinds: [], plan: () => Promise.resolve([]), prepare: () => Promise.resolve([]),
  resolve: () => Promise.resolve({ peers: [], targets: ['n1', 'n2'].map(agent => ({ agent, voucher: '', target: pod(agent) })) }),
}
const ofNode: Driver = {
  kinds: ['container-kill'], plan: () => Promise.resolve([]),
  prepare: ({ targets }) => Promise.resolve(targets.map(() => ({ undo: { undo: 'nothing' as const }, act: () => Promise.resolve({ verified: true, readBack: ['gone'] }) }))),
}

const experiment = {
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'two-nodes' }, hold: '2s', recovery: { within: '1s', stable: '200ms' },
  faults: [{ kind: 'container-kill', target: { pods: { namespace: 'shop', labels: { app: 'web' }, pick: 'all' } } }],
  gates: [{ name: 'one', promql: { query: 'vector(1)', max: 2 } }],
}

test('a fault that one of two nodes refuses unheard, since its agent has another key, ends the run as unconfirmed; with the right key it goes on', { timeout: 60_000 }, async () => {
  await using owned = new AsyncDisposableStack()
  const { path: folder } = owned.use(temporaryFolder('partial-fault'))
  const nats = owned.use(await startNats())
  const keys = newCommandKeys()
  const connect = async (service: Service, own = keys) => {
    const bus = await connectBus({ ...nats, service, log, waitMs: 10_000, ...own })
    owned.defer(() => bus.close())
    return bus
  }
  const leadership = await joinLeadership({ nats, replicas: 1, clock: systemClock, log, holder: 'one', address: () => undefined })
  const scheduler = await startScheduler({ bus: await connect('scheduler'), clock: systemClock, log, leadership, metrics: createMetrics('scheduler') })
  owned.defer(() => scheduler.stop())
  const startAgent = async (node: string, driver: Driver, own = keys) => {
    const agent = await startInjector({ bus: await connect('injector', own), node, stateFolder: join(folder, node), driver, clock: systemClock, log, metrics: createMetrics('injector') })
    owned.defer(() => agent.stop())
    return agent
  }
  await startAgent('cluster', apiSide)
  await startAgent('n1', ofNode)
  const stranger = await startAgent('n2', ofNode, newCommandKeys())
  const bus = await connect('scheduler')
  const heard = new Set<string>()
  const presence = bus.onSignal('agent', '*', ({ node }) => void heard.add(node))
  owned.defer(() => presence.stop())

  /** What came of a run: up to its abort, or to where it recovers. */
  async function begun(): Promise<{ injectedOn: string[]; abort: FactData<'run.aborting'> | undefined; verdict: string }> {
    await until('the agents are heard', () => ['n1', 'n2', 'cluster'].every(node => heard.has(node)), 10_000)
    await using facts = bus.follow({ run: await scheduler.submit(experiment) })
    const stored: StoredFact[] = []
    for await (const next of facts) {
      if (next.is !== 'fact') continue
      stored.push(next.stored)
      if (next.stored.kind === 'run.aborting' || (next.stored.kind === 'run.phase' && next.stored.fact.data.phase === 'recover')) break
    }
    return {
      injectedOn: stored.flatMap(fact => fact.kind === 'fault.injected' ? [fact.fact.data.node] : []),
      abort: stored.flatMap(fact => fact.kind === 'run.aborting' ? [fact.fact.data] : [])[0],
      verdict: judge(stored).verdict,
    }
  }

  const partly = await begun()
  assert.deepEqual(partly.injectedOn, ['n1'])
  assert.deepEqual([partly.abort?.cause, partly.abort?.detail, partly.verdict], ['unconfirmed', '1-container-kill was never confirmed as injected on n2', 'inconclusive'])

  await stranger.stop()
  await startAgent('n2', ofNode)
  const whole = await begun()
  assert.deepEqual([whole.injectedOn.toSorted(), whole.abort], [['n1', 'n2'], undefined])
})
