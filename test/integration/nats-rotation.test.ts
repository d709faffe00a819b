import assert from 'node:assert/strict'
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { connect, NatsError } from 'nats'
import { pino, type Logger } from 'pino'
import { Registry } from 'prom-client'
import { connectBus, newCommandKeys } from '#shared/bus-nats.ts'
import { systemClock } from '#shared/clock.ts'
import { readConfig } from '#shared/config.ts'
import { messageOf } from '#shared/errors.ts'
import type { StoredFact } from '#shared/events.ts'
import { configuredNats, loginOptions, type NatsLogin } from '#shared/nats-login.ts'
import { commandLine, readProcesses } from '#shared/process/process-table.ts'
import { isProcess } from '#shared/target.ts'
import { localDriver } from '../../services/injector/local-driver.ts'
import { startInjector } from '../../services/injector/service.ts'
import { joinLeadership } from '../../services/scheduler/leadership.ts'
import { temporaryFolder } from '../parts/child.ts'
import { startNatsWithPasswords } from '../parts/nats.ts'
import { startProcessTree } from '../parts/process-tree.ts'
import { until } from '../parts/until.ts'

/** What was logged, by its message. */
function listening(): { log: Logger; count(message: string): number } {
  const lines: string[] = []
  return { log: pino({ level: 'info' }, { write: line => void lines.push(line) }), count: message => lines.filter(line => line.includes(`"msg":"${message}"`)).length }
}

const epoch = { bucketCreatedMs: 1, revision: 1 }
const leaseMs = 3_000

/** A server whose passwords can be changed, and a file for the password of each service. */
async function stage() {
  await using made = new AsyncDisposableStack()
  const nats = made.use(await startNatsWithPasswords())
  const folder = made.use(temporaryFolder('nats-rotation'))
  const fileOf = (user: string) => join(folder.path, user)
  const setFile = (user: string, password: string) => { // as Kubernetes does: another file from one moment to the next
    writeFileSync(`${fileOf(user)}.new`, `${password}\n`)
    renameSync(`${fileOf(user)}.new`, fileOf(user))
  }
  const owned = made.move()
  return {
    nats, folder: folder.path, setFile,
    /** As its settings say to a service. */
    login(user: string, log: Logger): NatsLogin {
      setFile(user, nats.login(user).password ?? '')
      return configuredNats(readConfig({ FAULTLINE_CONFIG: '/dev/null', FAULTLINE_NATS_URL: nats.servers, FAULTLINE_NATS_USER: user, FAULTLINE_NATS_PASSWORD_FILE: fileOf(user) }), log)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

test('passwords are rotated in mid-fault, by files and a reload of the server: all come back by the new one, no fact is lost, and the fault neither ends nor outlives its revert', async t => {
  await using tree = await startProcessTree('marker-rotation')
  await using here = await stage()
  await using owned = new AsyncDisposableStack()
  const [one, other, third] = [listening(), listening(), listening()]
  const { signingSeed, commandKey } = newCommandKeys()
  const scheduler = await connectBus({ ...here.login('scheduler', one.log), service: 'scheduler', log: one.log, signingSeed, commandKey })
  owned.defer(() => scheduler.close())
  const leadership = await joinLeadership({ nats: here.login('scheduler', third.log), replicas: 1, holder: 'one', address: () => undefined, clock: systemClock, log: third.log })
  await leadership.campaign()
  owned.defer(() => leadership.stop())
  const bus = await connectBus({ ...here.login('injector', other.log), service: 'injector', log: other.log, commandKey })
  owned.defer(() => bus.close())
  const stateFolder = join(here.folder, 'journal')
  owned.defer(async () => void await until('the reverter sees that it is over', () => !readProcesses().some(({ pid }) => commandLine(pid).includes(stateFolder)), 10_000))
  const agent = await startInjector({ bus, node: 'n1', stateFolder, driver: localDriver(() => [tree.parent]), clock: systemClock, log: other.log, metrics: new Registry() })
  owned.defer(() => agent.stop())

  const item = { kind: 'pause', target: { process: { match: 'marker-rotation' } }, at: '0s', duration: '30s' }
  const planned = await scheduler.request('plan', 'n1', { run: 'r', fault: '1-x', item }, { timeoutMs: 5_000 })
  if (planned.outcome === 'refused') throw new Error(planned.why)
  const command = { run: 'r', fault: '1-x', item, targets: planned.targets.map(({ target }) => target).filter(isProcess), peers: [], vouchers: {}, epoch, deadlineMs: Date.now() + 5_000, leaseMs }
  assert.deepEqual(await scheduler.request('inject', 'n1', command, { timeoutMs: 10_000 }), { outcome: 'done' })
  const beating = setInterval(() => scheduler.signal('heartbeat', 'r', { run: 'r', epoch, leaseMs, sentAtMs: Date.now() }), leaseMs / 10)
  owned.defer(() => clearInterval(beating))
  const told: StoredFact[] = []
  const following = scheduler.follow({ run: 'r' })
  owned.defer(() => following.stop())
  void (async () => { for await (const next of following) if (next.is === 'fact') told.push(next.stored) })()
  const writer = scheduler.writer('scheduler')
  const written: Promise<number>[] = []
  const lost: string[] = []
  const writing = setInterval(() => written.push(writer.write('r', 'run.phase', { phase: 'hold', atMs: written.length }).catch((error: unknown) => lost.push(messageOf(error)))), 20)
  owned.defer(() => clearInterval(writing))
  await until('facts are written', () => written.length > 10, 20_000)

  const next = { scheduler: 'the-next-of-scheduler', injector: 'the-next-of-injector' }
  for (const [user, password] of Object.entries(next)) here.setFile(user, password)
  await delay(1_500) // the files are other ones for a while, and nobody has noticed
  assert.deepEqual([one.count('nats disconnect'), other.count('nats disconnect')], [0, 0])
  here.nats.setPasswords(next)
  const tookMs = await until('both are back', () => one.count('nats reconnect') > 0 && other.count('nats reconnect') > 0, 10_000)
  t.diagnostic(`dropped and back after ${Math.round(tookMs)} ms`)
  await assert.rejects(connect({ ...loginOptions(here.nats.login('scheduler')), timeout: 20_000 }), (error: unknown) => error instanceof NatsError && error.isAuthError())
  await delay(leaseMs + 1_000) // had it not been renewed since, its lease would have run out
  clearInterval(writing)
  const places = await Promise.all(written)
  assert.deepEqual(lost, [])
  assert.ok(leadership.epoch(), 'the lease has come back, too')
  assert.deepEqual(await scheduler.request('revert', 'n1', { run: 'r', fault: '1-x' }, { timeoutMs: 5_000 }), { outcome: 'done', held: true })
  await until('the revert is told', () => told.some(({ kind }) => kind === 'fault.reverted'), 10_000)
  const phases = told.filter(({ kind }) => kind === 'run.phase')
  assert.deepEqual(phases.map(({ stream }) => stream), places, 'each once, in its order, to whoever follows')
  assert.deepEqual(phases.map(({ fact }) => fact.sequence), places.map((_, index) => index + 1))
  const faults = told.flatMap(stored => stored.kind === 'fault.reverted' ? [`reverted by ${stored.fact.data.cause}`] : stored.kind.startsWith('fault.') ? [stored.kind] : [])
  assert.deepEqual(faults, ['fault.injected', 'reverted by command'])
})

test('where the server has the new password first, a service that is refused for a while is not given up: it comes back when its file is another, and its fact is stored', async () => {
  await using here = await stage()
  const { log, count } = listening()
  const bus = await connectBus({ ...here.login('scheduler', log), service: 'scheduler', log })
  try {
    here.nats.setPasswords({ scheduler: 'the-next' })
    await until('it is dropped', () => count('nats disconnect') > 0, 20_000)
    const written = bus.writer('scheduler').write('r', 'run.sealed', { atMs: 1 }, { deadlineMs: 20_000 })
    await delay(1_500) // refused some ten times
    assert.deepEqual([bus.connected, count('nats reconnect')], [false, 0])
    here.setFile('scheduler', '') // a slip, which changes nothing
    await delay(1_500)
    here.setFile('scheduler', 'the-next')
    assert.ok(await written > 0)
    assert.deepEqual([bus.connected, count('nats reconnect')], [true, 1])
  } finally {
    await bus.close()
  }
})
