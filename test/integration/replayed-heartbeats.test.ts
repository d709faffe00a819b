import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from 'nats'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { connectBus, newCommandKeys } from '#shared/bus-nats.ts'
import { systemClock } from '#shared/clock.ts'
import { signalSubject } from '#shared/commands.ts'
import { commandLine, isStopped, readProcesses } from '#shared/process/process-table.ts'
import { isProcess } from '#shared/target.ts'
import { entryId, openJournal } from '../../services/injector/journal.ts'
import { localDriver } from '../../services/injector/local-driver.ts'
import { revertAll } from '../../services/injector/revert-all.ts'
import { startInjector, type Injector } from '../../services/injector/service.ts'
import { takeEpoch } from '../../services/scheduler/epoch.ts'
import { soleLeader } from '../../services/scheduler/leadership.ts'
import { startScheduler } from '../../services/scheduler/service.ts'
import { startNats } from '../parts/nats.ts'
import { startProcessTree, type ProcessTree } from '../parts/process-tree.ts'
import { until } from '../parts/until.ts'

const log = pino({ level: 'silent' })
const epoch = { bucketCreatedMs: 1, revision: 1 }
const leaseMs = 3_000
const beats = 80
const subject = signalSubject('heartbeat', 'r')

/** A scheduler's end of a real bus, agents on real processes, and somebody who has heard everything and may say it again. */
async function stage(tree: ProcessTree) {
  await using made = new AsyncDisposableStack()
  const nats = made.use(await startNats())
  const stateFolder = mkdtempSync(join(tmpdir(), 'injector-'))
  made.defer(async () => {
    await revertAll(stateFolder)
    await until('the reverters see that it is over', () => !readProcesses().some(({ pid }) => commandLine(pid).includes(stateFolder)), 10_000)
    rmSync(stateFolder, { recursive: true })
  })
  const { signingSeed, commandKey } = newCommandKeys()
  const scheduler = await connectBus({ ...nats, service: 'scheduler', log, signingSeed, commandKey })
  made.defer(() => scheduler.close())
  const stranger = await connect({ servers: nats.servers, token: nats.token })
  made.defer(() => stranger.close())
  const overheard: Uint8Array[] = []
  stranger.subscribe(subject, { callback: (_error, { data }) => overheard.push(data) })
  await stranger.flush()
  const journal = openJournal(stateFolder)
  const owned = made.move()
  return {
    scheduler, overheard,
    async startAgent(clock = systemClock): Promise<Injector> {
      const bus = await connectBus({ ...nats, service: 'injector', log, commandKey })
      owned.defer(() => bus.close())
      const agent = await startInjector({ bus, node: 'n1', stateFolder, driver: localDriver(() => [tree.parent]), clock, log, metrics: new Registry() })
      owned.defer(() => agent.stop())
      return agent
    },
    async pause(fault: string): Promise<void> {
      const item = { kind: 'pause', target: { process: { match: 'marker-replay' } }, at: '0s', duration: '30s' }
      const planned = await scheduler.request('plan', 'n1', { run: 'r', fault, item }, { timeoutMs: 5_000 })
      if (planned.outcome === 'refused') throw new Error(planned.why)
      const targets = planned.targets.map(({ target }) => target).filter(isProcess)
      const command = { run: 'r', fault, item, targets, peers: [], vouchers: {}, epoch, deadlineMs: Date.now() + 5_000, leaseMs }
      assert.deepEqual(await scheduler.request('inject', 'n1', command, { timeoutMs: 10_000 }), { outcome: 'done' })
      assert.equal(isPaused(tree), true)
    },
    beat: () => scheduler.signal('heartbeat', 'r', { run: 'r', epoch, leaseMs, sentAtMs: Date.now() }),
    /** Monotonic; undefined when there is no such fault. */
    leaseEndsMs: (fault: string) => journal.readLease(entryId({ run: 'r', fault }))?.leaseEndsMs,
    /** One after another, and all of them again: as long as the fault is there. */
    replaying(): Disposable {
      const said = [...overheard]
      let next = 0
      const saying = setInterval(() => stranger.publish(subject, said[next++ % said.length] ?? new Uint8Array()), 100)
      return { [Symbol.dispose]: () => clearInterval(saying) }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

const isPaused = (tree: ProcessTree) => tree.members().some(isStopped)
/** With room for a slow machine: each renewal that counted again, one each 100 ms, would keep the pause for three seconds longer than this. */
const goOn = (tree: ProcessTree) => until('all go on', () => !isPaused(tree), leaseMs + 5_000)

/** So often that, each once and one each 100 ms, they would make up for more than a lease. */
async function renewFor(here: Awaited<ReturnType<typeof stage>>, fault: string): Promise<void> {
  let before = here.leaseEndsMs(fault) ?? 0
  for (let sent = 0; sent < beats; sent++) {
    const known = before
    here.beat()
    await until('the lease is renewed', () => (here.leaseEndsMs(fault) ?? 0) > known, 10_000)
    before = here.leaseEndsMs(fault) ?? 0
  }
  await until('all are overheard', () => here.overheard.length >= beats, 10_000)
}

test('renewals that were overheard are said again without end: the lease of the pause runs out all the same', async () => {
  await using tree = await startProcessTree('marker-replay')
  await using here = await stage(tree)
  await here.startAgent()
  await here.pause('1-x')
  await renewFor(here, '1-x')
  using _ = here.replaying()
  await goOn(tree)
})

test('what one start of the agent was told renews nothing for the next', async () => {
  await using tree = await startProcessTree('marker-replay')
  await using here = await stage(tree)
  const first = await here.startAgent()
  await here.pause('1-x')
  await renewFor(here, '1-x')
  await first.stop()
  await here.startAgent()
  await here.pause('2-x')
  using _ = here.replaying()
  await goOn(tree)
})

test('renewals that come more than ten seconds after they were sent renew nothing', async () => {
  await using tree = await startProcessTree('marker-replay')
  await using here = await stage(tree)
  let lateMs = 0
  await here.startAgent({ ...systemClock, nowMs: () => systemClock.nowMs() + lateMs })
  await here.pause('1-x')
  await renewFor(here, '1-x')
  lateMs = 10_100
  const beating = setInterval(here.beat, 100)
  try {
    await goOn(tree)
  } finally {
    clearInterval(beating)
  }
})

test('a scheduler whose clock is put back in mid-run goes on renewing: each renewal is dated later than the one before', async () => {
  await using nats = await startNats()
  const { signingSeed, commandKey } = newCommandKeys()
  await using owned = new AsyncDisposableStack()
  const bus = await connectBus({ ...nats, service: 'scheduler', log, signingSeed, commandKey })
  owned.defer(() => bus.close())
  let aheadMs = 0
  const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + aheadMs }
  const scheduler = await startScheduler({ bus, clock, log, leadership: soleLeader(await takeEpoch(nats)), metrics: new Registry() })
  owned.defer(() => scheduler.stop())
  const dates: number[] = []
  const heard = Promise.withResolvers<void>()
  bus.onSignal('heartbeat', '*', ({ sentAtMs }) => {
    dates.push(sentAtMs)
    aheadMs = -20_000
    if (dates.length === 4) heard.resolve()
  })
  await scheduler.submit({
    apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'waits' }, lease: '1s',
    faults: [{ kind: 'pause', target: { process: { match: 'worker' } }, at: '60s', duration: '1s' }],
    gates: [{ name: 'one', promql: { query: 'vector(1)', max: 2 } }],
  })
  await heard.promise
  assert.deepEqual(dates, [...new Set(dates)].sort((a, b) => a - b))
})
