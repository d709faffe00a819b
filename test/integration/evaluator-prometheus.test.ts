import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, request, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { gateKinds } from '#shared/gate-kinds.ts'
import { connectPrometheus } from '#shared/prometheus.ts'
import { freePort } from '#shared/process/free-port.ts'
import { prometheusPlan } from '../../services/cli/parts/prometheus.ts'

/** A real Prometheus that scrapes a real, if small, target every second. */
const parts = new AsyncDisposableStack()
const folder = mkdtempSync(join(tmpdir(), 'evaluator-'))
parts.defer(() => rmSync(folder, { recursive: true }))
let url = ''
let port = 0
const fresh = { freshForMs: 5_000 }

before(async () => {
  const target = createServer((_, response) => response.end(exposition()))
  const address = `127.0.0.1:${await listen(target)}`
  parts.defer(() => close(target))
  port = await freePort()
  const { argv: [program, ...args] } = prometheusPlan({ folder, port, targets: [{ job: 'shop', address }] })
  const server = spawn(program, args, { stdio: 'ignore' })
  parts.defer(async () => {
    server.kill('SIGKILL')
    if (server.exitCode === null && server.signalCode === null) await once(server, 'exit')
  })
  url = `http://127.0.0.1:${port}`
  const prometheus = connectPrometheus({ url })
  const givenUpMs = Date.now() + 30_000 // a rate takes two scrapes
  while ((await prometheus.ask('sum(increase(shop_requests_total[5s]))', Date.now(), fresh)).is === 'no-data') {
    assert.ok(Date.now() < givenUpMs, 'Prometheus never had two scrapes')
    await delay(100)
  }
})
after(() => parts.disposeAsync())

let scrapes = 0
function exposition(): string {
  scrapes += 1
  return `# TYPE shop_requests_total counter
shop_requests_total{code="200"} ${scrapes * 90}
shop_requests_total{code="500"} ${scrapes * 10}
# TYPE shop_seconds histogram
shop_seconds_bucket{le="0.5"} ${scrapes * 80}
shop_seconds_bucket{le="2.0"} ${scrapes * 95}
shop_seconds_bucket{le="+Inf"} ${scrapes * 100}
shop_seconds_sum ${scrapes}
shop_seconds_count ${scrapes * 100}
# TYPE queue gauge
queue{shard="a"} 1
queue{shard="b"} 2
# TYPE not_a_number gauge
not_a_number NaN
# TYPE endless gauge
endless +Inf
# TYPE dated gauge
dated 5 ${Date.now() - 2_500}
`
}

async function ask(query: string, { freshForMs = 5_000 } = {}): Promise<string | number> {
  const answer = await connectPrometheus({ url }).ask(query, Date.now(), { freshForMs })
  return answer.is === 'value' ? answer.value : answer.why
}

test('a single number is the answer', async () => {
  assert.equal(await ask('sum(queue)'), 3)
  assert.equal(await ask('scalar(queue{shard="b"})'), 2)
})

test('no series, several series, NaN and infinity are no data, and each says which', async () => {
  assert.match(String(await ask('no_such_metric')), /^empty/)
  assert.match(String(await ask('queue')), /^2 series, not one/)
  assert.match(String(await ask('not_a_number')), /^NaN/)
  assert.match(String(await ask('sum(queue) * 0 / 0')), /^NaN/)
  assert.match(String(await ask('endless')), /^infinite \(Infinity\)/)
  assert.match(String(await ask('-endless')), /^infinite \(-Infinity\)/)
  assert.match(String(await ask('scalar(endless)')), /^infinite/)
  assert.match(String(await ask('queue[5s]')), /matrix, not one number/)
})

test('a sample older than the window is stale, however willingly Prometheus still gives it', async () => {
  assert.equal(await ask('dated', { freshForMs: 60_000 }), 5)
  assert.match(String(await ask('dated', { freshForMs: 1_000 })), /^stale: the newest sample of dated is \d+ ms old/)
  assert.match(String(await ask('sum(queue) + sum(dated)', { freshForMs: 2_000 })), /^stale: the newest sample of dated/)
})

test('a Prometheus whose clock is not ours has no data, and says by how much: the newest sample of one that is ahead is old, and looks fresh', async () => {
  let aheadMs = 0
  const door = createServer((incoming, outgoing) => {
    incoming.pipe(request({ host: '127.0.0.1', port, path: incoming.url, method: incoming.method, headers: incoming.headers }, answer => {
      outgoing.writeHead(answer.statusCode ?? 500, { ...answer.headers, date: new Date(Date.now() + aheadMs).toUTCString() })
      answer.pipe(outgoing)
    }))
  })
  const prometheus = connectPrometheus({ url: `http://127.0.0.1:${await listen(door)}` })
  const asked = async () => [await prometheus.ask('sum(queue)', Date.now(), fresh), await prometheus.samples('queue[5s]', Date.now())]
  try {
    assert.deepEqual((await asked()).map(({ is }) => is), ['value', 'samples'])
    for (const [ms, side] of [[30_000, /its clock is \d+ ms or more ahead of the evaluator's/], [-30_000, /its clock is \d+ ms or more behind the evaluator's/]] as const) {
      aheadMs = ms
      for (const answer of await asked()) assert.match(answer.is === 'no-data' ? answer.why : answer.is, side)
    }
  } finally {
    await close(door)
  }
})

test('a query that Prometheus refuses is no data with its words', async () => {
  assert.match(String(await ask('rate(queue)')), /HTTP 400 .*expected type range vector/)
})

test('a Prometheus that is not there, or does not answer in time, is no data', async () => {
  const silent = createServer(() => undefined)
  const silentUrl = `http://127.0.0.1:${await listen(silent)}`
  const late = await connectPrometheus({ url: silentUrl, timeoutMs: 200 }).ask('up', Date.now(), fresh)
  await close(silent)
  const gone = await connectPrometheus({ url: silentUrl }).ask('up', Date.now(), fresh)
  assert.match(late.is === 'no-data' ? late.why : '', /did not answer the query: .*timeout/)
  assert.match(gone.is === 'no-data' ? gone.why : '', /ECONNREFUSED/)
})

test('each kind of gate reads the user\'s own metrics', async () => {
  const own = { total: 'shop_requests_total', bad: 'shop_requests_total{code="500"}' }
  const value = (kind: string, parameters: object) => {
    const rule = gateKinds.get(kind)?.bound.parse(parameters)
    assert.ok(rule)
    return ask(rule.query({ run: 'r1', windowMs: 5_000 }))
  }
  const round = async (found: Promise<string | number>) => Number(Number(await found).toFixed(6))
  assert.equal(await round(value('errorRate', { max: 0.1, ...own })), 0.1)
  assert.equal(await round(value('availability', { min: 0.9, ...own })), 0.9)
  assert.equal(await round(value('latency', { quantile: 0.95, max: '500ms', histogram: 'shop_seconds' })), 0.2)
  assert.equal(await round(value('latency', { quantile: 0.95, max: '2s', histogram: 'shop_seconds{job="shop"}' })), 0.05)
  assert.equal(await value('errorRate', { max: 0.1, total: own.total, bad: 'shop_requests_total{code="503"}' }), 0, 'no error series yet is no error')
  assert.match(String(await value('errorRate', { max: 0.1, total: own.total, bad: 'shop_requests_tootal{code="500"}' })), /^empty/)
  assert.match(String(await value('errorRate', { max: 0.1, total: own.total, bad: 'shop_requests_total{status="500"}' })), /^empty/, 'a label that the metric does not have names nothing, for ever')
  assert.match(String(await value('availability', { min: 0.9, total: 'shop_requests_total{job="shop"}', bad: 'shop_requests_total{job="shop",status=~"5.."}' })), /^empty/)
  assert.match(String(await value('latency', { quantile: 0.95, max: '700ms', histogram: 'shop_seconds' })), /^empty/)
})

test('the history of an expression has its points at the step', async () => {
  const prometheus = connectPrometheus({ url })
  const endMs = Date.now()
  const points = await prometheus.history('sum(queue)', endMs - 500, endMs, 100)
  assert.deepEqual(points, Array.from({ length: 6 }, (_, index) => [endMs - 500 + index * 100, 3]))
  assert.deepEqual(await prometheus.history('sum(not_a_number)', endMs - 500, endMs, 100), [], 'what is not a number is no point')
  assert.deepEqual(await prometheus.history('queue', endMs - 500, endMs, 100), [])
  await assert.rejects(prometheus.history('rate(queue)', endMs - 500, endMs, 100), /did not answer: HTTP 400/)
})

test('bearer token, rotated token file, tenant and own authority work, and none of them is optional to a server that wants them', async () => {
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1', '-subj', '/CN=prometheus',
    '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', join(folder, 'key.pem'), '-out', join(folder, 'ca.pem')], { stdio: 'ignore' })
  const caFile = join(folder, 'ca.pem')
  const guard = createSecureServer({ key: readFileSync(join(folder, 'key.pem')), cert: readFileSync(caFile) }, (incoming, outgoing) => {
    const { authorization, 'x-scope-orgid': tenant } = incoming.headers
    if (authorization !== 'Bearer secret' || tenant !== 'shop') return void outgoing.writeHead(401, { 'content-type': 'application/json' }).end('{"status":"error","error":"who are you"}')
    incoming.pipe(request({ host: '127.0.0.1', port, path: incoming.url, method: incoming.method, headers: incoming.headers }, answer => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(outgoing)
    }))
  })
  const guarded = `https://127.0.0.1:${await listen(guard)}`
  const tokenFile = join(folder, 'token')
  const answerWith = async (options: Omit<Parameters<typeof connectPrometheus>[0], 'url'>) => {
    const prometheus = connectPrometheus({ url: guarded, ...options })
    const answer = await prometheus.ask('sum(queue)', Date.now(), fresh)
    prometheus.close()
    return answer.is === 'value' ? answer.value : answer.why
  }
  try {
    assert.equal(await answerWith({ caFile, bearerToken: 'secret', orgId: 'shop' }), 3)
    assert.match(String(await answerWith({ bearerToken: 'secret', orgId: 'shop' })), /self-signed certificate/)
    assert.match(String(await answerWith({ caFile, bearerToken: 'secret' })), /HTTP 401 who are you/)
    writeFileSync(tokenFile, 'old\n')
    const rotating = connectPrometheus({ url: guarded, caFile, tokenFile, orgId: 'shop' })
    assert.equal((await rotating.ask('sum(queue)', Date.now(), fresh)).is, 'no-data')
    writeFileSync(tokenFile, 'secret\n')
    assert.deepEqual(await rotating.ask('sum(queue)', Date.now(), fresh), { is: 'value', value: 3 })
    rotating.close()
    assert.match(String(await answerWith({ caFile, tokenFile: join(folder, 'none'), orgId: 'shop' })), /ENOENT/)
  } finally {
    await close(guard)
  }
  assert.throws(() => connectPrometheus({ url: guarded, caFile: join(folder, 'none.pem') }), /ENOENT/)
})

async function listen(server: Server | ReturnType<typeof createSecureServer>): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function close(server: Server | ReturnType<typeof createSecureServer>): Promise<void> {
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
}
