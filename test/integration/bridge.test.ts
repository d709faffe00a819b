import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { mkdtemp, mkdtempDisposable, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import type { Bus } from '#shared/bus.ts'
import { connectBus, newCommandKeys } from '#shared/bus-nats.ts'
import { systemClock } from '#shared/clock.ts'
import type { FactData } from '#shared/events.ts'
import { haltFiles, nothingHalts, type FindHalt } from '#shared/halt-file.ts'
import { ChildFailed, Children } from '#shared/process/children.ts'
import { freePort } from '#shared/process/free-port.ts'
import { locustApi } from '../../services/locust-bridge/locust-api.ts'
import { commandLine, readProcesses } from '#shared/process/process-table.ts'
import { spawnLocustIn, type LocustProcess } from '../../services/locust-bridge/locust-process.ts'
import { startLocustBridge, type LocustBridge, type LocustBridgeOptions } from '../../services/locust-bridge/service.ts'
import { startLocust } from '../parts/locust.ts'
import { startNats } from '../parts/nats.ts'
import { serve } from '../parts/sample-recorder.ts'
import { onSteadyMachine } from '../parts/steady-machine.ts'
import { until } from '../parts/until.ts'

const log = pino({ level: 'silent' })
const token = 'samples-token'

const visitor = `
from locust import FastHttpUser, constant, task
import faultline_listeners

class Visitor(FastHttpUser):
    wait_time = constant(0.02)

    @task(4)
    def visit(self):
        self.client.get("/")

    @task(1)
    def stumble(self):
        self.client.get("/broken")
`

type LoadFact = { [K in 'load.state' | 'load.sample' | 'load.stats']: { kind: K; data: FactData<K> } }['load.state' | 'load.sample' | 'load.stats']

/** A bus with the scheduler's end of it, a system under test, a bridge of each kind wanted, and a folder; all end with the test. */
async function startParts() {
  const stack = new AsyncDisposableStack()
  const folder = stack.use(await mkdtempDisposable(path.join(tmpdir(), 'bridge-')))
  await writeFile(path.join(folder.path, 'visitor.py'), visitor)
  const system = stack.use(await serve((request, response) => void response.writeHead(request.url === '/broken' ? 500 : 200).end('here')))
  const nats = stack.use(await startNats())
  const keys = newCommandKeys()
  const connect = async (service: string, secrets: { signingSeed?: string } = {}): Promise<Bus> => {
    const bus = await connectBus({ servers: nats.servers, token: nats.token, service, log, commandKey: keys.commandKey, ...secrets })
    stack.defer(() => bus.close())
    return bus
  }
  const scheduler = await connect('scheduler', { signingSeed: keys.signingSeed })
  const writer = scheduler.writer('scheduler')
  const epoch = { bucketCreatedMs: 1, revision: 1 }
  const started: (LocustProcess & { pid: number })[] = []
  const children = new Children(path.join(folder.path, 'children'))
  stack.defer(() => children.close())
  const spawnKept = spawnLocustIn(children, folder.path)

  const spawnLocust: NonNullable<LocustBridgeOptions['spawnLocust']> = async (env, locustfile, host) => {
    const locust = await spawnKept(env, locustfile, host)
    started.push({ ...locust, pid: pidOf(locust.apiUrl) })
    return locust
  }

  return {
    folder: folder.path, spawnKept, system, nats, started, scheduler, commandKey: keys.commandKey,
    async startBridge(how: Pick<LocustBridgeOptions, 'locustUrl' | 'spawnLocust' | 'listen'> | 'spawning' = 'spawning', findHalt: FindHalt = nothingHalts): Promise<LocustBridge> {
      const options = how === 'spawning' ? { spawnLocust, listen: { host: '127.0.0.1', port: 0 } } : how
      const bridge = await startLocustBridge({
        bus: await connect('locust-bridge'), clock: systemClock, log, token, findHalt, ...options,
      })
      stack.defer(() => bridge.stop())
      return bridge
    },
    async submit(run: string, load: Record<string, unknown> | undefined): Promise<void> {
      await writer.write(run, 'run.submitted', { epoch, experimentHash: '', file: path.join(folder.path, 'experiment.yaml'), experiment: {
        apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'e' },
        ...(load && { load: { host: system.url, locustfile: 'visitor.py', ...load } }),
        faults: [{ kind: 'pause', target: { process: { match: 'postgres' } }, at: '1s', duration: '1s' }],
        gates: load ? [{ name: 'p95', latency: { quantile: 0.95, max: '470ms' } }] : [{ name: 'own', promql: { query: 'vector(0)', max: 1 } }],
      } })
    },
    seal: (run: string) => writer.write(run, 'run.sealed', { atMs: Date.now() }),
    start: (run: string) => scheduler.request('load-start', 'locust-bridge', { run, epoch, deadlineMs: Date.now() + 10_000 }, { timeoutMs: 5_000 }),
    stop: (run: string) => scheduler.request('load-stop', 'locust-bridge', { run }, { timeoutMs: 5_000 }),
    /** The run's load facts up to the first of which `wanted` holds. */
    async until(run: string, wanted: (fact: LoadFact) => boolean): Promise<LoadFact[]> {
      const found: LoadFact[] = []
      await using following = scheduler.follow({ run, types: ['load.state', 'load.sample', 'load.stats'] })
      const late = setTimeout(() => void following.stop(), 60_000)
      try {
        for await (const followed of following) {
          if (followed.is !== 'fact') continue
          const { kind, fact } = followed.stored
          if (kind !== 'load.state' && kind !== 'load.sample' && kind !== 'load.stats') continue
          found.push({ kind, data: fact.data } as LoadFact)
          if (wanted(found.at(-1) as LoadFact)) return found
        }
      } finally {
        clearTimeout(late)
      }
      throw new Error(`what was waited for did not come within 60 s; the states were ${JSON.stringify(statesIn(found))}`)
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

const isState = (...states: FactData<'load.state'>['state'][]) => (fact: LoadFact) => fact.kind === 'load.state' && states.includes(fact.data.state)
const statesIn = (facts: readonly LoadFact[]) => facts.flatMap(fact => fact.kind === 'load.state' ? [fact.data] : [])
const samplesIn = (facts: readonly LoadFact[]) => facts.flatMap(fact => fact.kind === 'load.sample' ? [fact.data] : [])
const sum = (counts: Record<string, number>) => Object.values(counts).reduce((total, n) => total + n, 0)
const total = (samples: readonly FactData<'load.sample'>[], of: 'ok' | 'failed') => samples.reduce((all, sample) => all + sum(sample[of]), 0)
const manySamples = (howMany: number) => {
  let seen = 0
  return (fact: LoadFact) => fact.kind === 'load.sample' && ++seen >= howMany
}

/** The process whose command line names this web port. */
function pidOf(apiUrl: string): number {
  const found = readProcesses().find(({ pid }) => commandLine(pid).includes(`--web-port ${new URL(apiUrl).port}`))
  assert.ok(found, 'the Locust that was started is there')
  return found.pid
}

interface Stats { name: string; num_requests: number; num_failures: number }
const aggregated = (facts: readonly LoadFact[]) => facts.flatMap(fact => fact.kind === 'load.stats' ? fact.data.stats['stats'] as Stats[] : []).find(entry => entry.name === 'Aggregated')

async function metric(bridge: LocustBridge, series: string): Promise<number | undefined> {
  const text = await (await fetch(bridge.metricsUrl)).text()
  const line = text.split('\n').find(each => each.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length))
}

test('a load reaches its users, and its samples, its metrics and Locust\'s own totals agree to the request; the next run has a Locust of its own', async () => {
  await using parts = await startParts()
  const bridge = await parts.startBridge()
  for (const run of ['first', 'second']) {
    await parts.submit(run, { users: 10, spawnRate: 20 })
    assert.deepEqual(await parts.start(run), { outcome: 'done' })
    assert.deepEqual(await parts.start(run), { outcome: 'done' }, 'asked again, nothing happens')
    await parts.until(run, isState('reached'))
    await parts.until(run, manySamples(15))
    assert.equal(await metric(bridge, `faultline_load_users{run="${run}"}`), 10)
    await parts.stop(run)
    const facts = await parts.until(run, isState('stopped'))
    const samples = samplesIn(facts)
    assert.deepEqual(statesIn(facts).map(({ state }) => state), ['starting', 'ramping', 'reached', 'stopping', 'stopped'])
    assert.deepEqual(statesIn(facts).slice(2).map(({ users }) => users), [10, 10, 0])
    assert.equal(new Set(samples.map(({ worker }) => worker)).size, 1)
    assert.deepEqual(samples.map(({ index }) => index), samples.map((_, k) => (samples[0]?.index ?? 0) + k), 'in order, without a gap')
    const [ok, failed] = [total(samples, 'ok'), total(samples, 'failed')]
    assert.ok(ok > 100 && failed > 10, `${ok} ok, ${failed} failed`)
    assert.equal(await metric(bridge, `faultline_load_requests_total{run="${run}",outcome="ok"}`), ok)
    assert.equal(await metric(bridge, `faultline_load_requests_total{run="${run}",outcome="failed"}`), failed)
    const inTime = samples.flatMap(sample => [...Object.entries(sample.ok), ...Object.entries(sample.failed)]).reduce((all, [ms, n]) => all + (Number(ms) <= 470 ? n : 0), 0)
    assert.equal(await metric(bridge, `faultline_load_request_duration_seconds_bucket{le="0.47",run="${run}"}`), inTime)
    if (run === 'second') assert.equal(await metric(bridge, 'faultline_load_requests_total{run="first",outcome="ok"}'), undefined)
    await parts.started.at(-1)?.ended
    const locust = aggregated(facts)
    assert.deepEqual([locust?.num_requests, locust?.num_failures], [ok + failed, failed])
  }
  assert.equal(new Set(parts.started.map(({ pid }) => pid)).size, 2)
})

test('with NATS killed, a halt file ends the load and its Locust within three seconds, and no load is begun while it is there', t => onSteadyMachine(async () => {
  await using parts = await startParts()
  const file = path.join(parts.folder, 'halt')
  await parts.startBridge('spawning', haltFiles([file]))
  await parts.submit('r', { users: 10, spawnRate: 20 })
  await parts.start('r')
  await parts.until('r', isState('reached'))
  await parts.nats.kill()
  await writeFile(file, 'release today')
  const tookMs = await until('Locust is gone', () => !existsSync(`/proc/${parts.started[0]?.pid ?? 0}`), 3_000)
  t.diagnostic(`Locust was gone ${Math.round(tookMs)} ms after the file was there`)

  await parts.nats.restart()
  const last = statesIn(await parts.until('r', isState('failed'))).at(-1)
  assert.match(last?.detail ?? '', /^halted by the file \S+ since \S+: release today$/)
  await parts.submit('next', { users: 10, spawnRate: 20 })
  const refused = await parts.start('next')
  assert.match(refused.outcome === 'refused' ? refused.why : '', /^halted by the file .*: release today$/)
  await rm(file)
  assert.deepEqual(await parts.start('next'), { outcome: 'done' })
  await parts.until('next', isState('reached'))
}))

test('a Locust that is killed fails the load within six seconds, and nothing of it is left', async () => {
  await using parts = await startParts()
  await parts.startBridge()
  await parts.submit('r', { users: 10, spawnRate: 20 })
  await parts.start('r')
  await parts.until('r', isState('reached'))
  const pid = parts.started[0]?.pid ?? 0
  process.kill(pid, 'SIGKILL')
  const killedAtMs = Date.now()
  const failed = statesIn(await parts.until('r', isState('failed', 'stopped'))).at(-1)
  assert.match(failed?.detail ?? '', /Locust ended: SIGKILL/)
  assert.ok((failed?.atMs ?? Infinity) - killedAtMs < 6_000, `failed after ${(failed?.atMs ?? 0) - killedAtMs} ms`)
  assert.equal(existsSync(`/proc/${pid}`), false)
})

test('a Locust that hangs fails the load within six seconds, and is ended', async () => {
  await using parts = await startParts()
  await parts.startBridge()
  await parts.submit('r', { users: 10, spawnRate: 20 })
  await parts.start('r')
  await parts.until('r', isState('reached'))
  const locust = parts.started[0]
  assert.ok(locust)
  process.kill(locust.pid, 'SIGSTOP')
  const stoppedAtMs = Date.now()
  const failed = statesIn(await parts.until('r', isState('failed', 'stopped'))).at(-1)
  assert.match(failed?.detail ?? '', /no load sample came from .* for 5s/)
  assert.ok((failed?.atMs ?? Infinity) - stoppedAtMs < 9_000, `failed after ${(failed?.atMs ?? 0) - stoppedAtMs} ms`) // a pause of the bridge itself is no silence of Locust, and is not counted
  await locust.ended
  assert.equal(existsSync(`/proc/${locust.pid}`), false)
})

test('users that do not come in time fail the load, and its Locust ends', async () => {
  await using parts = await startParts()
  await parts.startBridge()
  await parts.submit('r', { users: 10, spawnRate: 0.5, reachedWithin: '4s' })
  await parts.start('r')
  const failed = statesIn(await parts.until('r', isState('failed', 'reached'))).at(-1)
  assert.match(failed?.detail ?? '', /^[1-4] of 10 users were there after 4s$/)
  await parts.started[0]?.ended
})

test('a locustfile that cannot be loaded fails the load, with Locust\'s own words', async () => {
  await using parts = await startParts()
  await parts.startBridge()
  await writeFile(path.join(parts.folder, 'wrong.py'), 'import no_such_module_at_all\n')
  await parts.submit('r', { users: 1, locustfile: 'wrong.py' })
  await parts.start('r')
  const failed = statesIn(await parts.until('r', isState('failed', 'ramping'))).at(-1)
  assert.match(failed?.detail ?? '', /no_such_module_at_all/)
})

test('a bridge that stops fails its load, ends its Locust and frees its port', async () => {
  await using parts = await startParts()
  const bridge = await parts.startBridge()
  await parts.submit('r', { users: 2, spawnRate: 20 })
  await parts.start('r')
  await parts.until('r', isState('reached'))
  await bridge.stop()
  assert.equal(statesIn(await parts.until('r', isState('failed'))).at(-1)?.detail, 'the locust-bridge was stopped')
  assert.equal(existsSync(`/proc/${parts.started[0]?.pid}`), false)
  await assert.rejects(fetch(bridge.metricsUrl))
})

test('a run that is sealed keeps no load, though nobody has stopped it', async () => {
  await using parts = await startParts()
  await parts.startBridge()
  await parts.submit('r', { users: 2, spawnRate: 20 })
  await parts.start('r')
  await parts.until('r', isState('reached'))
  await parts.seal('r')
  assert.deepEqual(statesIn(await parts.until('r', isState('stopped', 'failed'))).map(({ state }) => state), ['starting', 'ramping', 'reached', 'stopping', 'stopped'])
  await parts.started[0]?.ended
})

test('samples that cannot be stored fail the load, which is told as soon as facts are stored again', async () => {
  await using parts = await startParts()
  await parts.startBridge()
  await parts.submit('r', { users: 2, spawnRate: 20 })
  await parts.start('r')
  await parts.until('r', isState('reached'))
  const looking = Promise.withResolvers<void>()
  const failed = parts.until('r', fact => {
    looking.resolve()
    return isState('failed')(fact)
  })
  await looking.promise
  await parts.nats.kill()
  await parts.started[0]?.ended // the bridge has given the load up
  await parts.nats.restart()
  assert.match(statesIn(await failed).at(-1)?.detail ?? '', /^a load sample could not be stored: /)
})

test('a Locust that is there already is swarmed and stopped, but lives on; a test of somebody else in it is left alone', async (t: TestContext) => {
  await using parts = await startParts()
  const listen = { host: '127.0.0.1', port: await freePort() }
  await using locust = await startLocust({
    locustfile: path.join(parts.folder, 'visitor.py'), host: 'http://127.0.0.1:9', env: { FAULTLINE_BRIDGE_URL: `http://127.0.0.1:${listen.port}`, FAULTLINE_BRIDGE_TOKEN: token },
  })
  const port = /web interface at http:\/\/127\.0\.0\.1:(\d+)/.exec(locust.output)?.[1]
  t.diagnostic(`Locust's web interface: port ${port}`)
  const bridge = await parts.startBridge({ locustUrl: `http://127.0.0.1:${port}`, listen })
  await parts.submit('r', { users: 4, spawnRate: 20 })
  await parts.start('r')
  await parts.until('r', isState('reached'))
  await parts.until('r', manySamples(15))
  await parts.stop('r')
  const samples = samplesIn(await parts.until('r', isState('stopped')))
  await bridge.stop()
  const totals = await locust.totals()
  assert.deepEqual([totals.requests, totals.failures], [total(samples, 'ok') + total(samples, 'failed'), total(samples, 'failed')])

  await locust.swarm(1, 1)
  await delay(2_500) // Locust's cache of its state: nothing tells when it ends
  await parts.startBridge({ locustUrl: `http://127.0.0.1:${port}`, listen: { host: '127.0.0.1', port: 0 } })
  await parts.submit('busy', { users: 4 })
  await parts.start('busy')
  assert.match(statesIn(await parts.until('busy', isState('failed', 'ramping'))).at(-1)?.detail ?? '', /is running a test of its own/)
  assert.equal((await locustApi(`http://127.0.0.1:${port}`).stats()).user_count, 1)
})

test('what an earlier start of the bridge has left going in a Locust that lives on is stopped', async () => {
  await using parts = await startParts()
  await using locust = await startLocust({ locustfile: path.join(parts.folder, 'visitor.py'), host: parts.system.url, env: {} })
  await locust.swarm(2, 20)
  await parts.submit('left', { users: 2 })
  await parts.scheduler.writer('locust-bridge').write('left', 'load.state', { state: 'reached', users: 2, targetUsers: 2, atMs: Date.now() })
  await parts.startBridge({ locustUrl: locust.url, listen: { host: '127.0.0.1', port: 0 } })
  assert.match(statesIn(await parts.until('left', isState('failed'))).at(-1)?.detail ?? '', /was restarted while the load was running/)
  await until('Locust has no users', async () => (await locustApi(locust.url).stats()).user_count === 0, 10_000, { lookMs: 100 })
})

test('a Locust whose workers come later than the load is waited for, and its last figures are whole', async () => {
  await using parts = await startParts()
  const listen = { host: '127.0.0.1', port: await freePort() }
  const [env, locustfile] = [{ FAULTLINE_BRIDGE_URL: `http://127.0.0.1:${listen.port}`, FAULTLINE_BRIDGE_TOKEN: token }, path.join(parts.folder, 'visitor.py')]
  const masterPort = String(await freePort())
  await using master = await startLocust({ locustfile, host: parts.system.url, env, args: ['--master', '--master-bind-host', '127.0.0.1', '--master-bind-port', masterPort] })
  await parts.startBridge({ locustUrl: master.url, listen })
  await parts.submit('r', { users: 4, spawnRate: 20 })
  await parts.start('r')
  await parts.until('r', isState('starting'))
  await delay(1_000) // time for it to ask the master, who answers at once that there is nobody
  await using _worker = await startLocust({ locustfile, host: parts.system.url, env, args: ['--worker', '--headless', '--master-host', '127.0.0.1', '--master-port', masterPort] })
  await parts.until('r', isState('reached', 'failed'))
  await parts.until('r', manySamples(15))
  await parts.stop('r')
  const facts = await parts.until('r', isState('stopped', 'failed'))
  assert.deepEqual(statesIn(facts).map(({ state, detail }) => detail ?? state).slice(-2), ['stopping', 'stopped'])
  const samples = samplesIn(facts)
  const all = aggregated(facts)
  assert.deepEqual([all?.num_requests, all?.num_failures], [total(samples, 'ok') + total(samples, 'failed'), total(samples, 'failed')])
})

test('a start is refused for a run that is not known, or has no load; one that overtakes its run waits for it', async () => {
  await using parts = await startParts()
  await parts.startBridge({ listen: { host: '127.0.0.1', port: 0 } })
  assert.match(JSON.stringify(await parts.start('nobody')), /"refused".*not known/)
  await parts.submit('bare', undefined)
  assert.match(JSON.stringify(await parts.start('bare')), /"refused".*has no load/)
  const early = parts.start('early')
  await parts.submit('early', { users: 1 })
  assert.deepEqual(await early, { outcome: 'done' })
  assert.match(statesIn(await parts.until('early', isState('failed'))).at(-1)?.detail ?? '', /no Locust is configured; set locust\.url/)
})

test('a load whose bridge is no more is failed by the next bridge, once; one that had ended is not', async () => {
  await using parts = await startParts()
  const dead = parts.scheduler.writer('locust-bridge')
  const state = (state: FactData<'load.state'>['state']) => ({ state, users: 0, targetUsers: 3, atMs: 1 })
  await dead.write('orphan', 'load.state', state('reached'))
  await dead.write('ended', 'load.state', state('reached'))
  await dead.write('ended', 'load.state', state('stopped'))
  for (const _ of ['first', 'second']) await (await parts.startBridge({ listen: { host: '127.0.0.1', port: 0 } })).stop()
  const statesOf = async (run: string) => {
    await dead.write(run, 'load.state', state('starting')) // the end of what is looked at
    return statesIn(await parts.until(run, isState('starting'))).map(({ state }) => state)
  }
  assert.deepEqual(await statesOf('orphan'), ['reached', 'failed', 'starting'])
  assert.deepEqual(await statesOf('ended'), ['reached', 'stopped', 'starting'])
})

test('as a process of its own the bridge is ready, starts a Locust of its own, and on SIGTERM leaves nothing behind', async () => {
  await using parts = await startParts()
  const temporary = await mkdtemp(path.join(parts.folder, 'tmp-'))
  const port = await freePort()
  const child = spawn(process.execPath, [path.resolve(import.meta.dirname, '../../services/locust-bridge/main.ts')], {
    stdio: 'ignore',
    env: {
      ...process.env, TMPDIR: temporary, FAULTLINE_NATS_URL: parts.nats.servers, FAULTLINE_NATS_TOKEN: parts.nats.token, FAULTLINE_API_TOKEN: token,
      FAULTLINE_COMMANDS_PUBLIC_KEY: parts.commandKey, FAULTLINE_HTTP_PORT: String(port),
    },
  })
  const ended = once(child, 'exit')
  try {
    const givenUpAt = performance.now() + 60_000
    while (!await fetch(`http://127.0.0.1:${port}/readyz`).then(({ ok }) => ok, () => false)) {
      assert.ok(performance.now() < givenUpAt && child.exitCode === null, 'the bridge is not ready')
      await delay(50) // it has no other way to tell its parent
    }
    await parts.submit('r', { users: 2, spawnRate: 20 })
    await parts.start('r')
    await parts.until('r', isState('reached'))
    child.kill('SIGTERM')
    assert.deepEqual(await ended, [0, null])
    assert.equal(statesIn(await parts.until('r', isState('failed'))).at(-1)?.detail, 'the locust-bridge was stopped')
    assert.deepEqual(readdirSync(temporary), [])
  } finally {
    child.kill('SIGKILL')
    await ended
  }
})

test('a Locust that ends before it is ready is told of with what it said', async () => {
  await using parts = await startParts()
  const starting = parts.spawnKept({ FAULTLINE_BRIDGE_URL: 'ftp://nowhere', FAULTLINE_BRIDGE_TOKEN: '' }, path.join(parts.folder, 'visitor.py'), parts.system.url)
  await assert.rejects(starting, (error: unknown) => error instanceof ChildFailed && /FAULTLINE_BRIDGE_URL is 'ftp/.test(error.message))
})

test('a bridge of its own that is killed leaves no Locust and no folder', async () => {
  await using parts = await startParts()
  const temporary = await mkdtemp(path.join(parts.folder, 'tmp-'))
  const child = spawn(process.execPath, [path.resolve(import.meta.dirname, '../../services/locust-bridge/main.ts')], {
    stdio: 'ignore',
    env: {
      ...process.env, TMPDIR: temporary, FAULTLINE_NATS_URL: parts.nats.servers, FAULTLINE_NATS_TOKEN: parts.nats.token, FAULTLINE_API_TOKEN: token,
      FAULTLINE_COMMANDS_PUBLIC_KEY: parts.commandKey,
    },
  })
  const ended = once(child, 'exit')
  try {
    await parts.submit('r', { users: 2, spawnRate: 20 })
    await startWhenThere(parts, 'r')
    await parts.until('r', isState('reached'))
    const locusts = () => readProcesses().filter(({ pid }) => commandLine(pid).includes(`${parts.folder}/visitor.py`))
    assert.equal(locusts().length, 1)
    child.kill('SIGKILL')
    await ended
    const givenUpAt = performance.now() + 30_000
    while (locusts().length > 0 || readdirSync(temporary).length > 0) {
      assert.ok(performance.now() < givenUpAt, 'Locust or its folder is still there')
      await delay(50) // its keeper tells nobody
    }
  } finally {
    child.kill('SIGKILL')
    await ended
  }
})

/** A bridge that is just starting does not answer yet. */
async function startWhenThere(parts: { start: (run: string) => Promise<unknown> }, run: string): Promise<void> {
  const givenUpAt = performance.now() + 60_000
  while (!await parts.start(run).then(() => true, () => false)) assert.ok(performance.now() < givenUpAt, 'the bridge does not answer')
}
