import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { connectBus, newCommandKeys } from '#shared/bus-nats.ts'
import { systemClock } from '#shared/clock.ts'
import { environmentName, type SettingName } from '#shared/config.ts'
import type { Service, StoredFact } from '#shared/events.ts'
import { freePort } from '#shared/process/free-port.ts'
import { createMetrics } from '#shared/service.ts'
import { judge } from '#shared/verdict.ts'
import { ApiClient } from '../../services/cli/api-client.ts'
import { localDriver } from '../../services/injector/local-driver.ts'
import { startInjector } from '../../services/injector/service.ts'
import { startSloEvaluator } from '../../services/slo-evaluator/service.ts'
import { startChild, temporaryFolder, type Child } from '../parts/child.ts'
import { startNatsWithUsers } from '../parts/nats.ts'
import { startPrometheus } from '../parts/prometheus.ts'
import { onSteadyMachine } from '../parts/steady-machine.ts'
import { startWorker } from '../parts/worker.ts'

/** Two schedulers as processes of their own, over a NATS in which each service has its own user; agent and evaluator beside them. */
const log = pino({ level: process.env['FAULTLINE_TEST_LOG'] ?? 'silent' })
const token = 'api-token'
const leaseMs = 3_000
const program = fileURLToPath(new URL('../../services/scheduler/main.ts', import.meta.url))

interface SchedulerProcess { child: Child; client: ApiClient; url: string; leads(): Promise<boolean> }
interface Heartbeat { atMs: number; revision: number }

const owned = new AsyncDisposableStack()
let room: Awaited<ReturnType<typeof startRoom>>
before(async () => { room = await startRoom() })
after(() => owned.disposeAsync())

async function startRoom() {
  const { path: folder } = owned.use(temporaryFolder('leadership'))
  const worker = owned.use(await startWorker())
  const nats = owned.use(await startNatsWithUsers())
  const prometheus = owned.use(await startPrometheus([{ job: 'worker', address: worker.address }]))
  const keys = newCommandKeys()
  const open = async (service: Service) => {
    const bus = await connectBus({ ...nats.login(service), service, log, commandKey: keys.commandKey, waitMs: 10_000 })
    owned.defer(() => bus.close())
    return bus
  }
  const startScheduler = async (name: string): Promise<SchedulerProcess> => {
    const port = await freePort()
    const { servers, user = '', password = '' } = nats.login('scheduler')
    const settings: Partial<Record<SettingName, string>> = {
      'nats.url': servers, 'nats.user': user, 'nats.password': password, 'http.port': String(port), 'api.token': token,
      'commands.signingSeed': keys.signingSeed, 'commands.publicKey': keys.commandKey,
    }
    const url = `http://127.0.0.1:${port}`
    const child = owned.use(await startChild({
      name, argv: [process.execPath, program], cwd: folder, ready: { kind: 'http', url: `${url}/readyz` },
      env: { FAULTLINE_CONFIG: '/dev/null', ...Object.fromEntries(Object.entries(settings).map(([setting, value]) => [environmentName(setting as SettingName), value])) },
    }, folder))
    return {
      child, url, client: new ApiClient({ apiUrl: url, token }),
      leads: async () => /^faultline_scheduler_leader\S* 1$/m.test(await (await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } })).text()),
    }
  }
  const schedulers = [await startScheduler('first'), await startScheduler('second')]
  const [agentBus, judgeBus] = await Promise.all([open('injector'), open('slo-evaluator')])
  const injector = await startInjector({ bus: agentBus, node: 'n1', stateFolder: folder, driver: localDriver(() => [{ name: 'worker', pid: worker.pid }]), clock: systemClock, log, metrics: createMetrics('injector') })
  owned.defer(() => injector.stop())
  const evaluator = await startSloEvaluator({ bus: judgeBus, clock: systemClock, log, prometheus: { url: prometheus.url } })
  owned.defer(() => evaluator.stop())
  const heartbeats: Heartbeat[] = []
  agentBus.onSignal('heartbeat', '*', ({ epoch }) => heartbeats.push({ atMs: performance.now(), revision: epoch.revision }))
  return {
    heartbeats,
    /** The one that leads, then the other. */
    async pair(): Promise<[SchedulerProcess, SchedulerProcess]> {
      const [one, other] = schedulers
      if (!one || !other) assert.fail('there are two')
      return await one.leads() ? [one, other] : [other, one]
    },
    /** Another in place of one that is gone. */
    async replace(gone: SchedulerProcess) {
      await gone.child.kill()
      schedulers[schedulers.indexOf(gone)] = await startScheduler('another')
    },
  }
}

const experiment = {
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'two-schedulers' }, lease: `${leaseMs}ms`,
  faults: [{ kind: 'pause', target: { process: { match: 'faultline-test-worker' } }, at: '500ms', duration: '5s' }],
  gates: [{ name: 'prometheus-answers', phase: 'during', promql: { query: 'vector(1)', min: 1 } }],
  recovery: { within: '10s', stable: '500ms' },
}

async function factsOf({ client }: SchedulerProcess, run: string, onFact: (stored: StoredFact) => void = () => undefined): Promise<StoredFact[]> {
  const facts: StoredFact[] = []
  for await (const stored of client.facts(run, AbortSignal.timeout(60_000))) {
    facts.push(stored)
    onFact(stored)
  }
  return facts
}

const of = <K extends StoredFact['kind']>(facts: readonly StoredFact[], kind: K) => facts.filter((stored): stored is Extract<StoredFact, { kind: K }> => stored.kind === kind)

test('the one on standby answers what is read, and passes on to the leader what only that may do', async () => {
  const [first, second] = await room.pair()
  assert.deepEqual([await first.leads(), await second.leads()], [true, false])
  const run = await second.client.submit(experiment, 'a test')
  const told = factsOf(first, run)
  for (const { client } of [first, second]) assert.equal((await client.runs()).length, 1)
  await assert.rejects(second.client.submit({ ...experiment, lease: 'for ever' }, 'a test'), /not an experiment/)
  assert.equal(await second.client.abort(run), true)
  assert.deepEqual(of(await told, 'run.aborting').map(({ fact }) => fact.data.cause), ['user'])
  assert.deepEqual(await second.client.abortAll(), [])

  process.kill(first.child.pid, 'SIGSTOP') // it holds the lease and does not answer: the request waits until the other leads
  const next = await second.client.submit(experiment, 'a test')
  assert.equal(await second.leads(), true)
  process.kill(first.child.pid, 'SIGCONT')
  assert.equal(await first.client.abort(next), true)
})

test('what the one on standby passed on is in the audit once, by whom and from where', async () => {
  const [first, second] = await room.pair()
  await second.client.halt('from standby')
  await second.client.resume()
  const { entries } = await first.client.audit('1h')
  const [halt, resume, ...more] = entries.slice(entries.findIndex(({ about }) => about === 'from standby'))
  assert.deepEqual([halt, resume].map(entry => [entry?.request, entry?.who, entry?.passedOnFor]), [['POST /api/v1/halt', 'api.token', '127.0.0.1'], ['POST /api/v1/resume', 'api.token', '127.0.0.1']])
  assert.deepEqual(more, [])
})

for (const { how, silentMs } of [{ how: 'SIGKILL', silentMs: 2_700 }, { how: 'SIGSTOP', silentMs: 2_700 }, { how: 'SIGTERM', silentMs: 1_500 }] as const) {
  test(`the leader gets ${how} in mid-fault: the other goes on with the run before the agent's lease is over, and the run passes`, () => onSteadyMachine(async () => {
    const [first, second] = await room.pair()
    const { heartbeats } = room
    heartbeats.length = 0
    await using ended = new AsyncDisposableStack()
    if (how !== 'SIGSTOP') ended.defer(() => room.replace(first))
    const run = await first.client.submit(experiment, 'a test')
    let signalledAtMs = Infinity
    const facts = await factsOf(second, run, ({ kind }) => {
      if (kind !== 'fault.injected') return
      process.kill(first.child.pid, how)
      signalledAtMs = performance.now()
      if (how === 'SIGSTOP') setTimeout(() => process.kill(first.child.pid, 'SIGCONT'), 4_000) // in mid-fault still: it wakes as a leader of old
    })
    const [epoch = 0, nextEpoch = 0, ...more] = [...new Set(heartbeats.map(({ revision }) => revision))]
    const followedAt = heartbeats.findIndex(({ revision }) => revision === nextEpoch)
    const quietMs = (heartbeats[followedAt]?.atMs ?? Infinity) - (heartbeats[followedAt - 1]?.atMs ?? 0)
    console.log(`${how}: the other led ${Math.round((heartbeats[followedAt]?.atMs ?? Infinity) - signalledAtMs)} ms later; between two heartbeats passed ${Math.round(quietMs)} ms`)
    assert.ok(epoch < nextEpoch && more.length === 0, `epochs ${epoch}, ${nextEpoch}, ${more.join(', ')}`)
    assert.ok(heartbeats.slice(followedAt).every(({ revision }) => revision === nextEpoch), 'the leader of old has spoken again')
    assert.ok(quietMs < silentMs, `${Math.round(quietMs)} ms without a heartbeat`)
    assert.equal(of(facts, 'fault.lapsed').length, 0)
    const judgement = judge(facts)
    assert.equal(judgement.verdict, 'passed', judgement.reasons.join('; '))
  }))
}
