import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import type { Bus } from '#shared/bus.ts'
import { connectBus, newCommandKeys } from '#shared/bus-nats.ts'
import { systemClock } from '#shared/clock.ts'
import type { StoredFact } from '#shared/events.ts'
import { isProcess, type BoundProcess } from '#shared/target.ts'
import { toolPath } from '#shared/tools.mjs'
import type { Driver } from '../../services/injector/driver.ts'
import { entryId, openJournal } from '../../services/injector/journal.ts'
import { commandLine, isStopped, readProcesses } from '#shared/process/process-table.ts'
import type { DeclaredParent } from '../../services/injector/process-targets.ts'
import { localDriver } from '../../services/injector/local-driver.ts'
import { revertAll } from '../../services/injector/revert-all.ts'
import { startInjector } from '../../services/injector/service.ts'
import { startNats } from '../parts/nats.ts'
import { startEchoNamespace, startProcessTree, type ProcessTree } from '../parts/process-tree.ts'
import { onSteadyMachine } from '../parts/steady-machine.ts'
import { until } from '../parts/until.ts'

const log = pino({ level: 'silent' })
const mainPath = fileURLToPath(new URL('../../services/injector/main.ts', import.meta.url))
const epoch = { bucketCreatedMs: 1, revision: 1 }
/** Longer than anything here takes on a slow machine: what ends these faults is something else. */
const leaseMs = 60_000
/** Of a fault that is to end with it, or that is renewed beyond it: a renewal may be late by most of it. */
const shortLeaseMs = 3_000
/** For what comes at once and sends no event. */
const patienceMs = 20_000

/** A scheduler's end of a real bus, and a state folder; agents are started on them. Nothing is left. */
async function stage() {
  await using made = new AsyncDisposableStack()
  const nats = made.use(await startNats())
  const stateFolder = mkdtempSync(join(tmpdir(), 'injector-'))
  made.defer(async () => {
    await revertAll(stateFolder)
    while (ownProcesses(stateFolder).length > 0) await delay(20) // reverters and burners see that it is over
    rmSync(stateFolder, { recursive: true })
  })
  const { signingSeed, commandKey } = newCommandKeys()
  const { servers, token } = nats
  const scheduler = await connectBus({ servers, token, service: 'scheduler', log, signingSeed, commandKey })
  made.defer(() => scheduler.close())
  const owned = made.move()
  return {
    nats, scheduler, stateFolder,
    async embedded(parents: DeclaredParent[], driver: Driver = localDriver(() => parents)) {
      const bus = await connectBus({ servers, token, service: 'injector', log, commandKey })
      const metrics = new Registry()
      const injector = await startInjector({ bus, node: 'n1', stateFolder, driver, clock: systemClock, log, metrics })
      return { metrics, injector, async [Symbol.asyncDispose]() { await injector.stop(); await bus.close() } }
    },
    /** The agent as a process of its own, in a group of its own. */
    async separate(parent: DeclaredParent): Promise<ChildProcess> {
      const here = Promise.withResolvers<void>()
      const subscription = scheduler.onSignal('agent', '*', () => here.resolve())
      const child = spawn(process.execPath, [mainPath], {
        detached: true, stdio: 'ignore',
        env: { ...process.env, FAULTLINE_NATS_URL: servers, FAULTLINE_NATS_TOKEN: token, FAULTLINE_COMMANDS_PUBLIC_KEY: commandKey, FAULTLINE_INJECTOR_NODE: 'n1', FAULTLINE_INJECTOR_STATE_FOLDER: stateFolder, FAULTLINE_INJECTOR_PARENTS: `${parent.name}=${parent.pid}` },
      })
      owned.defer(() => void child.kill('SIGKILL')) // also when the test fails on the way
      await Promise.race([here.promise, once(child, 'exit').then(() => { throw new Error('the agent ended at once') })])
      subscription.stop()
      return child
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

const ownProcesses = (stateFolder: string) => readProcesses().filter(({ pid }) => commandLine(pid).includes(stateFolder))

/** A reverter that stands by ends with its agent. */
function killUnlessGone(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

const itemFor = (kind: string, marker: string, more: object = {}) => ({ kind, target: { process: { match: marker } }, at: '0s', ...(kind !== 'kill' && { duration: '100s' }), ...more })

async function planned(bus: Bus, run: string, item: unknown): Promise<BoundProcess[]> {
  const reply = await bus.request('plan', 'n1', { run, fault: '1-x', item }, { timeoutMs: 5_000 })
  if (reply.outcome === 'refused') throw new Error(reply.why)
  return reply.targets.map(({ target }) => target).filter(isProcess)
}

async function inject(bus: Bus, run: string, item: unknown, { targets, leaseMs: ownLeaseMs = leaseMs }: { targets?: BoundProcess[]; leaseMs?: number } = {}) {
  const chosen = targets ?? await planned(bus, run, item)
  return bus.request('inject', 'n1', { run, fault: '1-x', item, targets: chosen, peers: [], vouchers: {}, epoch, deadlineMs: Date.now() + 5_000, leaseMs: ownLeaseMs }, { timeoutMs: 10_000 })
}

/** Heartbeats of the run, as its scheduler would send them; the agent has heard of none when this returns. */
function beating(bus: Bus, run: string): Disposable {
  const timer = setInterval(() => bus.signal('heartbeat', run, { run, epoch, leaseMs: shortLeaseMs, sentAtMs: Date.now() }), shortLeaseMs / 10)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

/** The run's facts up to the first of this kind; it is awaited. */
async function factsUntil(bus: Bus, run: string, kind: StoredFact['kind']): Promise<StoredFact[]> {
  await using following = bus.follow({ run })
  const found: StoredFact[] = []
  for await (const next of following) {
    if (next.is !== 'fact') continue
    found.push(next.stored)
    if (next.stored.kind === kind) return found
  }
  throw new Error(`the stream ended without ${kind}`)
}

/** When the fault was there, and when it was gone: as those say who did it. */
function datesOf(told: readonly StoredFact[]): { injectedAtMs: number; revertedAtMs: number } {
  const [injectedAtMs] = told.flatMap(({ kind, fact }) => kind === 'fault.injected' && 'injectedAtMs' in fact.data ? [fact.data.injectedAtMs] : [])
  const [revertedAtMs] = told.flatMap(({ kind, fact }) => kind === 'fault.reverted' && 'revertedAtMs' in fact.data ? [fact.data.revertedAtMs] : [])
  assert.ok(injectedAtMs !== undefined && revertedAtMs !== undefined)
  return { injectedAtMs, revertedAtMs }
}

const stopped = (tree: ProcessTree) => tree.members().filter(isStopped).length

test('a pause stops all four processes of the tree, and a revert continues all of them', async () => {
  await using tree = await startProcessTree('marker-pause')
  await using here = await stage()
  await using agent = await here.embedded([tree.parent])
  assert.deepEqual(await inject(here.scheduler, 'r', itemFor('pause', 'marker-pause')), { outcome: 'done' })
  assert.equal(stopped(tree), 4)
  assert.match(await agent.metrics.metrics(), /faultline_injector_active_faults 1/)
  assert.deepEqual(await here.scheduler.request('revert', 'n1', { run: 'r', fault: '1-x' }, { timeoutMs: 5_000 }), { outcome: 'done', held: true })
  const told = await factsUntil(here.scheduler, 'r', 'fault.reverted')
  assert.equal(stopped(tree), 0)
  assert.deepEqual(told.map(({ kind }) => kind), ['fault.injected', 'fault.reverted'])
  assert.deepEqual(told.map(({ fact }) => 'verified' in fact.data && fact.data.verified), [true, true])
  assert.match(await agent.metrics.metrics(), /faultline_injector_reverts_total\{cause="command",verified="true"\} 1/)
  await until('the reverter ends', () => ownProcesses(here.stateFolder).length === 0, patienceMs)
  assert.deepEqual(readdirSync(here.stateFolder), ['memory'])
})

test('who takes over, and asks anew for a fault that is there already, is given its targets; ordered again, it is turned away, and goes on', async () => {
  await using tree = await startProcessTree('marker-twice')
  await using here = await stage()
  await using agent = await here.embedded([tree.parent])
  assert.ok(agent.injector.ready())
  const item = itemFor('pause', 'marker-twice')
  const targets = await planned(here.scheduler, 'r', item)
  await inject(here.scheduler, 'r', item, { targets })
  const again = await planned(here.scheduler, 'r', item)
  assert.deepEqual(again, targets)
  await assert.rejects(planned(here.scheduler, 'another', item), /is stopped already/)
  assert.equal((await inject(here.scheduler, 'r', item, { targets: again })).outcome, 'refused')
  assert.equal(stopped(tree), 4)
  await here.scheduler.request('revert', 'n1', { run: 'r', fault: '1-x' }, { timeoutMs: 5_000 })
  const told = await factsUntil(here.scheduler, 'r', 'fault.reverted')
  assert.deepEqual(told.map(({ kind }) => kind), ['fault.injected', 'fault.reverted'])
  await assert.rejects(inject(here.scheduler, 'r', itemFor('pause', 'marker-none')), /no process at or below/)
})

test('an abort reverts, is acknowledged with nothing held, and the run is never injected again', async () => {
  await using tree = await startProcessTree('marker-abort')
  await using here = await stage()
  await using agent = await here.embedded([tree.parent])
  assert.ok(agent.injector.ready())
  const item = itemFor('pause', 'marker-abort')
  const targets = await planned(here.scheduler, 'r', item)
  await inject(here.scheduler, 'r', item, { targets })
  const free = Promise.withResolvers<void>()
  const answers = here.scheduler.onSignal('aborted', '*', ({ holding }) => { if (holding === 0) free.resolve() })
  here.scheduler.signal('abort', 'r', { run: 'r', sentAtMs: Date.now() })
  await free.promise
  answers.stop()
  assert.equal(stopped(tree), 0)
  const again = await here.scheduler.request('inject', 'n1', { run: 'r', fault: '2-x', item, targets, peers: [], vouchers: {}, epoch, deadlineMs: Date.now() + 5_000, leaseMs }, { timeoutMs: 5_000 })
  assert.deepEqual(again, { outcome: 'refused', why: 'the run was aborted before it came' })
})

test('heartbeats keep a pause beyond its lease, and the agent ends it at its duration', () => onSteadyMachine(async () => {
  await using tree = await startProcessTree('marker-duration')
  await using here = await stage()
  await using agent = await here.embedded([tree.parent])
  assert.ok(agent.injector.ready())
  using _ = beating(here.scheduler, 'r')
  await inject(here.scheduler, 'r', itemFor('pause', 'marker-duration', { duration: '4s' }), { leaseMs: shortLeaseMs })
  const told = await factsUntil(here.scheduler, 'r', 'fault.reverted')
  const last = told.at(-1)
  assert.ok(last?.kind === 'fault.reverted')
  assert.equal(last.fact.data.cause, 'duration')
  const { injectedAtMs, revertedAtMs } = datesOf(told)
  const lastedMs = revertedAtMs - injectedAtMs
  assert.ok(lastedMs >= 3_990 && lastedMs < 5_000, `${lastedMs} ms`) // within the second that a reverter has, whoever was slow
}))

test('SIGKILL of the agent in mid-pause: the reverter ends it within lease and a second, and the next start tells it', () => onSteadyMachine(async () => {
  await using tree = await startProcessTree('marker-kill9')
  await using here = await stage()
  const agent = await here.separate(tree.parent)
  await inject(here.scheduler, 'r', itemFor('pause', 'marker-kill9'), { leaseMs: shortLeaseMs })
  process.kill(-(agent.pid ?? 0), 'SIGKILL')
  assert.equal(stopped(tree), 4)
  await until('all go on', () => stopped(tree) === 0, patienceMs)
  await until('the reverter ends', () => ownProcesses(here.stateFolder).length === 0, patienceMs)
  await using next = await here.embedded([tree.parent])
  assert.ok(next.injector.ready())
  const told = await factsUntil(here.scheduler, 'r', 'fault.reverted')
  assert.deepEqual(told.map(({ kind }) => kind), ['fault.injected', 'fault.lapsed', 'fault.reverted'])
  const last = told.at(-1)
  assert.ok(last?.kind === 'fault.reverted' && last.fact.data.cause === 'lease' && last.fact.data.verified)
  const { injectedAtMs, revertedAtMs } = datesOf(told)
  assert.ok(revertedAtMs - injectedAtMs < shortLeaseMs + 1_000, `it was there for ${revertedAtMs - injectedAtMs} ms`)
}))

test('SIGKILL of agent and reverter: the next start undoes what the journal holds, and reports what it cannot read', async () => {
  await using tree = await startProcessTree('marker-restart')
  await using here = await stage()
  const agent = await here.separate(tree.parent)
  await inject(here.scheduler, 'r', itemFor('pause', 'marker-restart'))
  process.kill(-(agent.pid ?? 0), 'SIGKILL')
  for (const { pid } of ownProcesses(here.stateFolder)) killUnlessGone(pid)
  await until('both are gone', () => ownProcesses(here.stateFolder).every(({ state }) => state === 'Z'), patienceMs)
  assert.equal(stopped(tree), 4)
  writeFileSync(join(here.stateFolder, 'broken.entry'), 'half an ent')
  const presence = Promise.withResolvers<string[]>()
  const subscription = here.scheduler.onSignal('agent', '*', ({ quarantined }) => presence.resolve(quarantined))
  await using next = await here.embedded([tree.parent])
  assert.ok(next.injector.ready())
  assert.equal(stopped(tree), 0)
  assert.match((await presence.promise).join(), /^journal:.*broken\.entry$/)
  subscription.stop()
  const last = (await factsUntil(here.scheduler, 'r', 'fault.reverted')).at(-1)
  assert.ok(last?.kind === 'fault.reverted' && last.fact.data.cause === 'restart')
})

test('with the agent gone, revertAll ends everything at once', async () => {
  await using tree = await startProcessTree('marker-all')
  await using here = await stage()
  const agent = await here.separate(tree.parent)
  await inject(here.scheduler, 'r', itemFor('pause', 'marker-all'))
  process.kill(-(agent.pid ?? 0), 'SIGKILL')
  assert.deepEqual(await revertAll(here.stateFolder), { reverted: ['r/1-x'], unconfirmed: [] })
  assert.equal(stopped(tree), 0)
})

test('a kill ends the target alone, and is told as injected and as over', async () => {
  await using tree = await startProcessTree('marker-kill')
  await using here = await stage()
  await using agent = await here.embedded([tree.parent])
  assert.ok(agent.injector.ready())
  const [root, ...others] = tree.members()
  assert.deepEqual(await inject(here.scheduler, 'r', itemFor('kill', 'marker-kill')), { outcome: 'done' })
  const pids = readProcesses().filter(({ state }) => state !== 'Z').map(({ pid }) => pid)
  assert.ok(root && !pids.includes(root.pid))
  assert.ok(others.every(({ pid }) => pids.includes(pid)))
  const told = await factsUntil(here.scheduler, 'r', 'fault.reverted')
  assert.ok(told.every(({ fact }) => 'verified' in fact.data && fact.data.verified))
})

test('a target whose PID now has another start time is refused, and so is one that nobody opted in', async () => {
  await using tree = await startProcessTree('marker-recycled')
  await using other = await startProcessTree('marker-other')
  await using here = await stage()
  await using agent = await here.embedded([tree.parent])
  assert.ok(agent.injector.ready())
  const item = itemFor('pause', 'marker')
  const [target] = await planned(here.scheduler, 'r', item)
  assert.ok(target)
  const startTicks = target.startTicks - 1
  const recycled = await inject(here.scheduler, 'r', item, { targets: [{ ...target, startTicks, id: `process:${target.pid}:${startTicks}` }] })
  assert.match(recycled.outcome === 'refused' ? recycled.why : '', /no longer/)
  const [stranger] = other.members()
  assert.ok(stranger)
  const outside = await inject(here.scheduler, 'r2', item, { targets: [{ pid: stranger.pid, startTicks: stranger.startTicks, id: `process:${stranger.pid}:${stranger.startTicks}`, description: 'x' }] })
  assert.match(outside.outcome === 'refused' ? outside.why : '', /not .*among/)
  assert.equal(stopped(tree) + stopped(other), 0)
  await assert.rejects(planned(here.scheduler, 'r', itemFor('pause', 'no-such-thing')), /no process at or below test .* matches/)
})

test('a CPU burn burns, stops when reverted, and is reverted when its reverter is killed', async () => {
  await using tree = await startProcessTree('marker-burn')
  await using here = await stage()
  await using agent = await here.embedded([tree.parent])
  assert.ok(agent.injector.ready())
  const item = itemFor('cpu-burn', 'marker-burn', { workers: 1, percent: 50 })
  await inject(here.scheduler, 'r', item)
  const burners = () => ownProcesses(here.stateFolder).filter(({ pid }) => commandLine(pid).includes('burner.ts'))
  assert.equal(burners().length, 1)
  const before = burners()[0]?.cpuTicks ?? 0
  await until('it burns', () => (burners()[0]?.cpuTicks ?? 0) >= before + 20, patienceMs)
  await here.scheduler.request('revert', 'n1', { run: 'r', fault: '1-x' }, { timeoutMs: 5_000 })
  await factsUntil(here.scheduler, 'r', 'fault.reverted')
  assert.equal(burners().length, 0)
  await inject(here.scheduler, 'r2', item)
  assert.equal(burners().length, 1)
  for (const { pid } of ownProcesses(here.stateFolder).filter(({ pid }) => commandLine(pid).includes('reverter.ts') && !commandLine(pid).includes('burner.ts'))) killUnlessGone(pid)
  await until('the burner ends', () => burners().length === 0, patienceMs)
  const told = await factsUntil(here.scheduler, 'r2', 'fault.reverted')
  assert.ok(told.some(({ kind }) => kind === 'fault.lapsed'))
})

test('with agent and reverter killed, a burner ends before its lease does', async () => {
  await using tree = await startProcessTree('marker-alone')
  await using here = await stage()
  const agent = await here.separate(tree.parent)
  await inject(here.scheduler, 'r', itemFor('cpu-burn', 'marker-alone', { workers: 2 }))
  here.scheduler.signal('heartbeat', 'r', { run: 'r', epoch, leaseMs: 2 * leaseMs, sentAtMs: Date.now() })
  const journal = openJournal(here.stateFolder)
  await until('the lease is renewed', () => (journal.readLease(entryId({ run: 'r', fault: '1-x' }))?.leaseEndsMs ?? 0) > systemClock.monotonicMs() + leaseMs, patienceMs)
  assert.deepEqual(ownProcesses(here.stateFolder).map(({ pid }) => /(\w+)\.ts/.exec(commandLine(pid))?.[1] ?? '').toSorted((a, b) => a < b ? -1 : 1), ['burner', 'burner', 'reverter', 'reverter'], 'one reverter stands by for the next fault')
  process.kill(-(agent.pid ?? 0), 'SIGKILL')
  for (const { pid } of ownProcesses(here.stateFolder).filter(({ pid }) => commandLine(pid).includes('reverter.ts'))) killUnlessGone(pid)
  await until('the burners end', () => ownProcesses(here.stateFolder).length === 0, patienceMs)
})

test('without NATS a pause ends with its lease, and the facts follow when NATS is back', () => onSteadyMachine(async () => {
  await using tree = await startProcessTree('marker-nats')
  await using here = await stage()
  await using agent = await here.embedded([tree.parent])
  await inject(here.scheduler, 'r', itemFor('pause', 'marker-nats'), { leaseMs: shortLeaseMs })
  await factsUntil(here.scheduler, 'r', 'fault.injected')
  await here.nats.kill()
  await until('all go on', () => stopped(tree) === 0, patienceMs)
  await here.nats.restart()
  await until('the scheduler is connected', () => here.scheduler.connected, patienceMs)
  const told = await factsUntil(here.scheduler, 'r', 'fault.reverted')
  assert.deepEqual(told.map(({ kind }) => kind), ['fault.injected', 'fault.lapsed', 'fault.reverted'])
  const { injectedAtMs, revertedAtMs } = datesOf(told)
  assert.ok(revertedAtMs - injectedAtMs < shortLeaseMs + 1_000, `it was there for ${revertedAtMs - injectedAtMs} ms`)
  assert.ok(agent.injector.ready())
}))

test('however many renewals came while one is under way, the undo waits for that one alone', async () => {
  await using tree = await startProcessTree('marker-slow')
  await using here = await stage()
  const answered = Promise.withResolvers<void>()
  let renewals = 0
  const slow: Driver = {
    ...localDriver(() => [tree.parent]),
    prepare: () => Promise.resolve([{
      undo: { undo: 'nothing' }, act: () => Promise.resolve({ verified: true, readBack: [] }),
      async renew() {
        renewals += 1
        await answered.promise
        return 'renewed'
      },
    }]),
  }
  await using agent = await here.embedded([tree.parent], slow)
  assert.ok(agent.injector.ready())
  await inject(here.scheduler, 'r', itemFor('pause', 'marker-slow'))
  await until('one is under way', () => renewals === 1, patienceMs)
  for (let beat = 0; beat < 20; beat++) here.scheduler.signal('heartbeat', 'r', { run: 'r', epoch, leaseMs: 20_000, sentAtMs: Date.now() + beat })
  const reply = await here.scheduler.request('revert', 'n1', { run: 'r', fault: '1-x' }, { timeoutMs: 5_000 }) // after the heartbeats, on the same connection
  assert.deepEqual(reply, { outcome: 'done', held: true })
  answered.resolve()
  await factsUntil(here.scheduler, 'r', 'fault.reverted')
  assert.equal(renewals, 1)
})

/** From within, over IPv4 and IPv6 at once: `both` have sent a byte back in two seconds, or `neither`, or only `one`. What came while this process stood still counts. */
const echoing = `
  const echoes = host => new Promise(resolve => {
    const socket = require('net').connect(7, host).on('connect', () => socket.write('x')).on('data', () => resolve(true)).on('error', () => resolve(false))
    setTimeout(() => setImmediate(() => resolve(false)), 2_000)
  })
  const ask = async () => ['neither', 'one', 'both'][(await Promise.all(['127.0.0.1', '::1'].map(echoes))).filter(Boolean).length]`

function echoes(tree: ProcessTree): string {
  const code = `${echoing}; ask().then(said => { console.log(said); process.exit() })`
  return spawnSync('nsenter', ['-t', String(tree.members()[0]?.pid), '-n', process.execPath, '-e', code], { encoding: 'utf8' }).stdout.trim()
}

/** Whether it is `both` or `neither`, whenever that is another than before, for a minute: by a process that is there before what changes it is. */
async function* echoesFrom(tree: ProcessTree): AsyncGenerator<string, void> {
  const code = `${echoing}; setTimeout(process.exit, 60_000); (async () => { for (let told = 'one';;) { const said = await ask(); if (said !== told && said !== 'one') console.log(told = said); await new Promise(resolve => setTimeout(resolve, 20)) } })()`
  const child = spawn('nsenter', ['-t', String(tree.members()[0]?.pid), '-n', process.execPath, '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    yield* createInterface(child.stdout)
  } finally {
    child.kill('SIGKILL')
  }
}
const tables = (tree: ProcessTree) => execFileSync('nsenter', ['-t', String(tree.members()[0]?.pid), '-n', toolPath('nft'), 'list', 'ruleset'], { encoding: 'utf8' })

test('a network drop cuts IPv4 and IPv6; with agent and reverter killed the kernel ends it; the next start removes its table', async () => {
  await using tree = await startEchoNamespace('marker-net')
  await using here = await stage()
  await until('it echoes', () => echoes(tree) === 'both', patienceMs, { lookMs: 100 })
  await using heard = echoesFrom(tree)
  assert.equal((await heard.next()).value, 'both')
  const agent = await here.separate(tree.parent)
  assert.deepEqual(await inject(here.scheduler, 'r', itemFor('network-drop', 'marker-net'), { leaseMs: 5_000 }), { outcome: 'done' })
  process.kill(-(agent.pid ?? 0), 'SIGKILL')
  for (const { pid } of ownProcesses(here.stateFolder)) killUnlessGone(pid)
  assert.match(tables(tree), /expires/)
  assert.equal((await heard.next()).value, 'neither')
  assert.equal((await heard.next()).value, 'both', 'the kernel has ended it')
  assert.match(tables(tree), /faultline_/)
  await using next = await here.embedded([tree.parent])
  assert.ok(next.injector.ready())
  assert.equal(tables(tree), '')
})

test('a renewed network loss stays beyond its lease, and a revert removes its table', async () => {
  await using tree = await startEchoNamespace('marker-loss')
  await using here = await stage()
  await using agent = await here.embedded([tree.parent])
  assert.ok(agent.injector.ready())
  await until('it echoes', () => echoes(tree) === 'both', patienceMs, { lookMs: 100 })
  await using heard = echoesFrom(tree)
  assert.equal((await heard.next()).value, 'both')
  assert.deepEqual(await inject(here.scheduler, 'r', itemFor('network-loss', 'marker-loss', { percent: 100 }), { leaseMs: shortLeaseMs }), { outcome: 'done' })
  using _ = beating(here.scheduler, 'r')
  assert.equal((await heard.next()).value, 'neither')
  let isBack = false
  const back = heard.next().finally(() => { isBack = true })
  await delay(shortLeaseMs + 500)
  assert.match(tables(tree), /expires/)
  assert.equal(isBack, false)
  await here.scheduler.request('revert', 'n1', { run: 'r', fault: '1-x' }, { timeoutMs: 5_000 })
  await factsUntil(here.scheduler, 'r', 'fault.reverted')
  assert.equal(tables(tree), '')
  assert.equal((await back).value, 'both')
})

test('a network fault on a target in the host\'s own network is refused, and says why', async () => {
  await using tree = await startProcessTree('marker-host')
  await using here = await stage()
  await using agent = await here.embedded([tree.parent])
  assert.ok(agent.injector.ready())
  await assert.rejects(planned(here.scheduler, 'r', itemFor('network-drop', 'marker-host')), /shares the network of the host/)
})

test('an agent that is stopped leaves nothing behind, and its journal is empty', async () => {
  await using tree = await startProcessTree('marker-stop')
  await using here = await stage()
  const agent = await here.embedded([tree.parent])
  await inject(here.scheduler, 'r', itemFor('pause', 'marker-stop'))
  await agent[Symbol.asyncDispose]()
  assert.equal(stopped(tree), 0)
  assert.deepEqual(openJournal(here.stateFolder).load().entries, [])
  const last = (await factsUntil(here.scheduler, 'r', 'fault.reverted')).at(-1)
  assert.ok(last?.kind === 'fault.reverted' && last.fact.data.cause === 'command')
})
