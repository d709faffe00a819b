import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pino } from 'pino'
import { connectBus, newCommandKeys } from '#shared/bus-nats.ts'
import { systemClock } from '#shared/clock.ts'
import type { Coverage } from '#shared/coverage.ts'
import type { Service } from '#shared/events.ts'
import { createMetrics } from '#shared/service.ts'
import { ApiClient } from '../../services/cli/api-client.ts'
import { schedulerApi } from '../../services/scheduler/api.ts'
import { takeEpoch } from '../../services/scheduler/epoch.ts'
import { soleLeader } from '../../services/scheduler/leadership.ts'
import { startScheduler } from '../../services/scheduler/service.ts'
import { startSloEvaluator } from '../../services/slo-evaluator/service.ts'
import { startApiSideAgent } from '../parts/api-side-agent.ts'
import { temporaryFolder } from '../parts/child.ts'
import { startNats, type Nats } from '../parts/nats.ts'
import { startPrometheus } from '../parts/prometheus.ts'
import { service } from '../parts/run-facts.ts'
import { until } from '../parts/until.ts'

/** Scheduler, agent and evaluator over a real nats-server and a real Prometheus; the Kubernetes API alone is not there. */
const token = 'api-token'
const log = pino({ level: process.env['FAULTLINE_TEST_LOG'] ?? 'silent' })
const owned = new AsyncDisposableStack()
const keys = newCommandKeys()
let nats: Nats
let folder = ''
let first: Awaited<ReturnType<typeof startFirst>>
const [web, db] = [service('web', '1.4'), service('db', '16')]

before(async () => {
  folder = owned.use(temporaryFolder('coverage')).path
  nats = owned.use(await startNats())
  const prometheus = owned.use(await startPrometheus([]))
  first = owned.use(await startFirst())
  owned.use(await connected('slo-evaluator', bus => startSloEvaluator({ bus, clock: systemClock, log, prometheus: { url: prometheus.url } })))
})
after(() => owned.disposeAsync())

/** A service on a connection of its own, which ends with it. */
async function connected<T extends { stop(): Promise<void> }>(name: Service, start: (bus: Awaited<ReturnType<typeof connectBus>>) => Promise<T>): Promise<T & AsyncDisposable> {
  const bus = await connectBus({ ...nats, service: name, log, commandKey: keys.commandKey, waitMs: 10_000, ...(name === 'scheduler' && { signingSeed: keys.signingSeed }) })
  const started = await start(bus)
  return Object.assign(started, {
    async [Symbol.asyncDispose]() {
      await started.stop()
      await bus.close()
    },
  })
}

const startFirst = () => connected('scheduler', async bus => {
  const metrics = createMetrics('scheduler')
  const scheduler = await startScheduler({ bus, clock: systemClock, log, leadership: soleLeader(await takeEpoch(nats)), metrics })
  const api = schedulerApi({ scheduler, bus, token, metrics })
  const url = await api.listen({ host: '127.0.0.1', port: 0 })
  const client = new ApiClient({ apiUrl: url, token })
  return {
    url, client, scheduler,
    metrics: async () => (await metrics.metrics()).split('\n').filter(line => line.startsWith('faultline_coverage')),
    async stop() {
      await api.close()
      await scheduler.stop()
    },
  }
})

const startAgent = () => connected('injector', bus => startApiSideAgent({ bus, stateFolder: join(folder, 'agent'), log, services: [web, db] }))

const podKill = (app: string) => ({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'pod-loss' },
  faults: [{ kind: 'pod-kill', target: { pods: { namespace: 'shop', labels: { app } } } }],
  gates: [{ name: 'one', promql: { query: 'vector(1)', min: 1 } }],
  hold: '3s', recovery: { within: '10s', stable: '1s' },
})

/** As soon as the coverage is so; asked over HTTP. */
async function untilCovered(what: string, holds: (coverage: Coverage) => boolean, { client = first.client, staleAfter = '168h' } = {}): Promise<Coverage> {
  let coverage = await client.coverage(staleAfter)
  await until(what, async () => holds(coverage = await client.coverage(staleAfter)), 30_000, { lookMs: 50, now: () => JSON.stringify(coverage) })
  return coverage
}

async function untilJudged(app: string, onInjected: () => void = () => undefined): Promise<string> {
  const run = await first.client.submit(podKill(app), 'a test')
  for await (const { kind } of first.client.facts(run, AbortSignal.timeout(60_000))) if (kind === 'fault.injected') onInjected()
  return run
}

test('without an agent that knows the cluster it says so, and asks nobody', async () => {
  const { services, kinds, discoveredAtMs, unknown } = await first.client.coverage()
  assert.deepEqual([services, kinds, discoveredAtMs], [[], [], null])
  assert.match(unknown ?? '', /no agent that may use the Kubernetes API is alive/)
  assert.deepEqual(await first.metrics(), ['passed', 'failed', 'inconclusive', 'stale', 'unknown'].map(state => `faultline_coverage_cells{state="${state}",service="scheduler"} 0`))
})

test('every route asks for the token; a question that cannot be is refused with what was expected', async () => {
  assert.equal((await fetch(`${first.url}/api/v1/coverage`)).status, 401)
  const ask = async (query: string) => {
    const response = await fetch(`${first.url}/api/v1/coverage${query}`, { headers: { authorization: `Bearer ${token}` } })
    return [response.status, await response.text()] as const
  }
  assert.equal((await ask('?staleAfter=72h'))[0], 200)
  for (const [query, why] of [['?staleAfter=7', /staleAfter: a duration such as/], ['?staleAfter=1ms', /between 1s and/], ['?stale=1h', /stale/], ['?staleAfter=1h&staleAfter=2h', /staleAfter/]] as const) {
    const [status, said] = await ask(query)
    assert.deepEqual([status, why.test(said)], [400, true], said)
  }
})

test('a service is covered from its discovery over its first fault to the version after; a scheduler that starts later knows all of it', async () => {
  {
    const agentSinceMs = performance.now()
    await using agent = await startAgent()
    const discovered = await untilCovered('the agent is asked as soon as it is heard', ({ services }) => services.length === 2)
    assert.deepEqual(discovered.services.map(({ app, versions, present, cells }) => [app, versions, present, cells]), [['db', ['16'], true, []], ['web', ['1.4'], true, []]])
    assert.equal(discovered.unknown, null)
    assert.ok(discovered.kinds.includes('pod-kill'))
    assert.ok((await first.metrics()).includes(`faultline_coverage_cells{state="unknown",service="scheduler"} ${2 * discovered.kinds.length}`))
    assert.equal(agent.asked, 1)

    const run = await untilJudged('web', () => { agent.services = [{ ...web, version: '1.5' }, db] }) // the successor is another version
    const covered = await untilCovered('the look at the end of the run has seen the next version', ({ services }) => services.some(({ app, cells }) => app === 'web' && cells[0]?.version === null))
    const [, shown] = covered.services
    assert.ok(shown)
    const { atMs = 0, ...cell } = shown.cells[0] ?? {}
    assert.deepEqual([shown.app, shown.versions, cell], ['web', ['1.5'], { kind: 'pod-kill', verdict: 'passed', run, experiment: 'pod-loss', version: null, stale: true }], first.scheduler.runs().at(-1)?.reasons?.join('; '))
    assert.equal(atMs, first.scheduler.runs().find(one => one.run === run)?.sealedAtMs)
    const metrics = await first.metrics()
    for (const line of [
      'faultline_coverage_verdict{namespace="shop",service="web",kind="pod-kill",verdict="passed"} 1',
      `faultline_coverage_last_run_timestamp_seconds{namespace="shop",service="web",kind="pod-kill"} ${atMs / 1_000}`,
      'faultline_coverage_cells{state="stale",service="scheduler"} 1',
    ]) assert.ok(metrics.includes(line), `${line}\n${metrics.join('\n')}`)

    await untilJudged('db')
    const ofDb = ({ services }: Coverage) => services[0]?.cells.map(({ version, stale }) => [version, stale])
    assert.deepEqual(ofDb(await untilCovered('what is still there in the same version is not stale', coverage => ofDb(coverage)?.length === 1)), [['16', false]])
    await untilCovered('unless it is older than who asks will have it', coverage => ofDb(coverage)?.[0]?.[1] === true, { staleAfter: '1s' })
    await until('the run is over for the scheduler too', () => agent.asked >= 5, 30_000)
    const minutes = Math.floor((performance.now() - agentSinceMs) / 60_000)
    assert.ok(agent.asked <= 5 + minutes, `${agent.asked} times in ${minutes} minutes: once in each for the coverage, and twice for each run`)

    agent.refuses = 'the API server does not answer'
    await using second = await startFirst()
    const known = await untilCovered('the second has been refused', ({ unknown }) => unknown?.includes('does not answer') ?? false, second)
    assert.deepEqual(known.services, (await first.client.coverage()).services, 'as the first one knows it, from the facts')
  }
  const left = await untilCovered('the agent has not been heard for a while', ({ unknown }) => unknown?.includes('is alive') ?? false)
  assert.equal(left.services.length, 2, 'what was there is remembered')
})
