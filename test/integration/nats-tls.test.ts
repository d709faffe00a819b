import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { connectBus, newCommandKeys } from '#shared/bus-nats.ts'
import { systemClock } from '#shared/clock.ts'
import { NatsUnreachable } from '#shared/errors.ts'
import { freePort } from '#shared/process/free-port.ts'
import { takeEpoch } from '../../services/scheduler/epoch.ts'
import { joinLeadership } from '../../services/scheduler/leadership.ts'
import { startChild, temporaryFolder } from '../parts/child.ts'
import { checkRoutes, startNatsWithTls, startNatsWithUsers } from '../parts/nats.ts'
import { makeNatsCertificates } from '../parts/nats-certificates.ts'

const log = pino({ level: 'silent' })
const skip = spawnSync('openssl', ['version']).status !== 0 && 'needs the program openssl'

const isRefused = (why: RegExp) => (error: unknown) => error instanceof NatsUnreachable && why.test(error.message)

test('services speak TLS to NATS with the authority of their settings: facts, the lease, and a scheduler as a process of its own', { skip }, async () => {
  using folder = temporaryFolder('nats-tls')
  const certificates = makeNatsCertificates(join(folder.path, 'tls'))
  await using nats = await startNatsWithTls(certificates)
  const login = { ...nats.login('scheduler'), tls: { caFile: join(certificates, 'ca.crt') } }
  const bus = await connectBus({ ...login, service: 'scheduler', log })
  assert.ok(await bus.writer('scheduler').write('r', 'run.sealed', { atMs: 1 }) > 0)
  assert.ok((await takeEpoch(login)).revision > 0)
  const leadership = await joinLeadership({ nats: login, replicas: 1, holder: 'one', address: () => undefined, clock: systemClock, log })
  await leadership.campaign()
  assert.ok(leadership.epoch())
  await leadership.stop()
  await bus.close()

  const port = await freePort()
  const { signingSeed, commandKey } = newCommandKeys()
  await using scheduler = await startChild({
    name: 'scheduler', argv: [process.execPath, fileURLToPath(new URL('../../services/scheduler/main.ts', import.meta.url))], cwd: folder.path, ready: { kind: 'http', url: `http://127.0.0.1:${port}/readyz` },
    env: {
      FAULTLINE_CONFIG: '/dev/null', FAULTLINE_NATS_URL: login.servers, FAULTLINE_NATS_USER: login.user ?? '', FAULTLINE_NATS_PASSWORD: login.password ?? '', FAULTLINE_NATS_TLS_CA_FILE: login.tls.caFile,
      FAULTLINE_HTTP_PORT: String(port), FAULTLINE_API_TOKEN: 't', FAULTLINE_COMMANDS_SIGNING_SEED: signingSeed, FAULTLINE_COMMANDS_PUBLIC_KEY: commandKey,
    },
  }, folder.path)
  assert.equal((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200, scheduler.log())
})

test('a server of an unknown authority is refused, with and without an authority of one\'s own', { skip }, async () => {
  using folder = temporaryFolder('nats-tls')
  await using nats = await startNatsWithTls(makeNatsCertificates(join(folder.path, 'tls')))
  const others = makeNatsCertificates(join(folder.path, 'others'))
  const notAccepted = isRefused(/^the certificate of the NATS server at localhost:\d+ is not accepted: .*nats\.tls\.caFile/)
  await assert.rejects(connectBus({ ...nats.login('scheduler'), service: 'scheduler', log, tls: { caFile: join(others, 'ca.crt') } }), notAccepted)
  await assert.rejects(connectBus({ ...nats.login('scheduler'), service: 'scheduler', log }), notAccepted)
})

test('a server that speaks TLS refuses who goes on without, and a service that wants TLS refuses a plain server before it says its password', { skip }, async () => {
  using folder = temporaryFolder('nats-tls')
  const certificates = makeNatsCertificates(join(folder.path, 'tls'))
  await using nats = await startNatsWithTls(certificates)
  const { servers, user, password } = nats.login('scheduler')
  const socket = connectTcp(Number(servers.split(':')[1]), '127.0.0.1')
  const over = Promise.withResolvers<void>()
  let said = ''
  socket.on('data', chunk => {
    said += String(chunk)
    if (said.includes('PONG')) over.resolve() // it has let us in
  }).on('error', () => undefined).on('close', () => over.resolve())
  socket.write(`CONNECT ${JSON.stringify({ verbose: true, user, pass: password })}\r\nPING\r\n`)
  await over.promise
  socket.destroy()
  assert.match(said, /"tls_required":true/)
  assert.doesNotMatch(said, /\+OK|PONG/)

  await using plain = await startNatsWithUsers()
  await assert.rejects(connectBus({ ...plain.login('scheduler'), password: 'wrong', service: 'scheduler', log, tls: { caFile: join(certificates, 'ca.crt') } }), isRefused(/does not speak TLS, which nats\.tls demands/))
})

test('a server that asks for certificates takes a service with one of its authority, and none without', { skip }, async () => {
  using folder = temporaryFolder('nats-tls')
  const certificates = makeNatsCertificates(join(folder.path, 'tls'))
  const file = (name: string) => join(certificates, name)
  await using nats = await startNatsWithTls(certificates, { verify: true })
  const login = { ...nats.login('scheduler'), tls: { caFile: file('ca.crt'), certFile: file('tls.crt'), keyFile: file('tls.key') } }
  const bus = await connectBus({ ...login, service: 'scheduler', log })
  assert.ok(bus.connected)
  await bus.close()
  await assert.rejects(connectBus({ ...login, tls: { caFile: file('ca.crt') }, service: 'scheduler', log }), NatsUnreachable)
})

test('the servers of the variants ha and staging take the component\'s configuration of their routes', { skip }, () => {
  using folder = temporaryFolder('nats-tls')
  const certificates = makeNatsCertificates(join(folder.path, 'tls'))
  assert.match(checkRoutes(certificates), /configuration file .* is valid/i)
})
