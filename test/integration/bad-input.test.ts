import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { connect, type NatsConnection } from 'nats'
import { pino } from 'pino'
import type { Bus } from '#shared/bus.ts'
import { connectBus, newCommandKeys } from '#shared/bus-nats.ts'
import { commands, commandSubject, signals, signalSubject, type CommandName, type SignalName } from '#shared/commands.ts'
import { environmentName, settings, type SettingName } from '#shared/config.ts'
import { CommandUnanswered, MessageTooLarge } from '#shared/errors.ts'
import { facts, factSubject, type FactType, type Service, type StoredFact } from '#shared/events.ts'
import { loginOptions } from '#shared/nats-login.ts'
import { freePort } from '#shared/process/free-port.ts'
import { newSigningKey } from '#shared/signing-key.ts'
import { ApiClient } from '../../services/cli/api-client.ts'
import { startChild, temporaryFolder, type Child } from '../parts/child.ts'
import { nested } from '../parts/hostile-values.ts'
import { startNatsWithUsers } from '../parts/nats.ts'
import { startPrometheus } from '../parts/prometheus.ts'
import { startWorker } from '../parts/worker.ts'

/** Every service as a process of its own, with every secret setting set, over a NATS in which each has its own user; all log all they can. */
const services = ['scheduler', 'injector', 'locust-bridge', 'slo-evaluator', 'prober'] as const satisfies Service[]
const log = pino({ level: 'silent' })
const canary = (name: string) => `canary-${name.replaceAll('.', '-')}-5f1d`
const keys = newCommandKeys()
const vouchers = newCommandKeys()
const verdicts = newSigningKey()
/** Past what k8s/base/nats/nats.conf lets a message be. */
const tooLarge = 9_000_000

const owned = new AsyncDisposableStack()
let room: Awaited<ReturnType<typeof startRoom>>
before(async () => { room = await startRoom() })
after(() => owned.disposeAsync())

async function startRoom() {
  const { path: folder } = owned.use(temporaryFolder('bad-input'))
  const worker = owned.use(await startWorker())
  const nats = owned.use(await startNatsWithUsers())
  const prometheus = owned.use(await startPrometheus([{ job: 'worker', address: worker.address }]))
  const endpoints = join(folder, 'endpoints')
  mkdirSync(endpoints)
  writeFileSync(join(endpoints, 'shop'), `http://me:${canary('endpoint')}@${worker.address}/`)
  writeFileSync(join(endpoints, 'gone'), `postgres://me:${canary('endpoint')}@127.0.0.1:9/x`)

  const secrets: Partial<Record<SettingName, string>> = Object.fromEntries((Object.keys(settings) as SettingName[]).filter(name => 'secret' in settings[name] && name !== 'nats.token').map(name => [name, canary(name)]))
  const own: Partial<Record<SettingName, string>> = {
    ...secrets, 'commands.signingSeed': keys.signingSeed, 'vouchers.signingSeed': vouchers.signingSeed, 'verdicts.signingSeed': verdicts.seed, 'commands.publicKey': keys.commandKey, 'vouchers.publicKey': vouchers.commandKey,
    'log.level': 'trace', 'nats.waitSeconds': '20', 'prometheus.url': prometheus.url.replace('//', `//me:${canary('url')}@`),
    'locust.url': `http://me:${canary('url')}@127.0.0.1:9`, 'injector.node': 'n1', 'injector.stateFolder': join(folder, 'journal'), 'injector.parents': `worker=${worker.pid}`, 'prober.node': 'n1', 'probes.endpointsFolder': endpoints,
  }
  const start = async (service: Service): Promise<{ child: Child; url: string }> => {
    const { servers, user = '', password = '' } = nats.login(service)
    const port = await freePort()
    const given = { ...own, 'nats.url': servers, 'nats.user': user, 'nats.password': password, 'http.port': String(port) }
    const url = `http://127.0.0.1:${port}`
    const child = owned.use(await startChild({
      name: service, argv: [process.execPath, fileURLToPath(new URL(`../../services/${service}/main.ts`, import.meta.url))], cwd: folder, ready: { kind: 'http', url: `${url}/readyz` },
      env: { FAULTLINE_CONFIG: '/dev/null', TMPDIR: folder, ...Object.fromEntries(Object.entries(given).map(([name, value]) => [environmentName(name as SettingName), value])) },
    }, folder))
    return { child, url }
  }
  mkdirSync(join(folder, 'journal'))
  const scheduler = await start('scheduler')
  const running = new Map<Service, { child: Child; url: string }>([['scheduler', scheduler]])
  for (const service of services.slice(1)) running.set(service, await start(service))
  const bus = await connectBus({ ...nats.login('scheduler'), service: 'scheduler', log, signingSeed: keys.signingSeed, commandKey: keys.commandKey })
  owned.defer(() => bus.close())
  const everything: StoredFact[] = []
  const following = bus.follow({})
  const heard = (async () => { for await (const next of following) if (next.is === 'fact') everything.push(next.stored) })()
  owned.defer(async () => { await following.stop(); await heard })
  return { nats, bus, worker, running, everything, url: scheduler.url, api: new ApiClient({ apiUrl: scheduler.url, token: canary('api.token') }) }
}

const experiment = (name: string, more: object = {}) => ({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name },
  faults: [{ kind: 'pause', target: { process: { match: 'faultline-test-worker' } }, at: '2s', duration: '2s' }],
  gates: [{ name: 'works', phase: 'during', promql: { query: 'sum(work_done_total)', min: 0 } }],
  recovery: { within: '10s', stable: '500ms' }, ...more,
})

/** The run's facts, from its first to its verdict. */
async function judged(run: string, onFact: (stored: StoredFact) => void = () => undefined): Promise<StoredFact[]> {
  const seen: StoredFact[] = []
  const late = AbortSignal.timeout(90_000)
  try {
    for await (const stored of room.api.facts(run, late)) {
      seen.push(stored)
      onFact(stored)
    }
  } catch (error) {
    if (late.aborted) assert.fail(`no verdict on ${run} within 90 s`)
    throw error
  }
  return seen
}

const verdictOf = (seen: readonly StoredFact[]) => seen.flatMap(stored => stored.kind === 'run.judged' ? [stored.fact.data] : [])[0]
const kindsInjected = (seen: readonly StoredFact[]) => seen.flatMap(stored => stored.kind === 'fault.injected' ? [stored.fact.data.kind] : [])

async function assertAllAnswer(): Promise<void> {
  for (const [service, { child, url }] of room.running) {
    assert.equal((await fetch(`${url}/readyz`)).status, 200, `${service}: ${child.log().slice(-2_000)}`)
    assert.doesNotMatch(child.log(), /unhandled|uncaught|Maximum call stack/i, service)
  }
}

/** What no service would send: neither sealed, nor a fact, nor JSON, some of it large or deep. `subject` is where it goes. */
function garbageFor(subject: string, run: string): string[] {
  const envelope = (type: string, of: string, data: unknown) => JSON.stringify({
    specversion: '1.0', id: `/faultline/forger/1/${of}/1`, source: '/faultline/forger/1', type: `dev.faultline.${type}`, subject: of, time: '2026-01-01T00:00:00.000Z',
    datacontenttype: 'application/json', sequence: 1, traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, data,
  })
  const foreign = subject.endsWith('run.sealed') ? ['run.aborting', { cause: 'gate', detail: 'forged', atMs: 1, clock: 'c' }] as const : ['run.sealed', { atMs: 1 }] as const
  return [
    '', '\u0000\u00ff', '{', 'null', '[]', '"x"', '7', 'NaN', '{"a":1,"a":2}', '{"__proto__":{"payload":"{}"}}', '{"payload":"{}"}', '{"payload":5,"signature":{}}', '{"payload":"null","signature":"AAAA"}', '{"payload":"{","signature":null}',
    nested(60_000), envelope(foreign[0], run, foreign[1]), envelope(foreign[0], `${run}.x`, foreign[1]), envelope('no.such', run, {}), envelope('slo.tick', run, { atMs: 1e300 }), envelope('fault.refused', run, { fault: '\ud800', kind: 'pause', node: 'n1', why: 'x' }),
  ]
}

function subjectsOf(service: Service, run: string): string[] {
  const written = (Object.keys(facts) as FactType[]).filter(type => facts[type].producer === service).map(type => factSubject(run, type))
  const asked = (Object.keys(commands) as CommandName[]).filter(name => commands[name].from === service).map(name => commandSubject(name, commands[name].to === 'injector' ? 'n1' : commands[name].to))
  const said = (Object.keys(signals) as SignalName[]).filter(name => signals[name].from === service).map(name => signalSubject(name, signals[name].about === 'run' ? run : 'n1'))
  return [...written, ...asked, ...said]
}

/** With each service's own user, on every subject that it may publish to, of that run. */
async function publishGarbage(run: string): Promise<number> {
  let count = 0
  for (const service of services) {
    const connection: NatsConnection = await connect({ ...loginOptions(room.nats.login(service)), timeout: 5_000 })
    for (const subject of subjectsOf(service, run)) {
      for (const garbage of garbageFor(subject, run)) {
        connection.publish(subject, Buffer.from(garbage, 'latin1'))
        count += 1
      }
    }
    connection.publish(subjectsOf(service, run)[0] ?? '', Buffer.alloc(900_000, 0x5b))
    await connection.flush()
    await connection.close()
  }
  return count
}

test('garbage on every subject, from every service\'s own user, in mid-run: nothing is injected by it, no service ends, the run passes, and so does the next', { timeout: 240_000 }, async () => {
  const run = await room.api.submit(experiment('garbage'), 'garbage.yaml')
  let thrown: Promise<number> = Promise.resolve(0)
  const seen = await judged(run, ({ kind, fact }) => {
    if (kind === 'run.phase' && (fact.data.phase === 'steady' || fact.data.phase === 'hold')) thrown = Promise.all([thrown, publishGarbage(run), publishGarbage('other-run')]).then(([before, own, other]) => before + own + other)
  })
  assert.ok(await thrown > 2_000)
  assert.deepEqual([verdictOf(seen)?.verdict, kindsInjected(seen)], ['passed', ['pause']], verdictOf(seen)?.reasons.join('; '))
  await assertAllAnswer()
  assert.deepEqual((await room.api.runs()).length, 1, 'no run was made of it')
  assert.equal(verdictOf(await judged(await room.api.submit(experiment('after'), 'after.yaml')))?.verdict, 'passed')
  assert.deepEqual(room.everything.flatMap(stored => stored.fact.subject !== run && stored.kind === 'fault.injected' ? [stored.fact.data.kind] : []), ['pause'])
})

test('a second submission of a run changes nothing: what is injected is what was checked', { timeout: 120_000 }, async () => {
  const run = await room.api.submit(experiment('twice'), 'twice.yaml')
  const forged = experiment('twice', { faults: [{ kind: 'kill', target: { process: { match: 'faultline-test-worker' } }, at: '2s' }] })
  await room.bus.writer('scheduler').write(run, 'run.submitted', { experiment: forged, experimentHash: 'x', epoch: { bucketCreatedMs: 1, revision: 1 } })
  assert.deepEqual(kindsInjected(await judged(run)), ['pause'])
})

test('a command without the scheduler\'s signature is refused, whatever it holds, and an answer that NATS does not take is a refusal', async () => {
  const connection = await connect({ ...loginOptions(room.nats.login('scheduler')), timeout: 5_000 })
  const inject = JSON.stringify({ run: 'r', fault: '1-kill', item: experiment('x').faults[0], targets: [], peers: [], vouchers: {}, epoch: { bucketCreatedMs: 9e15, revision: 9 }, deadlineMs: 9e15, leaseMs: 1 })
  for (const payload of [JSON.stringify({ payload: inject }), JSON.stringify({ payload: inject, signature: 'AAAA' }), JSON.stringify({ payload: inject, signature: Buffer.alloc(64).toString('base64') }), ...garbageFor('x', 'r').slice(0, 12)]) {
    const answer = await connection.request(commandSubject('inject', 'n1'), Buffer.from(payload), { timeout: 5_000 })
    const { outcome, why } = answer.json<{ outcome: string; why: string }>()
    assert.equal(outcome, 'refused', payload.slice(0, 100))
    assert.match(why, /^(?:the signature is not the scheduler's$|unreadable: )/, payload.slice(0, 100)) // whatever else could be said against it
  }
  await connection.close()

  await using agents = new AsyncDisposableStack()
  const agent = await connectBus({ ...room.nats.login('injector'), service: 'injector', log, commandKey: keys.commandKey })
  agents.defer(() => agent.close())
  agent.answer('plan', 'n2', async () => ({ outcome: 'refused', why: 'x'.repeat(tooLarge) }))
  agent.answer('revert', 'n2', () => { throw new Error('at once') })
  const ask = async (bus: Bus) => [await bus.request('plan', 'n2', { run: 'r', fault: 'f', item: {} }, { timeoutMs: 5_000 }), await bus.request('revert', 'n2', { run: 'r', fault: 'f' }, { timeoutMs: 5_000 })]
  let answers: Awaited<ReturnType<typeof ask>> | undefined
  while (!answers) answers = await ask(room.bus).catch((error: unknown) => { if (!(error instanceof CommandUnanswered)) throw error; return undefined })
  assert.match(JSON.stringify(answers[0]), /refused.*the answer is \d+ bytes, and the NATS server takes \d+/)
  assert.deepEqual(answers[1], { outcome: 'refused', why: 'at once' })
})

test('a fact larger than NATS takes is refused at once and leaves no gap; half a surrogate pair is replaced, not stored', async () => {
  const writer = room.bus.writer('scheduler')
  const startedMs = performance.now()
  await assert.rejects(writer.write('large', 'run.aborting', { cause: 'user', detail: 'x'.repeat(tooLarge), atMs: 1, clock: 'c' }), (error: unknown) => error instanceof MessageTooLarge && /NATS server takes/.test(error.message))
  assert.ok(performance.now() - startedMs < 5_000, 'what cannot be stored is given up after ten seconds')
  await writer.write('large', 'run.aborting', { cause: 'user', detail: 'cut in \ud83d', atMs: 1, clock: 'c' })
  for await (const next of room.bus.follow({ run: 'large' })) {
    assert.ok(next.is === 'fact' && next.stored.kind === 'run.aborting')
    assert.deepEqual([next.stored.fact.sequence, next.stored.fact.data.detail], [1, 'cut in \ufffd'])
    break
  }
})

/** Bytes as they are, and all that comes back. */
async function raw(text: string): Promise<string> {
  const socket = connectTcp(Number(new URL(room.url).port), '127.0.0.1').on('error', () => undefined)
  socket.write(text)
  setTimeout(() => socket.destroy(), 5_000).unref()
  let answer = ''
  try {
    for await (const chunk of socket.setEncoding('latin1')) answer += String(chunk)
  } catch {
    // given up: what has come by then is the answer
  }
  return answer
}

test('over HTTP, what is no request of the API\'s is answered with its reason, starts nothing, and the API goes on', { timeout: 60_000 }, async () => {
  const before = (await room.api.runs()).length
  const bearer = `Authorization: Bearer ${canary('api.token')}`
  const end = 'Connection: close\r\n\r\n'
  const body = JSON.stringify({ experiment: experiment('smuggled') })
  const requests: [text: string, status: RegExp][] = [
    [`GET /api/v1/runs HTTP/1.1\r\n${bearer}\r\n${end}`, /^HTTP\/1\.1 400/],
    [`GET /api/v1/runs HTTP/1.1\r\nHost: evil.com\r\n${bearer}\r\n${end}`, /^HTTP\/1\.1 421/],
    [`GET /api/v1/runs HTTP/1.1\r\nHost: evil.com\r\nHost: localhost\r\n${bearer}\r\n${end}`, /^HTTP\/1\.1 4/],
    [`POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\n${bearer}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n${end}0\r\n\r\n`, /^HTTP\/1\.1 400/],
    [`POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\n${bearer}\r\nContent-Length: 5\r\nContent-Length: ${body.length}\r\nContent-Type: application/json\r\n${end}${body}`, /^HTTP\/1\.1 400/],
    [`POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\n${bearer}\r\nTransfer-Encoding: xchunked\r\n${end}${body}`, /^HTTP\/1\.1 400/],
    [`POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\n${bearer}\r\nContent-Length: -1\r\n${end}${body}`, /^HTTP\/1\.1 400/],
    [`POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.com\r\n${bearer}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n${end}${body}`, /^HTTP\/1\.1 403/],
    [`POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\n${bearer}\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n${end}${body}`, /^HTTP\/1\.1 415/],
    [`POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\n${bearer}\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n${end}\u001f\u008b`, /^HTTP\/1\.1 400/],
    [`POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\n${bearer}\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n${end}`, /^HTTP\/1\.1 413/],
    [`POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${'x'.repeat(20_000)}\r\n${end}`, /^HTTP\/1\.1 431/],
    [`GET /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nX-HTTP-Method-Override: POST\r\n${end}`, /^HTTP\/1\.1 401/],
    [`PUT /api/v1/runs HTTP/1.1\r\nHost: localhost\r\n${bearer}\r\n${end}`, /^HTTP\/1\.1 404/],
    [`BREW /api/v1/runs HTTP/1.1\r\nHost: localhost\r\n${bearer}\r\n${end}`, /^HTTP\/1\.1 400/],
    [`GET /api/v1/runs/%zz HTTP/1.1\r\nHost: localhost\r\n${bearer}\r\n${end}`, /^HTTP\/1\.1 400/],
    [`GET /api/v1/runs/%0d%0aX-Injected:%201 HTTP/1.1\r\nHost: localhost\r\n${bearer}\r\n${end}`, /^HTTP\/1\.1 404(?![^]*\r\nX-Injected)/i],
    [`GET /api/v1/runs/..%2f..%2fmetrics HTTP/1.1\r\nHost: localhost\r\n${bearer}\r\n${end}`, /^HTTP\/1\.1 404/],
    [`GET /api/v1/../../metrics HTTP/1.1\r\nHost: localhost\r\n${end}`, /^HTTP\/1\.1 40[14]/],
    [`GET /api/v1/runs/${'r'.repeat(120)} HTTP/1.1\r\nHost: localhost\r\n${bearer}\r\n${end}`, /^HTTP\/1\.1 404[^]*no run r{120}/],
    ['\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003', /^HTTP\/1\.1 400/], ['GET\r\n\r\n', /^HTTP\/1\.1 400/], [`\r\n\r\n\u0000\r\n\r\n`, /^HTTP\/1\.1 400/],
  ]
  for (const [request, status] of requests) assert.match(await raw(request), status, request.slice(0, 200))
  for (const depth of [64, 400_000]) {
    const response = await fetch(`${room.url}/api/v1/runs`, { method: 'POST', body: `{"experiment":${nested(depth)}}`, headers: { authorization: `Bearer ${canary('api.token')}`, 'content-type': 'application/json' } })
    assert.deepEqual([response.status, /nested more than 64 levels/.test(await response.text())], [400, true])
  }
  assert.equal((await room.api.runs()).length, before)
  await assertAllAnswer()
})

test('no secret is in any fact, line of a log, answer of an API or metric, after runs that went wrong in every way that tells why', { timeout: 120_000 }, async () => {
  const probes = [{ name: 'shop', http: { endpoint: 'shop', path: '/' } }, { name: 'gone', postgres: { endpoint: 'gone' } }]
  const failing = [experiment('no-load', { load: { users: 1, host: 'http://127.0.0.1:9' } }), experiment('bad-query', { gates: [{ name: 'bad', promql: { query: 'rate(work_done_total)', min: 0 }, noDataAfter: '1s' }] }), experiment('no-probe', { probes })]
  for (const document of failing) assert.notEqual(verdictOf(await judged(await room.api.submit(document, 'x.yaml')))?.verdict, 'passed')
  for (const [bearer, status] of [[canary('metrics.token'), 403], [canary('nats.password'), 401], ['x', 401]] as const) assert.equal((await fetch(`${room.url}/api/v1/runs`, { headers: { authorization: `Bearer ${bearer}` } })).status, status)
  const pages = await Promise.all([...room.running.values()].map(async ({ url }) => (await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${canary('metrics.token')}` } })).text()))
  const told = new Map<string, string>([
    ['facts', room.everything.map(stored => JSON.stringify(stored)).join('\n')], ['metrics', pages.join('\n')], ['runs', JSON.stringify(await room.api.runs())], ['audit', JSON.stringify(await room.api.audit('24h'))],
    ...[...room.running].map(([service, { child }]): [string, string] => [`log of ${service}`, child.log()]),
  ])
  const secrets = ['canary', keys.signingSeed, vouchers.signingSeed, verdicts.seed, ...services.flatMap(service => room.nats.login(service).password ?? [])]
  for (const [where, text] of told) {
    assert.ok(text.length > 100, where)
    for (const secret of secrets) assert.ok(!text.includes(secret), `${where}: …${text.slice(Math.max(0, text.indexOf(secret) - 200), text.indexOf(secret) + 60)}`)
  }
})
