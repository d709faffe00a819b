import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { facts } from '#shared/events.ts'
import { experimentSchema } from '#shared/experiment.ts'
import { freePort } from '#shared/process/free-port.ts'
import type { Input } from '../../services/locust-bridge/core.ts'
import { startGenerators } from '../../services/locust-bridge/generator.ts'
import { loadSampleSchema, sampleFact, type LoadSample } from '../../services/locust-bridge/load-sample.ts'
import { locustApi, LocustRefused, LocustUnanswered } from '../../services/locust-bridge/locust-api.ts'
import { locustProcessPlan, shopLocustfile } from '../../services/locust-bridge/locust-process.ts'
import { showLoad } from '../../services/locust-bridge/metrics.ts'
import { startSampleServer } from '../../services/locust-bridge/sample-server.ts'
import { serve } from '../parts/sample-recorder.ts'
import { until } from '../parts/until.ts'

const sample: LoadSample = {
  version: 1, worker: 'w', index: 0, bootId: 'b', startMs: 1_000, endMs: 1_200, users: 3,
  ok: { 12: 2, 499: 1, 500: 1 }, failed: { 501: 1 }, inFlight: { 450: 1, 500: 2 }, inFlightTotal: 5, lateMs: 0, dropped: 0,
}

test('the fact of a sample is as the catalogue says, and a worker of unknown boot has a clock of its own', () => {
  assert.equal(facts['load.sample'].data.parse(sampleFact(sample)).clock, 'b')
  assert.equal(sampleFact({ ...sample, bootId: null }).clock, 'of w')
  assert.deepEqual(facts['load.sample'].data.parse(sampleFact(loadSampleSchema.parse({ ...sample, unanswered: { 501: 1 } }))).unanswered, { 501: 1 })
})

async function startServer(isReady = true) {
  const taken: LoadSample[] = []
  const server = await startSampleServer({ listen: { host: '127.0.0.1', port: 0 }, token: 'secret', take: sample => taken.push(sample), ready: () => isReady, metrics: new Registry() })
  const post = (body: string, authorization = 'Bearer secret') => fetch(`${server.url}/samples`, { method: 'POST', body, headers: { authorization, 'content-type': 'application/json' } }).then(({ status }) => status)
  return { url: server.url, taken, post, [Symbol.asyncDispose]: () => server.close() }
}

test('a sample is taken with the right token only', async () => {
  await using server = await startServer()
  assert.equal(await server.post(JSON.stringify(sample)), 204)
  assert.equal(await server.post(JSON.stringify(sample), 'Bearer secre'), 401)
  assert.equal(await server.post(JSON.stringify(sample), ''), 401)
  assert.deepEqual(server.taken, [sample])
})

test('a body that is not a sample is refused for good: not JSON, a wrong version, a fraction of a request, an unknown key, too large', async () => {
  await using server = await startServer()
  assert.equal(await server.post('{'), 400)
  for (const wrong of [{ version: 2 }, { ok: { 12: 0.5 } }, { ok: { '1e3': 1 } }, { more: 1 }, { index: -1 }, { bootId: undefined }, { unanswered: { 501: 2 } }, { unanswered: { 12: 1 } }]) {
    assert.equal(await server.post(JSON.stringify({ ...sample, ...wrong })), 400, JSON.stringify(wrong))
    assert.equal(loadSampleSchema.safeParse({ ...sample, ...wrong }).success, false)
  }
  assert.equal(await server.post(JSON.stringify({ ...sample, worker: 'x'.repeat(1_100_000) })), 413)
  assert.deepEqual(server.taken, [])
})

test('metrics are shown to whoever bears their token, once there is one', async () => {
  await using server = await startSampleServer({ listen: { host: '127.0.0.1', port: 0 }, token: 'secret', metricsToken: 'm', take: () => undefined, ready: () => true, metrics: new Registry() }).then(({ url, close }) => ({ url, [Symbol.asyncDispose]: close }))
  const status = async (authorization: string) => (await fetch(`${server.url}/metrics`, { headers: { authorization } })).status
  assert.deepEqual([await status('Bearer m'), await status('Bearer secret'), await status('')], [200, 401, 401])
})

test('/readyz says whether the bridge can work, /healthz that it lives', async () => {
  for (const isReady of [true, false]) {
    await using server = await startServer(isReady)
    assert.equal((await fetch(`${server.url}/readyz`)).status, isReady ? 200 : 503)
    assert.equal((await fetch(`${server.url}/healthz`)).status, 200)
  }
})

const experiment = experimentSchema.parse({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'e' },
  load: { users: 1, host: 'http://127.0.0.1:1' },
  faults: [{ kind: 'pause', target: { process: { match: 'postgres' } }, at: '1s', duration: '1s' }],
  gates: [{ name: 'p95', latency: { quantile: 0.95, max: '500ms' } }, { name: 'p50', latency: { quantile: 0.5, max: '470ms' } }],
})

test('every series is there at 0 before the first sample, with a bucket at each gate\'s threshold', async () => {
  const registry = new Registry()
  showLoad(registry, 'r', experiment.gates)
  const text = await registry.metrics()
  for (const line of [
    'faultline_load_requests_total{run="r",outcome="ok"} 0', 'faultline_load_requests_total{run="r",outcome="failed"} 0',
    'faultline_load_request_duration_seconds_bucket{le="0.5",run="r"} 0', 'faultline_load_request_duration_seconds_bucket{le="0.47",run="r"} 0',
    'faultline_load_request_duration_seconds_count{run="r"} 0', 'faultline_load_overdue_requests{run="r",threshold_seconds="0.47"} 0',
    'faultline_load_in_flight_requests{run="r"} 0', 'faultline_load_users{run="r"} 0',
  ]) assert.ok(text.includes(`${line}\n`), `${line} is not in\n${text}`)
})

test('counters add up the samples, gauges show the latest of each worker, and the next run takes their place', async () => {
  const registry = new Registry()
  const load = showLoad(registry, 'r', experiment.gates)
  load.take(sample)
  load.take({ ...sample, index: 1 })
  load.take({ ...sample, worker: 'v', users: 4, inFlight: {}, inFlightTotal: 1 })
  const text = await registry.metrics()
  for (const line of [
    'faultline_load_requests_total{run="r",outcome="ok"} 12', 'faultline_load_requests_total{run="r",outcome="failed"} 3',
    'faultline_load_request_duration_seconds_bucket{le="0.5",run="r"} 12', 'faultline_load_request_duration_seconds_bucket{le="0.47",run="r"} 6',
    'faultline_load_request_duration_seconds_count{run="r"} 15', 'faultline_load_overdue_requests{run="r",threshold_seconds="0.5"} 2',
    'faultline_load_overdue_requests{run="r",threshold_seconds="0.47"} 2', 'faultline_load_in_flight_requests{run="r"} 6', 'faultline_load_users{run="r"} 7',
  ]) assert.ok(text.includes(`${line}\n`), `${line} is not in\n${text}`)
  load.end()
  assert.doesNotMatch(await registry.metrics(), /faultline_load_users\{/)
  showLoad(registry, 'next', [])
  assert.doesNotMatch(await registry.metrics(), /run="r"/)
})

test('Locust\'s refusal, its error, its silence and nonsense are told apart from an answer', async () => {
  let answer: { status: number; body: string } | 'silence' = { status: 200, body: '{"success":true,"message":"ok"}' }
  const asked: string[] = []
  await using locust = await serve((request, response) => {
    request.setEncoding('utf8').on('data', (body: string) => asked.push(`${request.method} ${request.url} ${body}`))
    if (answer !== 'silence') response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body)
  })
  const api = locustApi(`${locust.url}/`, { timeoutMs: 300 })
  const swarm = () => api.swarm({ users: 5, spawnRate: 0.5, host: 'http://a', parameters: { think_scale: 0.5, slow: true } })
  await swarm()
  assert.deepEqual(asked, ['POST /swarm think_scale=0.5&slow=true&faultline_parameters=think_scale%2Cslow&user_count=5&spawn_rate=0.5&host=http%3A%2F%2Fa'])
  answer = { status: 200, body: '{"success":false,"message":"no user classes"}' }
  await assert.rejects(swarm(), (error: unknown) => error instanceof LocustRefused && /no user classes/.test(error.message))
  for (const wrong of [{ status: 500, body: '{}' }, { status: 200, body: '<html>' }, { status: 200, body: '{"state":"running"}' }, 'silence'] as const) {
    answer = wrong
    const askedAtMs = performance.now()
    await assert.rejects(api.stats(), LocustUnanswered)
    assert.ok(performance.now() - askedAtMs < 2_900, 'the deadline is 300 ms, and the usual one three seconds')
  }
})

test('Locust is started idle with its web API on loopback, and finds the listeners', () => {
  const env = { FAULTLINE_BRIDGE_URL: 'http://127.0.0.1:1', FAULTLINE_BRIDGE_TOKEN: 't' }
  const plan = locustProcessPlan({ env, locustfile: shopLocustfile, host: 'http://127.0.0.1:2', port: 3, folder: '/var/empty' })
  assert.deepEqual(plan.argv.slice(1), ['-f', shopLocustfile, '--host', 'http://127.0.0.1:2', '--web-host', '127.0.0.1', '--web-port', '3'])
  assert.match(plan.env['PYTHONPATH'] ?? '', /k8s\/locust\/?(:|$)/)
  assert.equal(plan.env['FAULTLINE_BRIDGE_TOKEN'], 't')
  assert.equal(plan.apiUrl, 'http://127.0.0.1:3')
})

/** A Locust that is there already and obeys a stop only when it is asked for the `obeys`th time. */
async function startStubbornLocust(obeys: number) {
  const asked: string[] = []
  const told: Input[] = []
  const stops = () => asked.filter(path => path === '/stop').length
  const locust = await serve((request, response) => {
    const path = request.url ?? ''
    asked.push(path)
    const answer = path === '/stats/requests' ? { state: 'ready', user_count: 0, stats: [] } : { success: true, message: '' }
    response.writeHead(path === '/stop' && stops() < obeys ? 503 : 200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  })
  const generators = startGenerators({ locustUrl: locust.url, keep: () => Promise.resolve(), token: '', bridgeUrl: '', log: pino({ level: 'silent' }), tell: input => told.push(input) })
  return { asked, told, stops, generators, [Symbol.asyncDispose]: () => locust.close() }
}
const load = experiment.load ?? assert.fail()

test('the load of a run that is over does not go on: a Locust that does not obey its stop is asked until it does, and is there for the next run then', async () => {
  await using here = await startStubbornLocust(3)
  here.generators.bring('r', load)
  here.generators.swarm('r')
  here.generators.end('r')
  await until('it has obeyed', () => here.stops() === 3, 10_000)
  here.generators.bring('next', load)
  await until('the next run has Locust', () => here.told.some(input => input.is === 'there' && input.run === 'next'), 10_000)
  assert.deepEqual(here.asked, ['/stats/requests', '/swarm', '/stop', '/stop', '/stop', '/stats/requests'])
  await here.generators.close()
})

test('while Locust does not obey the stop of one run, the next is told so at once; and a bridge that ends does not wait for it', async () => {
  await using here = await startStubbornLocust(Infinity)
  here.generators.bring('r', load)
  here.generators.end('r')
  here.generators.bring('next', load)
  await until('the next run is told', () => here.told.length === 2, 10_000)
  const [, refused] = here.told
  assert.ok(refused?.is === 'broken' && refused.run === 'next')
  assert.match(refused.why, /gave no usable answer to \/stop/)
  await here.generators.close()
})

test('a Locust to which nobody is led yet, as to a Service of Kubernetes whose pod has just become ready, is asked again; one that answers something else is not', async () => {
  const [told, asked, logged]: [Input[], string[], string[]] = [[], [], []]
  const port = await freePort()
  const log = pino({ level: 'info' }, { write: line => void logged.push(line) })
  const generators = startGenerators({ locustUrl: `http://127.0.0.1:${port}`, keep: () => Promise.resolve(), token: '', bridgeUrl: '', log, tell: input => told.push(input) })
  generators.bring('r', load)
  const saying = (words: string) => logged.filter(line => line.includes(words)).length
  await until('it was refused', () => saying('nobody is at Locust') > 0, 10_000)
  await delay(1_200) // in which it is asked again twice
  await using _locust = await serve((request, response) => {
    asked.push(request.url ?? '')
    const isFirst = asked.length === 1
    response.writeHead(isFirst ? 200 : 401, { 'content-type': 'application/json' }).end(JSON.stringify({ state: 'ready', user_count: 0, stats: [] }))
  }, port)
  await until('the run has Locust', () => told.some(input => input.is === 'there'), 10_000)
  assert.deepEqual([saying('nobody is at Locust'), saying('somebody is at Locust')], [1, 1], 'each is said once')
  generators.bring('next', load)
  await until('the next run is told', () => told.length === 2, 10_000)
  assert.match(told[1]?.is === 'broken' ? told[1].why : '', /gave no usable answer to \/stats\/requests.*HTTP 401/)
  assert.equal(asked.length, 2)
  await generators.close()
})
