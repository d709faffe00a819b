import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { clockId, systemClock } from '#shared/clock.ts'
import { commandLine, findProcess, isAlive, isStopped, readProcesses, type ProcessId } from '#shared/process/process-table.ts'
import { FaultRefused } from '../../services/injector/fault-refused.ts'
import { openJournal, type Journal } from '../../services/injector/journal.ts'
import { newReverters } from '../../services/injector/reverters.ts'
import { startProcessTree } from '../parts/process-tree.ts'
import { until } from '../parts/until.ts'

const reverterPath = fileURLToPath(new URL('../../services/injector/reverter.ts', import.meta.url))
const revertersPath = new URL('../../services/injector/reverters.ts', import.meta.url).href
/** For what comes as soon as a process of Node.js is there, or is gone. */
const patienceMs = 20_000

/** A journal; whatever bears its folder among its arguments is gone before the folder is. */
function stage() {
  const folder = mkdtempSync(join(tmpdir(), 'reverters-'))
  const there = (): ProcessId[] => readProcesses().filter(entry => isAlive(entry) && commandLine(entry.pid).includes(folder))
  return {
    folder, journal: openJournal(folder), there,
    [Symbol.dispose]() {
      for (const { pid } of there()) process.kill(pid, 'SIGKILL')
      rmSync(folder, { recursive: true })
    },
  }
}

/** As if the fault were about to begin, on processes that it may stop. */
function journaled(journal: Journal, id: string, processes: readonly ProcessId[] = []): string {
  journal.writeLease(id, { leaseEndsMs: systemClock.monotonicMs() + 60_000, endsMs: null })
  journal.write({ id, run: 'r', fault: id, kind: 'pause', bootId: clockId, targets: [], undos: [{ undo: 'continue', processes: [...processes], leave: [] }] })
  return id
}

/** As if nobody had renewed it. */
const endLease = (journal: Journal, id: string) => journal.writeLease(id, { leaseEndsMs: systemClock.monotonicMs(), endsMs: null })

const isGone = (id: ProcessId) => findProcess(id) === undefined
const isStoppedNow = (id: ProcessId) => findProcess(id)?.state === 'T'
const noLonger = () => undefined

async function stop(target: ProcessId): Promise<void> {
  process.kill(target.pid, 'SIGSTOP')
  await until('it is stopped', () => isStoppedNow(target), patienceMs)
}

test('one stands by while runs are heard of, the next fault gets that very one, and none is left when no run is heard of', async () => {
  using here = stage()
  const reverters = newReverters(here.folder, undefined)
  reverters.expectFaults()
  reverters.expectFaults()
  await until('one stands by', () => here.there().length === 1, patienceMs)
  const [standby] = here.there()
  const armed = await reverters.armReverter(journaled(here.journal, 'first'), noLonger)
  assert.equal(armed.pid, standby?.pid)
  assert.equal(here.there().length, 1, 'no other is started before the next heartbeat')
  reverters.expectFaults()
  await until('the next one stands by', () => here.there().length === 2, patienceMs)
  await until('no heartbeat came for two seconds', () => here.there().length === 1, patienceMs)
  assert.ok(!isGone(armed), 'the armed one stays')
  here.journal.remove('first')
  await until('its fault is over', () => isGone(armed), patienceMs)
})

test('without a run that is heard of a fault starts its own, sheltered before it is armed', async () => {
  using here = stage()
  const order: string[] = []
  const reverters = newReverters(here.folder, async ({ pid }) => {
    await delay(50)
    order.push(`sheltered ${pid}`)
  })
  assert.equal(here.there().length, 0)
  const armed = await reverters.armReverter(journaled(here.journal, 'one'), noLonger)
  assert.deepEqual(order, [`sheltered ${armed.pid}`])
  const [session] = readProcesses().filter(({ pid }) => pid === armed.pid).map(entry => entry.session)
  assert.equal(session, armed.pid, 'in a session of its own')
  reverters.stop()
  assert.ok(!isGone(armed))
})

test('one that cannot be sheltered ends no fault: nothing is done, and none is tried again at each heartbeat', async () => {
  using here = stage()
  let asked = 0
  const reverters = newReverters(here.folder, () => {
    asked += 1
    return Promise.reject(new FaultRefused('no way out'))
  })
  reverters.expectFaults()
  await until('it was tried', () => asked === 1 && here.there().length === 0, patienceMs)
  reverters.expectFaults()
  await assert.rejects(reverters.armReverter(journaled(here.journal, 'one'), noLonger), (error: unknown) => error instanceof FaultRefused && error.message === 'no way out')
  assert.equal(asked, 2, 'once ahead, and once for the fault')
  await until('nobody is left', () => here.there().length === 0, patienceMs)
  reverters.stop()
})

for (const [signal, what] of [['SIGKILL', 'was killed'], ['SIGSTOP', 'does not answer']] as const) {
  test(`where the one that stood by ${what}, a fault has another, which ends it`, async () => {
    await using tree = await startProcessTree(`marker-${signal}`)
    using here = stage()
    const reverters = newReverters(here.folder, undefined)
    reverters.expectFaults()
    await until('one stands by', () => here.there().length === 1, patienceMs)
    const [standby] = here.there()
    assert.ok(standby)
    process.kill(standby.pid, signal)
    const [target] = tree.members()
    assert.ok(target)
    let gone = 0
    const armed = await reverters.armReverter(journaled(here.journal, 'one', [target]), () => { gone += 1 })
    assert.notEqual(armed.pid, standby.pid)
    await until('the first is gone', () => isGone(standby), patienceMs)
    assert.equal(gone, 0, 'the fault has not lost its reverter')
    await stop(target)
    endLease(here.journal, 'one')
    await until('the reverter has ended', () => gone === 1, patienceMs)
    assert.deepEqual([isStoppedNow(target), here.journal.readReverted('one')?.cause], [false, 'lease'])
    reverters.stop()
  })
}

test('an agent that is killed leaves none that stands by; one that had its fault handed over, and nothing begun, ends with the lease and touches nothing', async () => {
  await using tree = await startProcessTree('marker-handed')
  using here = stage()
  const [target] = tree.members()
  assert.ok(target)
  journaled(here.journal, 'one', [target])
  const program = `
    const { newReverters } = await import(${JSON.stringify(revertersPath)})
    const reverters = newReverters(process.env.FOLDER, undefined)
    const { pid } = await reverters.armReverter('one', () => undefined)
    reverters.expectFaults()
    setInterval(() => reverters.expectFaults(), 500)
    console.log(pid)` // killed before it acts
  const agent = spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, FOLDER: here.folder } })
  const [said] = await once(agent.stdout, 'data') as [Buffer]
  const armed = Number(said.toString())
  await until('another stands by', () => here.there().length === 2, patienceMs)
  agent.kill('SIGKILL')
  await until('only the one with a fault is left', () => here.there().map(({ pid }) => pid).join() === String(armed), patienceMs)
  assert.ok(!tree.members().some(isStopped))
  endLease(here.journal, 'one')
  await until('it ends with the lease', () => here.there().length === 0, patienceMs)
  assert.equal(here.journal.readReverted('one')?.observation.verified, true)
  assert.ok(!tree.members().some(isStopped))
})

test('one that is told nothing, half a name, or a fault that is not in the journal never says that it is armed, and ends', async () => {
  using here = stage()
  journaled(here.journal, 'one')
  for (const [told, code] of [['', 0], ['on', 0], ['another\n', 1]] as const) {
    const child = spawn(process.execPath, [reverterPath, here.folder], { stdio: ['pipe', 'pipe', 'ignore'] })
    child.stdin.end(told)
    const [said, [ended]] = await Promise.all([text(child.stdout), once(child, 'close') as Promise<[number]>])
    assert.deepEqual([said, ended], ['', code], JSON.stringify(told))
  }
  assert.ok(here.journal.isHeld('one'))
})

test('SIGTERM ends one that stands by, and has one with a fault end that fault now', async () => {
  await using tree = await startProcessTree('marker-term')
  using here = stage()
  const [target] = tree.members()
  assert.ok(target)
  const waiting = spawn(process.execPath, [reverterPath, here.folder], { stdio: ['pipe', 'pipe', 'ignore'] })
  waiting.kill('SIGTERM')
  await once(waiting, 'close')
  const armed = await newReverters(here.folder, undefined).armReverter(journaled(here.journal, 'one', [target]), noLonger)
  await stop(target)
  process.kill(armed.pid, 'SIGTERM')
  await until('it has ended', () => isGone(armed), patienceMs)
  assert.ok(!isStoppedNow(target))
})
