import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { usualBlastRadius } from '#shared/blast-radius.ts'
import { systemClock, type Clock } from '#shared/clock.ts'
import type { FaultRecords } from '../../services/injector/cluster/fault-records.ts'
import { parseItem } from '../../services/injector/driver.ts'
import { newFaultWork, thisMachine, type FaultWork } from '../../services/injector/fault-work.ts'
import { FaultRefused } from '../../services/injector/fault-refused.ts'
import { openJournal, type Journal } from '../../services/injector/journal.ts'
import type { StepInHand } from '../../services/injector/step-in-hand.ts'

interface WorkStage { time?: { nowMs: number }; journaled?: (journal: Journal) => Journal; item?: object; records?: FaultRecords }
const kill = { kind: 'kill', target: { process: { match: 'nothing' } } }

/** A fault of such steps, in a journal of its own. `time`: what its clock shows, milliseconds; the system's when left out. */
function workOf(t: TestContext, steps: StepInHand[], { time, journaled = journal => journal, item = kill, records }: WorkStage = {}): FaultWork {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-work-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const clock: Clock = time ? { nowMs: () => time.nowMs, monotonicMs: () => time.nowMs } : systemClock
  const spec = parseItem(item)
  return newFaultWork({
    run: 'r', fault: '1-kill', spec, targets: [], peers: [], vouchers: {}, blastRadius: usualBlastRadius, clock, machine: thisMachine(folder), onEndedEarly: () => undefined,
    driver: { kinds: [], plan: () => Promise.resolve([]), prepare: () => Promise.resolve(steps), ...(records && { records }) }, journal: journaled(openJournal(folder)),
  })
}

test('a heartbeat between the preparing and the act renews the lease, and not what is not there yet: that would count as lapsed', async t => {
  const done: string[] = []
  const work = workOf(t, [{
    undo: { undo: 'nothing' },
    act({ requireTimeLeft }) {
      done.push(requireTimeLeft() > 5_000 ? 'act with the new lease' : 'act with the old lease')
      return Promise.resolve({ verified: true, readBack: [] })
    },
    renew() {
      done.push('renew')
      return Promise.resolve(done.includes('act with the new lease') ? 'renewed' : 'lapsed')
    },
  }])
  const lease = (ms: number) => ({ leaseEndsMs: systemClock.monotonicMs() + ms, endsMs: null })
  await work.prepare(lease(1_000))
  assert.equal(await work.renew(lease(60_000)), 'renewed')
  await work.act()
  assert.equal(await work.renew(lease(60_000)), 'renewed')
  assert.deepEqual(done, ['act with the new lease', 'renew'])
})

test('an agent that was stopped in the middle of an act does not go on with it when the lease is over: its reverter has ended the fault and is gone', async t => {
  const time = { nowMs: 1_000 }
  const done: string[] = []
  const step = (name: string, takesMs: number): StepInHand => ({
    undo: { undo: 'nothing' },
    async act({ requireTimeLeft }) {
      requireTimeLeft()
      done.push(name)
      time.nowMs += takesMs
      return { verified: true, readBack: [] }
    },
  })
  const work = workOf(t, [step('first', 2_999), step('second', 1), step('third', 1)], { time })
  await work.prepare({ leaseEndsMs: 4_000, endsMs: 14_000 })
  await assert.rejects(work.act(), { name: 'FaultRefused', message: 'its lease ran out before all of it was there' })
  assert.deepEqual(done, ['first', 'second'])
})

test('a renewal that could not be written, so that no reverter has heard of it, does not count', async t => {
  const time = { nowMs: 1_000 }
  let isFull = false
  const work = workOf(t, [{ undo: { undo: 'nothing' }, act: async ({ requireTimeLeft }) => ({ verified: true, readBack: [`${requireTimeLeft()} ms left`] }) }], {
    time,
    journaled: journal => ({
      ...journal,
      writeLease(id, lease) {
        if (isFull) throw new Error('ENOSPC: no space left on device, write')
        journal.writeLease(id, lease)
      },
    }),
  })
  await work.prepare({ leaseEndsMs: 4_000, endsMs: 14_000 })
  isFull = true
  await assert.rejects(work.renew({ leaseEndsMs: 9_000, endsMs: 14_000 }), /ENOSPC/)
  assert.deepEqual((await work.act()).readBack, ['3000 ms left'])
})

const noLease = { leaseEndsMs: systemClock.monotonicMs() + 60_000, endsMs: null }
const done = (what: string): StepInHand => ({ undo: { undo: 'nothing' }, act: () => Promise.resolve({ verified: true, readBack: [what] }) })
const refused: StepInHand = { undo: { undo: 'nothing' }, act: () => Promise.reject(new FaultRefused('the budget allows no more')) }

test('what of an instant fault was done before it was refused is told with the refusal', async t => {
  const work = workOf(t, [done('web-1 is gone'), done('web-2 is gone'), refused])
  await work.prepare(noLease)
  await assert.rejects(work.act(), { name: 'FaultRefused', message: 'the budget allows no more; done before that, and not undone: web-1 is gone; web-2 is gone' })
  const whole = workOf(t, [refused])
  await whole.prepare(noLease)
  await assert.rejects(whole.act(), { name: 'FaultRefused', message: 'the budget allows no more' })
})

test('what is seen to be undone is undone on a full disk too: that the journal cannot be told is said, and quarantines nobody', async t => {
  const work = workOf(t, [done('it is there')], { journaled: journal => ({ ...journal, markReverted() { throw new Error('ENOSPC: no space left on device, write') } }) })
  await work.prepare(noLease)
  const { verified, readBack } = await work.undo('command')
  assert.deepEqual([verified, readBack], [true, ['the journal could not be told: ENOSPC: no space left on device, write']])
})

test('a spoilt mark of an earlier undo keeps nothing from being undone', async t => {
  const work = workOf(t, [done('it is there')], { journaled: journal => ({ ...journal, readReverted() { throw new Error('the checksum does not match') } }) })
  await work.prepare(noLease)
  assert.equal((await work.undo('command')).verified, true)
})

test('what a restorer has ended, while the agent could not reach the API, is dated by when that was, and not by when the agent could look', async t => {
  const records: FaultRecords = {
    open: () => Promise.resolve(), renew: () => Promise.reject(new Error('no answer')), all: () => Promise.resolve([]), markReverted: () => Promise.resolve(), remove: () => Promise.resolve(),
    read: () => Promise.resolve({ entry: { id: '', run: '', fault: '', kind: '', bootId: '', targets: [], undos: [] }, remainingMs: 0, version: '2', reverted: { cause: 'lease', observation: { verified: true, readBack: [], atMs: 5_000 } } }),
  }
  const work = workOf(t, [done('n1 is cordoned')], { records, item: { kind: 'node-drain', target: { nodes: { name: 'n1' } }, duration: '30s' } })
  await work.prepare(noLease)
  assert.equal((await work.undo('duration')).atMs, 5_000)
})
