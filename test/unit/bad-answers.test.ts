import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import fc from 'fast-check'
import { Registry } from 'prom-client'
import { facts } from '#shared/events.ts'
import { initialState, step, type Input, type State } from '../../services/locust-bridge/core.ts'
import { loadSampleSchema, sampleFact, type LoadSample } from '../../services/locust-bridge/load-sample.ts'
import { locustApi, LocustUnanswered } from '../../services/locust-bridge/locust-api.ts'
import { startSampleServer } from '../../services/locust-bridge/sample-server.ts'
import { connectPrometheus } from '#shared/prometheus.ts'
import { hostileJson, nested, spoilt } from '../parts/hostile-values.ts'
import { serve } from '../parts/sample-recorder.ts'

/** Real HTTP servers that misbehave, since the real Prometheus and the real Locust cannot be made to. */

const json = (body: string) => (response: ServerResponse) => response.writeHead(200, { 'content-type': 'application/json' }).end(body)
const vector = (...values: unknown[]) => JSON.stringify({ status: 'success', data: { resultType: 'vector', result: values.map(value => ({ metric: {}, value: [1, value] })) } })

async function misbehaving() {
  let behave: (response: ServerResponse) => void = json('{}')
  let requests = 0
  const server = await serve((request, response) => {
    requests += 1
    request.resume().on('end', () => behave(response))
  })
  return { url: server.url, requests: () => requests, be: (how: typeof behave) => { behave = how }, [Symbol.asyncDispose]: server.close }
}

const nonsense: [name: string, behave: (response: ServerResponse) => void][] = [
  ['nothing', json('')], ['null', json('null')], ['a list', json('[]')], ['a text', json('"ok"')], ['truncated', json('{"status":"success","data":{"resultType":"vector","result":[{"met')],
  ['no data', json('{"status":"success"}')], ['data null', json('{"status":"success","data":null}')], ['an unknown type', json('{"status":"success","data":{"resultType":"cube","result":[]}}')],
  ['a result that is no list', json('{"status":"success","data":{"resultType":"vector","result":{}}}')], ['a series without a value', json('{"status":"success","data":{"resultType":"vector","result":[{"metric":{}}]}}')],
  ['a series that is null', json('{"status":"success","data":{"resultType":"vector","result":[null]}}')], ['a scalar without value', json('{"status":"success","data":{"resultType":"scalar","result":[1]}}')],
  ['a string', json('{"status":"success","data":{"resultType":"string","result":[1,"1"]}}')], ['a matrix', json('{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"]]}]}}')],
  ['two series', json(vector('1', '2'))], ['no series', json(vector())], ['NaN', json(vector('NaN'))], ['+Inf', json(vector('+Inf'))], ['-Inf', json(vector('-Inf'))], ['a word', json(vector('many'))], ['a number and more', json(vector('5 apples'))], ['1e999', json(vector('1e999'))], ['no text', json(vector(null))],
  ['an error with status 200', json('{"status":"error","errorType":"execution","error":"out of memory"}')], ['deep', json(`{"status":"success","data":${nested(200_000)}}`)],
  ['a page of HTML', response => response.writeHead(200, { 'content-type': 'text/html' }).end(`<html>${'<p>login</p>'.repeat(10_000)}`)], ['a page of HTML as an error', response => response.writeHead(502, { 'content-type': 'text/html' }).end(`<html>${'x'.repeat(1_000_000)}`)],
  ['an error of a megabyte', response => response.writeHead(422, { 'content-type': 'application/json' }).end(JSON.stringify({ status: 'error', error: 'x'.repeat(1_000_000) }))],
  ['a redirect', response => response.writeHead(302, { location: 'http://127.0.0.1:9/' }).end()], ['204', response => response.writeHead(204).end()],
  ['a hang-up', response => void response.socket?.destroy()], ['a hang-up in the middle', response => { response.writeHead(200, { 'content-length': '100' }).write('{"status"'); response.socket?.destroy() }],
  ['a body that never ends', response => void response.writeHead(200).write('{"status"')], ['silence', () => undefined],
  ['a flood', response => { response.writeHead(200, { 'content-type': 'application/json' }); flood(response) }],
]

/** As fast as it is taken, until the other side has had enough. */
function flood(response: ServerResponse): void {
  const megabyte = 'x'.repeat(1_048_576)
  let sent = 0
  const more = (): void => {
    while (sent++ < 200 && response.writable) if (!response.write(megabyte)) return void response.once('drain', more)
  }
  more()
}

/** What never comes is told, not waited for. */
function soon<T>(name: string, asked: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new assert.AssertionError({ message: `${name}: no answer within 20 s` })), 20_000)
  return Promise.race([asked, late]).finally(() => clearTimeout(timer))
}

/** Somebody else's server, which gives that answer, and must not be asked. */
async function elsewhere(body: string) {
  let visits = 0
  const server = await serve((_request, response) => {
    visits += 1
    json(body)(response)
  })
  return { redirect: (response: ServerResponse) => void response.writeHead(302, { location: server.url }).end(), visits: () => visits, [Symbol.asyncDispose]: server.close }
}

/** The same JSON, and so many bytes of it. */
const padded = (body: string, bytes: number) => `${body}${' '.repeat(bytes)}`

test('whatever Prometheus answers is one number or no data with a short reason that names it, and a fact as the catalogue says', { timeout: 60_000 }, async () => {
  await using server = await misbehaving()
  await using other = await elsewhere(vector('1'))
  const prometheus = connectPrometheus({ url: server.url.replace('//', '//user:hunter2-secret@'), timeoutMs: 500 })
  for (const [name, behave] of nonsense) {
    server.be(behave)
    const answer = await soon(name, prometheus.ask('vector(1)', 1_000, { freshForMs: 1e9 }))
    assert.equal(answer.is, 'no-data', name)
    const why = answer.is === 'no-data' ? answer.why : ''
    assert.ok(why.length > 3 && why.length < 700 && !why.includes('hunter2') && !why.includes('\n'), `${name}: ${why.slice(0, 900)}`)
    assert.ok(facts['slo.answer'].data.safeParse({ gate: 'g', query: 'q', evaluatedAtMs: 1, askedAtMs: 1, answeredAtMs: 1, answer }).success, name)
    await soon(name, prometheus.history('vector(1)', 0, 1_000, 100).then(points => assert.ok(points.every(point => point.every(Number.isFinite))), (error: unknown) => assert.ok(error instanceof Error && error.message.length < 900 && !error.message.includes('hunter2'), name)))
  }
  server.be(other.redirect)
  assert.deepEqual([(await prometheus.ask('vector(1)', 1_000, { freshForMs: 1e9 })).is, other.visits()], ['no-data', 0], 'a redirect to an answer')
  const patient = connectPrometheus({ url: server.url, timeoutMs: 20_000 })
  server.be(json(padded(vector('1'), 17_000_000)))
  assert.equal((await patient.ask('vector(1)', 1_000, { freshForMs: 1e9 })).is, 'no-data', 'more than any answer has')
  patient.close()
  server.be(json(vector('0.25')))
  assert.deepEqual(await prometheus.ask('vector(1)', 1_000, { freshForMs: 1e9 }), { is: 'value', value: 0.25 })
  server.be(json(JSON.stringify({ status: 'success', warnings: ['partial', 7], infos: [null], data: { resultType: 'scalar', result: [1, '7'] } })))
  assert.deepEqual(await prometheus.ask('vector(1)', 1_000, { freshForMs: 1e9 }), { is: 'value', value: 7, warnings: ['partial'] })
  prometheus.close()
})

test('whatever Prometheus answers to a range is samples or no data with a short reason, and of a metric it knows it or says why not', { timeout: 60_000 }, async () => {
  await using server = await misbehaving()
  const prometheus = connectPrometheus({ url: server.url, timeoutMs: 500 })
  for (const [name, behave] of nonsense) {
    server.be(behave)
    for (const answer of [await prometheus.samples('up[5s]', 1_000), await prometheus.knowsMetric('up')]) {
      if (answer.is === 'samples') assert.equal(name, 'a matrix')
      else if (answer.is === 'no-data') assert.ok(answer.why.length > 3 && answer.why.length < 700 && !answer.why.includes('\n'), `${name}: ${answer.why.slice(0, 900)}`)
      else assert.equal(answer.is, 'unknown', name)
    }
  }
  server.be(json(JSON.stringify({ status: 'success', warnings: ['partial'], data: { resultType: 'matrix', result: [
    { metric: { __name__: 'a' }, values: [[1.0004, '3'], [2, 'NaN'], [3, '+Inf']] },
    { metric: { __name__: 'b' }, histograms: [[1, { count: '5', sum: '1', buckets: [[0, '0.5', '1', '4'], [3, '-0.001', '0.001', '1']] }], [2, { count: '5', sum: '1' }]] },
  ] } })))
  assert.deepEqual(await prometheus.samples('x[5s]', 1_000), {
    is: 'samples', warnings: ['partial'], series: [
      { labels: { __name__: 'a' }, samples: [[1_000, 3], [2_000, NaN], [3_000, Infinity]], histograms: [] },
      { labels: { __name__: 'b' }, samples: [], histograms: [[1_000, { count: 5, buckets: [{ lower: 0.5, upper: 1, count: 4 }, { lower: -0.001, upper: 0.001, count: 1 }] }], [2_000, { count: 5, buckets: [] }]] },
    ],
  })
  server.be(json('{"status":"success","data":{"up":[]}}'))
  assert.deepEqual(await prometheus.knowsMetric('up'), { is: 'known' })
  prometheus.close()
})

test('no JSON from Prometheus makes a number but one of its own shape', { timeout: 60_000 }, async () => {
  await using server = await misbehaving()
  const prometheus = connectPrometheus({ url: server.url, timeoutMs: 2_000 })
  await fc.assert(fc.asyncProperty(fc.oneof(hostileJson, spoilt(JSON.parse(vector('0.25')))), async value => {
    server.be(json(JSON.stringify(value) ?? ''))
    const answer = await prometheus.ask('vector(1)', 1_000, { freshForMs: 1e9 })
    if (answer.is === 'value') assert.ok(Number.isFinite(answer.value))
    else assert.ok(answer.why.length > 0 && answer.why.length < 700)
  }), { numRuns: 150 })
  prometheus.close()
})

test('whatever is at Locust\'s address is an answer of its shape, or none with a short reason, within the deadline', { timeout: 60_000 }, async () => {
  await using server = await misbehaving()
  const api = locustApi(server.url, { timeoutMs: 500 })
  const patient = locustApi(server.url, { timeoutMs: 20_000 })
  const stats = { state: 'running', user_count: 1, stats: [{ name: 'a', num_requests: 1, num_failures: 0 }] }
  const refused = async (name: string, ask: () => Promise<unknown>) => {
    const startedMs = performance.now()
    await assert.rejects(soon(name, ask()), (error: unknown) => error instanceof LocustUnanswered && error.message.length < 900 && !error.message.includes('\n'), name)
    assert.ok(performance.now() - startedMs < 15_000, name) // the deadline is half a second, and the patient one's is twenty
  }
  for (const [name, behave] of nonsense) {
    server.be(behave)
    await refused(name, () => api.stats())
    await refused(name, () => api.stop())
  }
  for (const wrong of [{ user_count: -1 }, { user_count: 0.5 }, { stats: [{ name: 'a', num_requests: -5, num_failures: 0 }] }, { stats: { length: 1 } }, { state: null }, { workers: 'none' }]) {
    server.be(json(JSON.stringify({ ...stats, ...wrong })))
    await refused(JSON.stringify(wrong), () => api.stats())
  }
  await using other = await elsewhere(JSON.stringify(stats))
  server.be(other.redirect)
  await refused('a redirect to an answer', () => patient.stats())
  assert.equal(other.visits(), 0)
  server.be(json(padded(JSON.stringify(stats), 34_000_000)))
  await refused('more than any answer has', () => patient.stats())
  await refused('a login in the address', () => locustApi('http://user:hunter2-secret@127.0.0.1:9').stats().catch((error: Error) => { assert.ok(!error.message.includes('hunter2')); throw error }))
  server.be(json(JSON.stringify({ ...stats, stats: Array.from({ length: 5_000 }, (_, index) => ({ name: `/item/${index}`, num_requests: 1, num_failures: 0, response_times: { 5: 1 } })) })))
  assert.equal((await api.stats()).stats.length, 5_000)
})

const sample: LoadSample = {
  version: 1, worker: 'w', index: 0, bootId: 'b', startMs: 1_000, endMs: 1_200, users: 3, ok: { 12: 2 }, failed: { 501: 1 }, inFlight: { 450: 1 }, inFlightTotal: 1, lateMs: 0, dropped: 0,
}

test('whatever is posted as a sample is refused with a short reason, or is one that the catalogue takes; the server answers afterwards', { timeout: 60_000 }, async () => {
  const taken: LoadSample[] = []
  const server = await startSampleServer({ listen: { host: '127.0.0.1', port: 0 }, token: 'secret', take: given => taken.push(given), ready: () => true, metrics: new Registry() })
  const post = async (body: string, { authorization = 'Bearer secret', type = 'application/json' } = {}) => {
    const response = await fetch(`${server.url}/samples`, { method: 'POST', body, headers: { authorization, 'content-type': type } })
    const said = await response.text()
    assert.ok(said.length < 3_000, said.slice(0, 200))
    return response.status
  }
  try {
    await fc.assert(fc.asyncProperty(fc.oneof(hostileJson, spoilt(sample)), async value => {
      const before = taken.length
      const status = await post(JSON.stringify(value) ?? '')
      assert.equal(taken.length - before, status === 204 ? 1 : 0)
      assert.ok(status === 204 || status === 400, `${status}`)
      for (const one of taken.splice(0)) assert.ok(facts['load.sample'].data.safeParse(sampleFact(one)).success, JSON.stringify(one))
    }), { numRuns: 200 })
    const many = (entries: number, howMany: number) => JSON.stringify({ ...sample, ok: Object.fromEntries(Array.from({ length: entries }, (_, index) => [index, howMany])) })
    for (const body of [many(1, 9e15), many(2, 600_000), JSON.stringify({ ...sample, startMs: 1_201 }), JSON.stringify({ ...sample, ...Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`k${index}`, 1])) }), nested(400_000), '{"__proto__":{}}', '\ufeff{}']) {
      assert.equal(await post(body), 400, body.slice(0, 80))
    }
    assert.equal(await post('not even JSON', { authorization: 'Bearer wrong' }), 401, 'without the token nothing is parsed')
    assert.equal(await post('x'.repeat(2_000_000), { authorization: '' }), 401)
    assert.equal(await post(JSON.stringify(sample), { type: 'text/plain' }), 400)
    assert.equal(await post(many(10_000, 20)), 204)
  } finally {
    await server.close()
  }
})

test('a million requests in a sample are the most', () => {
  assert.ok(loadSampleSchema.safeParse({ ...sample, ok: { 5: 1_000_000 } }).success)
  assert.equal(loadSampleSchema.safeParse({ ...sample, ok: { 5: 1_000_001 } }).success, false)
})

test('a load whose worker has a clock of its own breaks with the reason, before its samples are judged by nobody', () => {
  const start: Input[] = [
    { is: 'start', run: 'r1', users: 3, reachedWithinMs: 10_000, epoch: { bucketCreatedMs: 1, revision: 1 }, isTooLate: false }, { is: 'there', run: 'r1' }, { is: 'swarmed', run: 'r1' }, { is: 'sample', sample, aheadMs: -9_000 },
  ]
  const running: State = start.reduce((state, input) => step(state, input, 0).state, initialState)
  assert.equal(running.load.at, 'reached')
  const heard = (state: State, index: number, aheadMs: number) => step(state, { is: 'sample', sample: { ...sample, index }, aheadMs }, 0)
  const why = ({ effects }: ReturnType<typeof heard>) => effects.flatMap(effect => effect.effect === 'announce' && effect.state === 'failed' ? [effect.detail ?? ''] : []).join()
  assert.match(why(heard(running, 1, 3_600_000)), /the clock of w is 1h ahead of the locust-bridge's.*NTP/)
  assert.equal(heard(running, 1, 900).state.load.at, 'reached')
  const backlog = Array.from({ length: 150 }, (_, index) => index + 1).reduce((state, index) => heard(state, index, -60_000).state, running)
  assert.equal(backlog.load.at, 'reached', 'so many a listener keeps while the bridge stands still')
  assert.equal(heard(heard(backlog, 151, -200).state, 152, -60_000).state.load.at, 'reached')
  assert.match(why(heard(backlog, 151, -60_000)), /the clock of w is 1m behind/)
})
