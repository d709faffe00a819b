import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import fastify from 'fastify'
import fc from 'fast-check'
import { bears } from '#shared/bearer.ts'
import { isDeeper } from '#shared/json-depth.ts'
import { guardHttp, mostLevels } from '../../services/scheduler/http-guard.ts'
import type { Leadership } from '../../services/scheduler/leadership.ts'
import { throughLeader } from '../../services/scheduler/through-leader.ts'
import { TokenGuesses } from '../../services/scheduler/token-guesses.ts'
import { hostileJson, nested } from '../parts/hostile-values.ts'
import { serve } from '../parts/sample-recorder.ts'

const token = 'the-right-token'

function guarded(hosts: string[] = []) {
  const api = fastify()
  guardHttp(api, { hosts, knows: authorization => bears(authorization, token) })
  api.get('/open', () => ({ open: true }))
  api.get('/page', (_request, reply) => reply.header('content-security-policy', "default-src 'self'").send('page'))
  api.post('/change', { onRequest: async (request, reply) => { if (!bears(request.headers.authorization, token)) await reply.code(401).send({}) } }, request => ({ body: request.body }))
  return api
}

test('a Host is an address, a name that nobody outside can own, or a configured one', async () => {
  const api = guarded(['chaos.example.com'])
  const statusOf = async (host: string) => (await api.inject({ url: '/open', headers: { host } })).statusCode
  for (const host of ['127.0.0.1:8080', '10.1.2.3', '[::1]:80', '[fd00::1]', 'localhost:1', 'scheduler', 'scheduler:80', 'scheduler.faultline.svc', 'scheduler.faultline.svc.cluster.local:80', 'a.localhost', 'chaos.example.com', 'CHAOS.example.com:443', 'chaos.example.com.']) {
    assert.equal(await statusOf(host), 200, host)
  }
  for (const host of ['evil.com', 'evil.com:80', 'chaos.example.com.evil.com', 'xchaos.example.com', 'evil.svc.com', 'a b', 'x@127.0.0.1', '127.0.0.1/', '127.0.0.1.nip.io', '[::1', '127.0.0.1:99999']) assert.equal(await statusOf(host), 421, host)
})

test('a page of another site is refused, whatever it asks for, and with the right token too', async () => {
  const api = guarded(['chaos.example.com'])
  const statusOf = async (origin: string, host = '127.0.0.1:8080') => (await api.inject({ method: 'POST', url: '/change', headers: { host, origin, authorization: `Bearer ${token}` } })).statusCode
  for (const origin of ['http://127.0.0.1:8080', 'https://127.0.0.1:8080', 'https://chaos.example.com', 'http://chaos.example.com:81']) assert.equal(await statusOf(origin), 200, origin)
  for (const origin of ['null', 'http://evil.com', 'http://127.0.0.1', 'http://127.0.0.1:8081', 'http://localhost:8080', 'file://', '', 'http://127.0.0.1:8080.evil.com', 'http://chaos.example.com.evil.com']) assert.equal(await statusOf(origin), 403, origin)
  assert.equal((await api.inject({ method: 'OPTIONS', url: '/change', headers: { host: '127.0.0.1', origin: 'http://evil.com', 'access-control-request-method': 'POST' } })).statusCode, 403)
})

test('every answer, errors too, says that it is to be neither framed, guessed at nor kept, unless the route says something else', async () => {
  const api = guarded()
  for (const [method, url] of [['GET', '/open'], ['GET', '/nothing'], ['POST', '/change'], ['PUT', '/open']] as const) {
    const { headers } = await api.inject({ method, url, headers: { host: 'localhost' } })
    assert.match(String(headers['content-security-policy']), /default-src 'none'.*frame-ancestors 'none'/, url)
    assert.deepEqual([headers['x-content-type-options'], headers['cache-control'], headers['x-frame-options']], ['nosniff', 'no-store', 'DENY'], url)
  }
  assert.equal((await api.inject({ url: '/page', headers: { host: 'localhost' } })).headers['content-security-policy'], "default-src 'self'")
})

test('a body is JSON, nested as deep as an experiment may be and no deeper, without keys that mean something to JavaScript', async () => {
  const api = guarded()
  const post = (body: string, type = 'application/json') => api.inject({ method: 'POST', url: '/change', headers: { host: 'localhost', authorization: `Bearer ${token}`, 'content-type': type }, payload: body })
  assert.equal((await post(nested(mostLevels))).statusCode, 200)
  for (const body of [nested(mostLevels + 1), nested(400_000), `{"a":${'{"b":'.repeat(100_000)}1${'}'.repeat(100_000)}}`]) {
    const { statusCode, json } = await post(body)
    assert.deepEqual([statusCode, json<{ message: string }>().message], [400, `the body is nested more than ${mostLevels} levels deep`])
  }
  for (const body of ['', '{', '{"__proto__":{"polluted":1}}', '{"constructor":{"prototype":{"polluted":1}}}', '\u0000', '{"a":NaN}', '{"a":Infinity}', `"${'\\'.repeat(5)}`]) assert.equal((await post(body)).statusCode, 400, body)
  assert.equal(Reflect.get({}, 'polluted'), undefined)
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/jsonx', 'text/json', 'x']) assert.equal((await post('{"a":1}', type)).statusCode, 415, type)
})

test('the depth of JSON text is that of its value, whatever stands in its strings', () => {
  const depthOf = (value: unknown): number => typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0
  fc.assert(fc.property(hostileJson, fc.constantFrom(undefined, 2), (value, space) => {
    const text = JSON.stringify(value, null, space)
    const depth = depthOf(JSON.parse(text))
    assert.ok(!isDeeper(text, depth), text)
    if (depth > 0) assert.ok(isDeeper(text, depth - 1), text)
  }), { numRuns: 1_000 })
})

test('after a hundred wrong tokens an address is not listened to, the right token is from others, and from whoever showed it before', async () => {
  const api = guarded()
  const ask = async (bearer: string, remoteAddress: string, url = '/change') => (await api.inject({ method: url === '/change' ? 'POST' : 'GET', url, remoteAddress, headers: { host: 'localhost', authorization: `Bearer ${bearer}` } })).statusCode
  assert.equal(await ask(token, '10.0.0.1'), 200)
  for (const address of ['10.0.0.1', '10.0.0.2']) for (let guess = 0; guess < 100; guess += 1) assert.equal(await ask(`guess-${guess}`, address), 401, `${address} ${guess}`)
  assert.equal(await ask(token, '10.0.0.2'), 429, 'a guess may be right by now')
  assert.equal(await ask(token, '10.0.0.1'), 200)
  assert.equal(await ask(token, '10.0.0.3'), 200)
  assert.equal(await ask('wrong', '10.0.0.4', '/open'), 200)
  for (let guess = 0; guess < 100; guess += 1) await ask('wrong', '10.0.0.4')
  assert.equal(await ask('wrong', '10.0.0.4'), 429, 'what asks for no token proves none')
  for (let visit = 0; visit < 200; visit += 1) assert.equal((await api.inject({ method: 'POST', url: '/change', remoteAddress: '10.0.0.5', headers: { host: 'localhost' } })).statusCode, 401, 'no guess at all')
})

test('guesses come back one by one with time, a whole /64 of IPv6 is one guesser, and memory is bounded', () => {
  const guesses = new TokenGuesses({ burst: 2, everyMs: 1_000, provenForMs: 5_000, mostAddresses: 3 })
  guesses.wrong('fd00:0:0:1::1', 0)
  guesses.wrong('fd00:0:0:1:ffff::2', 0)
  assert.deepEqual([guesses.waitMs('fd00:0:0:1:abcd::3', 0), guesses.waitMs('fd00:0:0:2::1', 0)], [1_000, 0])
  assert.deepEqual([guesses.waitMs('fd00:0:0:1::1', 400), guesses.waitMs('fd00:0:0:1::1', 1_000)], [600, 0])
  guesses.right('10.0.0.1', 0)
  for (let guess = 0; guess < 9; guess += 1) guesses.wrong('10.0.0.1', 10)
  assert.deepEqual([guesses.waitMs('10.0.0.1', 20), guesses.waitMs('10.0.0.1', 5_000) > 0], [0, true])
  for (let index = 0; index < 100; index += 1) guesses.wrong(`10.0.1.${index}`, 30)
  assert.equal(guesses.addresses, 3)
})

test('a request that names another host in its target is passed on to the leader alone, and its token goes nowhere else', async () => {
  const heard: string[] = []
  await using leader = await serve((request, response) => { heard.push(`leader ${request.method} ${request.url} ${request.headers.authorization}`); response.end('{}') })
  await using stranger = await serve((request, response) => { heard.push(`STRANGER ${request.url} ${request.headers.authorization}`); response.end('{}') })
  const leadership: Leadership = { campaign: () => Promise.resolve(), epoch: () => undefined, leader: () => ({ holder: 'other', address: leader.url }), stop: () => Promise.resolve() }
  const api = fastify()
  api.post('/api/v1/abort', (request, reply) => throughLeader(leadership, request, reply, { here: () => Promise.resolve({}) }))
  await api.listen({ host: '127.0.0.1', port: 0 })
  const { port } = api.server.address() as { port: number }
  try {
    for (const target of [`${stranger.url}/api/v1/abort?a=1`, '/api/v1/abort?a=2']) {
      assert.match(await raw(port, `POST ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`), /^HTTP\/1\.1 200/)
    }
  } finally {
    await api.close()
  }
  assert.deepEqual(heard, [1, 2].map(index => `leader POST /api/v1/abort?a=${index} Bearer ${token}`))
})

async function raw(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(text)
  let answer = ''
  for await (const chunk of socket.setEncoding('latin1')) answer += String(chunk)
  return answer
}
