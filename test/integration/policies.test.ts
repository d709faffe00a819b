import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { pino } from 'pino'
import { connectBus, newCommandKeys } from '#shared/bus-nats.ts'
import { systemClock } from '#shared/clock.ts'
import type { FactData, FactType, StoredFact } from '#shared/events.ts'
import { connectPrometheus } from '#shared/prometheus.ts'
import { createMetrics } from '#shared/service.ts'
import { ApiClient, RequestRefused } from '../../services/cli/api-client.ts'
import { renderPolicies } from '../../services/cli/policy/policy-command.ts'
import { schedulerApi } from '../../services/scheduler/api.ts'
import { takeEpoch } from '../../services/scheduler/epoch.ts'
import { soleLeader } from '../../services/scheduler/leadership.ts'
import { startPolicies } from '../../services/scheduler/policies.ts'
import { openWebhook } from '../../services/scheduler/policy-webhook.ts'
import { startScheduler } from '../../services/scheduler/service.ts'
import { startSloEvaluator } from '../../services/slo-evaluator/service.ts'
import { startNats } from '../parts/nats.ts'
import { startPrometheus } from '../parts/prometheus.ts'
import { until } from '../parts/until.ts'

/** Policies on a real scheduler, over real NATS and Prometheus, with an evaluator that judges: runs without faults, so that no agent is needed. */
const token = 'api-token'
const log = pino({ level: process.env['FAULTLINE_TEST_LOG'] ?? 'silent' })
const owned = new AsyncDisposableStack()
let room: Awaited<ReturnType<typeof startRoom>>
before(async () => { room = await startRoom() })
after(() => owned.disposeAsync())

async function startRoom() {
  const nats = owned.use(await startNats())
  const prometheus = owned.use(await startPrometheus([]))
  const keys = newCommandKeys()
  const bus = await connectBus({ ...nats, service: 'scheduler', log, ...keys })
  owned.defer(() => bus.close())
  const judging = await connectBus({ ...nats, service: 'slo-evaluator', log, commandKey: keys.commandKey })
  owned.defer(() => judging.close())
  const evaluator = await startSloEvaluator({ bus: judging, clock: systemClock, log, prometheus: { url: prometheus.url } })
  owned.defer(() => evaluator.stop())
  const told = await startListener()
  const leadership = soleLeader(await takeEpoch(nats))

  const facts: StoredFact[] = []
  const following = bus.follow({})
  owned.defer(() => following.stop())
  void (async () => {
    for await (const next of following) if (next.is === 'fact') facts.push(next.stored)
  })()

  const start = async (aheadMs: number) => {
    const parts = new AsyncDisposableStack()
    const metrics = createMetrics('scheduler')
    const scheduler = await startScheduler({ bus, clock: systemClock, log, leadership, metrics })
    parts.defer(() => scheduler.stop())
    const asked = connectPrometheus({ url: prometheus.url })
    parts.defer(() => asked.close())
    const policies = await startPolicies({
      bus, scheduler, log, metrics, prometheus: () => asked, webhook: openWebhook({ url: told.url, log, pauseMs: 50 }),
      clock: { nowMs: () => systemClock.nowMs() + aheadMs, monotonicMs: () => systemClock.monotonicMs() },
    })
    parts.defer(() => policies.stop())
    const api = schedulerApi({ scheduler, bus, token, metrics, policies })
    parts.defer(() => api.close())
    const url = await api.listen({ host: '127.0.0.1', port: 0 })
    return { parts, url, policies, client: new ApiClient({ apiUrl: url, token }) }
  }
  let service = await start(0)
  owned.defer(() => service.parts.disposeAsync())
  return {
    told, facts,
    client: () => service.client,
    url: () => service.url,
    policies: () => service.policies,
    /** `aheadMs`: as if it had been away that long. */
    async restart({ aheadMs = 0 } = {}) {
      await service.parts.disposeAsync()
      service = await start(aheadMs)
    },
    of: <K extends FactType>(policy: string, kind: K): FactData<K>[] => facts.filter(stored => stored.kind === kind && stored.fact.subject === `policy-${policy}`).map(({ fact }) => fact.data as FactData<K>),
  }
}

/** What a chat hears. It is busy at first. */
async function startListener() {
  const texts: string[] = []
  let refused = 0
  const server = createServer((request, response) => {
    void (async () => {
      const body = (await request.toArray()).join('')
      const isBusy = refused++ < 2
      if (!isBusy) texts.push((JSON.parse(body) as { text: string }).text)
      response.writeHead(isBusy ? 503 : 200).end()
    })()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  owned.defer(() => { server.closeAllConnections(); server.close() })
  return { texts, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/services/secret` }
}

const policy = (name: string, more: object = {}, { query = 'vector(1)' } = {}) => ({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Policy', metadata: { name }, scope: {}, rate: { mean: 7_200, per: 'hour' },
  templates: [{ name: 'calm', experiment: { faults: [], hold: '2s', gates: [{ name: 'low', promql: { query, max: 2 }, interval: '500ms' }] } }],
  ...more,
})

const runsOf = (name: string) => room.of(name, 'policy.ticked').flatMap(({ run }) => run ?? [])
const settled = (name: string) => room.of(name, 'policy.settled').length
const theOne = async (name: string) => (await room.client().policies()).find(found => found.name === name) ?? assert.fail(`no ${name}`)

test('runs are begun one after another, each once, also across a restart of the scheduler, and judged', { timeout: 120_000 }, async () => {
  const name = 'steady'
  await room.client().setPolicy(name, policy(name))
  await until('a run is settled and another is under way', () => settled(name) >= 1 && runsOf(name).length > settled(name), 20_000)
  await room.restart()
  const before = settled(name)
  await until('two more are settled', () => settled(name) >= before + 2, 30_000, { now: () => JSON.stringify(room.of(name, 'policy.ticked')) })
  const { state, recent, upcoming } = await theOne(name)
  assert.ok(['active', 'waiting'].includes(state) && upcoming.length === 10, state)
  assert.ok(recent.some(({ outcome, run }) => outcome === 'passed' && run?.startsWith('steady-calm-')))
  const metrics = await (await fetch(`${room.url()}/metrics`, { headers: { authorization: `Bearer ${token}` } })).text()
  assert.match(metrics, /^faultline_policy_runs_total\{policy="steady",experiment="steady-calm",service="scheduler"\} \d/m)
  assert.match(metrics, /^faultline_policy_next_run_timestamp_seconds\{policy="steady",service="scheduler"\} \d{10}/m)
  await room.client().removePolicy(name)
  assert.deepEqual((await room.client().policies()).filter(found => found.name === name), [])
  const submitted = room.facts.flatMap(({ kind, fact }) => kind === 'run.submitted' && fact.subject.startsWith('steady-') ? [fact.subject] : [])
  const decided = room.of(name, 'policy.ticked').map(({ atMs }) => atMs)
  assert.deepEqual([new Set(submitted).size, new Set(decided).size], [submitted.length, decided.length])
  assert.deepEqual(submitted.toSorted(), runsOf(name).toSorted())
  const spans = submitted.map(run => ['run.submitted', 'run.sealed'].map(kind => room.facts.findIndex(stored => stored.kind === kind && stored.fact.subject === run)))
  for (const [index, [, end = -1]] of spans.slice(0, -1).entries()) assert.ok(end >= 0 && end < (spans[index + 1]?.[0] ?? -1), 'one at a time')
})

test('after a failed verdict it pauses and says so where people hear it; resumed, it goes on', { timeout: 120_000 }, async () => {
  const name = 'fails'
  await room.client().setPolicy(name, policy(name, {}, { query: 'vector(5)' }))
  await until('it has paused', async () => (await theOne(name)).state === 'paused', 20_000)
  await until('the webhook is heard, in the end', () => room.told.texts.length === 1, 20_000)
  const [run] = runsOf(name)
  assert.match(room.told.texts[0] ?? '', new RegExp(`the policy fails has paused: ${run} \\(calm\\) was failed.*faultline policy resume fails`))
  const skipped = () => room.of(name, 'policy.ticked').filter(({ reason }) => reason === 'paused').length
  await until('ticks go by', () => skipped() >= 2, 20_000)
  assert.equal(runsOf(name).length, 1)
  await room.restart()
  assert.equal((await theOne(name)).state, 'paused')
  assert.deepEqual(await room.client().resumePolicy(name), { policy: name, resumed: true })
  assert.deepEqual(await room.client().resumePolicy(name), { policy: name, resumed: false })
  await until('the next run is begun', () => runsOf(name).length === 2, 20_000)
  await until('it pauses again', async () => (await theOne(name)).state === 'paused', 20_000)
  await until('both pauses are on record', () => room.of(name, 'policy.paused').length === 2, 20_000)
  await room.client().removePolicy(name)
})

test('what was due while no scheduler was there is missed, as one, and is not begun in a burst', { timeout: 120_000 }, async () => {
  const name = 'away'
  await room.client().setPolicy(name, policy(name, { concurrency: 3 }))
  await until('it runs', () => runsOf(name).length >= 1, 20_000)
  await room.restart({ aheadMs: 600_000 })
  await until('they are told as missed', () => room.of(name, 'policy.missed').length > 0, 20_000)
  const [missed] = room.of(name, 'policy.missed')
  assert.ok(missed && missed.count > 900 && missed.count < 1_400, `${missed?.count} missed of 1,140 expected`)
  const late = room.of(name, 'policy.ticked').filter(({ atMs, decidedAtMs }) => decidedAtMs - atMs > 35_000)
  assert.deepEqual(late, [])
  await room.client().removePolicy(name)
  await room.restart()
})

test('an error budget that is spent, or cannot be read, lets nothing run; one that is there is told', { timeout: 120_000 }, async () => {
  const budget = (remaining: string) => ({ budgets: [{ slo: 'errors', remaining, share: '20%', costPerRun: '1%', settle: '0s' }] })
  await room.client().setPolicy('spent', policy('spent', budget('vector(0)')))
  await room.client().setPolicy('unread', policy('unread', budget('no_such_series')))
  await room.client().setPolicy('percent', policy('percent', budget('vector(95)')))
  await room.client().setPolicy('whole', policy('whole', budget('vector(0.95)')))
  const reasons = (name: string) => room.of(name, 'policy.ticked').flatMap(({ reason, why }) => reason === undefined ? [] : [`${reason}: ${why}`])
  await until('ticks of three are skipped, and the fourth runs and settles', () => ['spent', 'unread', 'percent'].every(name => reasons(name).length > 0) && settled('whole') > 0, 20_000)
  assert.match(reasons('spent')[0] ?? '', /^budget: errors: chaos may spend 0 % more/)
  assert.match(reasons('unread')[0] ?? '', /^budget: the error budget of errors cannot be read: empty/)
  assert.match(reasons('percent')[0] ?? '', /^budget: the error budget of errors cannot be read: it is 95, and 1 is all of it/)
  assert.deepEqual([runsOf('spent'), runsOf('unread'), runsOf('percent')], [[], [], []])
  assert.deepEqual(room.of('whole', 'policy.settled')[0]?.spent, [{ slo: 'errors', ratio: 0, measured: true }])
  assert.deepEqual((await theOne('whole')).budgets, [{ slo: 'errors', remainingRatio: 0.95, why: null }])
  assert.equal((await theOne('unread')).budgets[0]?.remainingRatio, null)
  for (const name of ['spent', 'unread', 'percent', 'whole']) await room.client().removePolicy(name)
})

test('the policy of an object of Kubernetes answers to the object\'s name, and is not removed while the object would bring it back', async () => {
  const seldom = policy('steady', { cron: '0 0 1 1 *', rate: undefined })
  const names = ['steady-11111111', 'steady-22222222']
  for (const [index, namespace] of ['staging', 'prod'].entries()) {
    await room.policies().set(seldom, `kubernetes:${namespace}/steady?uid=${names[index]?.slice(-8)}-0000-4000-8000-000000000000&generation=1`, names[index])
  }
  const client = room.client()
  assert.deepEqual(await client.resumePolicy('prod/steady'), { policy: 'steady-22222222', resumed: false })
  const refused = (told: RegExp) => (error: unknown) => error instanceof RequestRefused && told.test(error.message)
  const several = refused(/409.*steady-11111111 \(staging\/steady\), steady-22222222 \(prod\/steady\)/)
  await assert.rejects(client.resumePolicy('steady'), several)
  await assert.rejects(client.removePolicy('steady'), several)
  const asked = refused(/409.*steady-22222222 is what the object prod\/steady asks for.*kubectl --namespace prod delete policies\.faultline\.dev steady/)
  for (const name of ['prod/steady', 'steady-22222222']) await assert.rejects(client.removePolicy(name), asked)
  assert.match(renderPolicies(await client.policies()), /^steady-11111111 \(staging\/steady\): .*^steady-22222222 \(prod\/steady\): /ms)
  await room.policies().remove('steady-11111111', 'the deletion of its object')
  assert.deepEqual(await client.resumePolicy('steady'), { policy: 'steady-22222222', resumed: false })
  assert.equal((await client.audit('5m')).entries.at(-1)?.about, 'steady-22222222')
  await room.policies().remove('steady-22222222', 'the deletion of its object')
})

test('what is no policy, or not this one, is refused with every problem; the token is asked for', async () => {
  const put = async (name: string, body: unknown, bearer = token) => {
    const answer = await fetch(`${room.url()}/api/v1/policies/${name}`, { method: 'PUT', headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' }, body: JSON.stringify(body) })
    return { status: answer.status, text: await answer.text() }
  }
  assert.equal((await put('x', { policy: policy('x') }, 'other')).status, 401)
  const { status, text } = await put('x', { policy: { ...policy('x'), rate: { mean: -1, per: 'fortnight' } } })
  assert.equal(status, 400)
  assert.ok(text.includes('policy.rate.mean') && text.includes('policy.rate.per'), text)
  assert.match((await put('y', { policy: policy('x') })).text, /is called x, not y/)
  const nobody = (error: unknown) => error instanceof RequestRefused && /404.*no policy nobody/.test(error.message)
  await assert.rejects(room.client().removePolicy('nobody'), nobody)
  await assert.rejects(room.client().resumePolicy('nobody'), nobody)
  assert.deepEqual(await room.client().policies(), [])
})
