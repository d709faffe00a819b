import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import fastify from 'fastify'
import { connect } from 'nats'
import { pino } from 'pino'
import { connectBus, newCommandKeys } from '#shared/bus-nats.ts'
import { systemClock } from '#shared/clock.ts'
import { loginOptions } from '#shared/nats-login.ts'
import { freePort } from '#shared/process/free-port.ts'
import { createMetrics } from '#shared/service.ts'
import { ApiClient, RoleTooLow, type AuditRecord } from '../../services/cli/api-client.ts'
import { schedulerApi, type SchedulerApiOptions } from '../../services/scheduler/api.ts'
import { takeEpoch } from '../../services/scheduler/epoch.ts'
import { soleLeader } from '../../services/scheduler/leadership.ts'
import { startPolicies } from '../../services/scheduler/policies.ts'
import { RequestRate } from '../../services/scheduler/request-rate.ts'
import type { Role } from '../../services/scheduler/roles.ts'
import { guardRoutes, routeTable } from '../../services/scheduler/route-access.ts'
import { startScheduler } from '../../services/scheduler/service.ts'
import { printToken, type HashedToken } from '../../services/scheduler/tokens-file.ts'
import { startChild, temporaryFolder } from '../parts/child.ts'
import { startNats, type Nats } from '../parts/nats.ts'
import { until } from '../parts/until.ts'

/** Who may do what, and who did it: the scheduler over a real nats-server, with nobody else there. */
const log = pino({ level: 'silent' })
const sharedToken = 'the-shared-token'
const tokenOf = (name: string) => `token-of-${name}`
const named = (name: string, role: Role): HashedToken => ({ name, role, hash: createHash('sha256').update(tokenOf(name)).digest() })
const people = [named('vera', 'viewer'), named('otto', 'operator'), named('ada', 'admin'), named('scraper', 'metrics'), named('pipeline', 'release')]

const owned = new AsyncDisposableStack()
let room: Awaited<ReturnType<typeof startRoom>>
before(async () => { room = owned.use(await startRoom()) })
after(() => owned.disposeAsync())

async function startRoom(more: Partial<SchedulerApiOptions> = {}) {
  const parts = new AsyncDisposableStack()
  const nats: Nats = parts.use(await startNats())
  const bus = await connectBus({ ...nats, service: 'scheduler', log, ...newCommandKeys() })
  parts.defer(() => bus.close())
  const metrics = createMetrics('scheduler')
  const scheduler = await startScheduler({ bus, clock: systemClock, log, leadership: soleLeader(await takeEpoch(nats)), metrics })
  parts.defer(() => scheduler.stop())
  const policies = await startPolicies({ bus, scheduler, clock: systemClock, log, metrics })
  parts.defer(() => policies.stop())
  const api = schedulerApi({ scheduler, bus, token: sharedToken, moreTokens: () => people, metrics, policies, ...more })
  parts.defer(() => api.close())
  const url = await api.listen({ host: '127.0.0.1', port: 0 })
  const clientOf = (name: string) => new ApiClient({ apiUrl: url, token: tokenOf(name) })
  return { nats, bus, api, url, scheduler, clientOf, [Symbol.asyncDispose]: () => parts.disposeAsync() }
}

const experiment = {
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'waits' },
  faults: [{ kind: 'pause', target: { process: { match: 'worker' } }, at: '60s', duration: '1s' }],
  gates: [{ name: 'one', promql: { query: 'vector(1)', max: 2 } }],
}
const policy = (name: string) => ({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Policy', metadata: { name }, scope: {}, rate: { mean: 1, per: 'week' },
  templates: [{ name: 'calm', experiment: { faults: [], hold: '2s', gates: [{ name: 'low', promql: { query: 'vector(1)', max: 2 } }] } }],
})

/** The status alone: some answers are streams that do not end. */
async function statusOf(route: string, bearer: string | undefined, { url }: { url: string } = room): Promise<{ status: number; retryAfter: string | null }> {
  const [method = '', path = ''] = route.split(' ')
  const response = await fetch(url + path.replace(':run', 'r').replace(':name', 'p').replace('*', 'main.ts'), { method, headers: bearer === undefined ? {} : { authorization: `Bearer ${bearer}` } })
  await response.body?.cancel()
  return { status: response.status, retryAfter: response.headers.get('retry-after') }
}

const everybodys = ['GET /healthz', 'GET /readyz', 'GET /', 'GET /page/*']
const viewers = [
  'GET /api/v1/whoami', 'GET /api/v1/runs', 'GET /api/v1/runs/:run', 'GET /api/v1/runs/:run/events', 'GET /api/v1/runs/:run/live', 'GET /api/v1/events', 'GET /api/v1/coverage',
  'GET /api/v1/policies', 'GET /api/v1/halt', 'POST /api/v1/plan',
]
const releases = ['GET /api/v1/release-check', 'POST /api/v1/release-check/flagger']
const operators = ['POST /api/v1/runs', 'POST /api/v1/runs/:run/abort', 'POST /api/v1/abort', 'POST /api/v1/halt', 'PUT /api/v1/policies/:name']
const admins = ['DELETE /api/v1/policies/:name', 'POST /api/v1/policies/:name/resume', 'POST /api/v1/resume', 'GET /api/v1/audit']
const routes = [...everybodys, 'GET /metrics', ...viewers, ...releases, ...operators, ...admins]

test('every route is in the table, and without a token it is 401 but for health and the page\'s own files; a wrong one opens nothing', async () => {
  assert.deepEqual(Object.keys(routeTable).sort(), [...routes].sort())
  for (const route of routes) {
    const [method = '', path = ''] = route.split(' ')
    assert.ok(path.endsWith('*') || room.api.hasRoute({ method, url: path }), `${route} is registered`)
    const expected = everybodys.includes(route) ? 200 : 401
    for (const bearer of [undefined, 'wrong']) assert.equal((await statusOf(route, bearer)).status, expected, `${route} with ${bearer}`)
    if (method === 'GET') assert.equal((await statusOf(route.replace('GET', 'HEAD'), undefined)).status, expected, `HEAD ${path}`)
  }
})

test('a role opens its routes and no other: 403, which says whose token it is and what it takes', async () => {
  const opened: [name: string, routes: string[]][] = [
    ['scraper', ['GET /metrics']], ['pipeline', releases], ['vera', ['GET /metrics', ...viewers, ...releases]],
    ['otto', ['GET /metrics', ...viewers, ...releases, ...operators]], ['ada', ['GET /metrics', ...viewers, ...releases, ...operators, ...admins]],
  ]
  for (const [name, open] of opened) {
    for (const route of routes.filter(one => !everybodys.includes(one))) {
      const { status } = await statusOf(route, tokenOf(name))
      assert.equal(status === 403, !open.includes(route), `${name}: ${route} is ${status}`)
      assert.notEqual(status, 401, `${name}: ${route}`)
    }
  }
  await assert.rejects(room.clientOf('vera').halt('now'), (error: unknown) => error instanceof RoleTooLow && /this token is a viewer's \(vera\); POST \/api\/v1\/halt takes one that is an operator's/.test(error.message))
  await assert.rejects(room.clientOf('otto').resume(), (error: unknown) => error instanceof RoleTooLow && /an operator's \(otto\); POST \/api\/v1\/resume takes one that is an admin's/.test(error.message))
  assert.equal(await room.clientOf('ada').resume(), 'runs are taken again')
})

test('a route that is not in the table cannot be registered, whatever the method', () => {
  for (const add of [
    (api: ReturnType<typeof fastify>) => api.get('/api/v1/forgotten', () => ({})),
    (api: ReturnType<typeof fastify>) => api.delete('/api/v1/runs', () => ({})),
    (api: ReturnType<typeof fastify>) => api.route({ method: ['GET', 'PUT'], url: '/api/v1/halt', handler: () => ({}) }),
    (api: ReturnType<typeof fastify>) => api.get('/constructor', () => ({})),
  ]) {
    const api = fastify()
    guardRoutes(api, { tokens: { callerOf: () => undefined }, audit: { before: () => Promise.resolve(), beside: () => undefined } })
    assert.throws(() => add(api), /is not in the table of routes/)
  }
})

/** What came after the entry of that name, without the dates. */
const since = ({ entries }: AuditRecord, about: string) => entries.slice(entries.findIndex(entry => entry.about === about) + 1)
  .map(({ who, role, address, request, about: on, outcome }) => [who, role, address, request, on, outcome])

test('whatever changes something is in the audit: who, from where, what, on what; so is what was refused, and no token', async () => {
  const [vera, otto, ada] = ['vera', 'otto', 'ada'].map(room.clientOf) as [ApiClient, ApiClient, ApiClient]
  await otto.halt('the audit begins')
  await ada.resume()
  const run = await otto.submit(experiment, 'waits.yaml')
  await assert.rejects(vera.abort(run), RoleTooLow)
  await otto.abort(run)
  await otto.abortAll()
  await otto.setPolicy('drip', policy('drip'))
  await assert.rejects(otto.removePolicy('drip'), RoleTooLow)
  await ada.resumePolicy('drip')
  await ada.removePolicy('drip')
  await vera.runs() // what is read is not
  const shared = new ApiClient({ apiUrl: room.url, token: sharedToken })
  const record = await shared.audit('1h')
  const local = '127.0.0.1'
  assert.deepEqual(since(record, 'the audit begins'), [
    ['ada', 'admin', local, 'POST /api/v1/resume', undefined, 'allowed'],
    ['otto', 'operator', local, 'POST /api/v1/runs', run, 'allowed'],
    ['vera', 'viewer', local, 'POST /api/v1/runs/:run/abort', run, 'refused'],
    ['otto', 'operator', local, 'POST /api/v1/runs/:run/abort', run, 'allowed'],
    ['otto', 'operator', local, 'POST /api/v1/abort', undefined, 'allowed'],
    ['otto', 'operator', local, 'PUT /api/v1/policies/:name', 'drip', 'allowed'],
    ['otto', 'operator', local, 'DELETE /api/v1/policies/:name', 'drip', 'refused'],
    ['ada', 'admin', local, 'POST /api/v1/policies/:name/resume', 'drip', 'allowed'],
    ['ada', 'admin', local, 'DELETE /api/v1/policies/:name', 'drip', 'allowed'],
  ])
  assert.deepEqual([record.leftOut, record.unreadable], [0, 0])
  for (const secret of [sharedToken, ...people.map(({ name }) => tokenOf(name)), ...people.map(({ hash }) => hash.toString('hex'))]) assert.ok(!JSON.stringify(record).includes(secret))
  assert.match(String(room.scheduler.runs().find(known => known.run === run)?.abort?.detail), /^aborted by otto$/)
})

test('what begins something or lets it go is not done unless it is in the audit; an abort and a halt wait for nothing', async () => {
  await using alone = await startRoom()
  const [otto, ada] = ['otto', 'ada'].map(alone.clientOf) as [ApiClient, ApiClient]
  const run = await otto.submit(experiment, 'waits.yaml')
  await ada.setPolicy('drip', policy('drip'))
  const connection = await connect(loginOptions(alone.nats))
  await (await connection.jetstreamManager()).streams.delete('FAULTLINE_AUDIT')
  await connection.close()
  for (const refused of [() => otto.submit(experiment, 'waits.yaml'), () => otto.setPolicy('other', policy('other')), () => ada.removePolicy('drip')]) {
    await assert.rejects(refused(), /503.*nothing was done: who asked for it could not be put into the audit log/)
  }
  assert.deepEqual(alone.scheduler.runs().map(known => known.run), [run])
  assert.deepEqual((await ada.policies()).map(({ name }) => name), ['drip'])
  const startedMs = performance.now()
  assert.equal(await otto.abort(run), true)
  assert.match(await otto.halt('now'), /^halted by otto/)
  assert.ok(performance.now() - startedMs < 2_900, 'neither has waited for what is given up after three seconds')
  await assert.rejects(ada.resume(), /nothing was done/)
  assert.equal(alone.scheduler.halt.state().halted, true)
})

test('the audit is in the order in which was asked, also where an entry that nothing waited for was stored behind a later one', async () => {
  await using alone = await startRoom()
  const atMs = Date.now()
  for (const [name, agoMs] of [['second', 1_000], ['third', 500], ['first', 2_000]] as const) {
    await alone.bus.writer('scheduler').write('audit', 'audit.request', { who: name, role: 'admin', address: '127.0.0.1', request: 'POST /api/v1/halt', outcome: 'allowed', atMs: atMs - agoMs })
  }
  const { entries } = await alone.clientOf('ada').audit('1h')
  assert.deepEqual(entries.map(({ who }) => who), ['first', 'second', 'third'])
})

test('whoever asks without end gets 429 and when to ask again, and can abort and halt all the same; others are not slowed', async () => {
  await using alone = await startRoom({ rate: new RequestRate({ burst: 5, everyMs: 60_000 }) })
  for (let asked = 0; asked < 5; asked += 1) assert.equal((await statusOf('GET /api/v1/runs', tokenOf('otto'), alone)).status, 200)
  const { status, retryAfter } = await statusOf('GET /api/v1/runs', tokenOf('otto'), alone)
  assert.deepEqual([status, Number(retryAfter) > 0], [429, true])
  assert.equal((await statusOf('POST /api/v1/abort', tokenOf('otto'), alone)).status, 200)
  assert.equal((await statusOf('POST /api/v1/halt', tokenOf('otto'), alone)).status, 200)
  assert.equal((await statusOf('GET /api/v1/runs', tokenOf('vera'), alone)).status, 200)
  for (let asked = 0; asked < 5; asked += 1) await statusOf('POST /api/v1/halt', tokenOf('vera'), alone)
  assert.equal((await statusOf('POST /api/v1/halt', tokenOf('vera'), alone)).status, 429, 'what is refused counts, so that it does not fill the audit')
})

test('a scheduler as a process takes tokens from files, and others as soon as the files are others, without a restart', { timeout: 60_000 }, async () => {
  await using parts = new AsyncDisposableStack()
  const { path: folder } = parts.use(temporaryFolder('access'))
  const nats = parts.use(await startNats())
  const [apiToken, tokens] = [join(folder, 'api-token'), join(folder, 'tokens')]
  const write = (file: string, text: string) => { writeFileSync(`${file}.new`, text); renameSync(`${file}.new`, file) }
  write(apiToken, 'the-first-one\n')
  const port = await freePort()
  const alone = { url: `http://127.0.0.1:${port}` }
  const keys = newCommandKeys()
  const child = parts.use(await startChild({
    name: 'scheduler', argv: [process.execPath, fileURLToPath(new URL('../../services/scheduler/main.ts', import.meta.url))], cwd: folder, ready: { kind: 'http', url: `${alone.url}/readyz` },
    env: {
      FAULTLINE_CONFIG: '/dev/null', FAULTLINE_NATS_URL: nats.servers, FAULTLINE_NATS_TOKEN: nats.token, FAULTLINE_HTTP_PORT: String(port), FAULTLINE_LOG_LEVEL: 'trace',
      FAULTLINE_COMMANDS_SIGNING_SEED: keys.signingSeed, FAULTLINE_COMMANDS_PUBLIC_KEY: keys.commandKey, FAULTLINE_API_TOKEN_FILE: apiToken, FAULTLINE_ACCESS_TOKENS_FILE: tokens,
    },
  }, folder))
  const resumes = async (bearer: string) => (await statusOf('POST /api/v1/resume', bearer, alone)).status
  assert.deepEqual([await resumes('the-first-one'), await resumes('the-second-one'), await resumes(tokenOf('otto'))], [200, 401, 401])
  write(apiToken, 'the-second-one\n')
  write(tokens, people.map(printToken).join('\n'))
  await until('both files are read again', async () => await resumes('the-second-one') === 200 && await resumes(tokenOf('otto')) === 403, 10_000, { lookMs: 100 })
  assert.deepEqual([await resumes('the-first-one'), await resumes(tokenOf('ada'))], [401, 200])
  write(tokens, people.filter(({ name }) => name !== 'ada').map(printToken).join('\n'))
  await until('ada is nobody', async () => await resumes(tokenOf('ada')) === 401, 10_000, { lookMs: 100 })
  const shared = new ApiClient({ apiUrl: alone.url, token: 'the-second-one' })
  await shared.submit(experiment, 'waits.yaml')
  await shared.halt('sorry, that was the-second-one') // as people do; it is told in the log
  await until('the run is aborted', () => child.log().includes('aborting: halted'), 10_000, { lookMs: 100 })
  assert.match(child.log(), /aborting: halted [^\n]*sorry, that was \(secret\)/)
  for (const secret of ['the-first-one', 'the-second-one', ...people.map(({ name }) => tokenOf(name))]) assert.ok(!child.log().includes(secret), secret)
})

test('the audit is read as far back as was asked for, by an admin', async () => {
  const { url } = room
  const ask = async (query: string) => (await fetch(`${url}/api/v1/audit${query}`, { headers: { authorization: `Bearer ${tokenOf('ada')}` } })).status
  for (const query of ['?since=1', '?since=9999h', '?since=0s', '?sinc=1h', '?since=1h&since=2h']) assert.equal(await ask(query), 400, query)
  assert.equal(await ask(''), 200)
  await assert.rejects(room.clientOf('otto').audit('1h'), RoleTooLow)
})
