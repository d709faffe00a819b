import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { pino } from 'pino'
import { connectBus, newCommandKeys } from '#shared/bus-nats.ts'
import { systemClock } from '#shared/clock.ts'
import { haltFiles, nothingHalts, removeHaltFile, writeHaltFile, type FindHalt } from '#shared/halt-file.ts'
import { tellingOfHalts } from '../../services/injector/halt-telling.ts'
import type { AuditEntry } from '../../services/scheduler/audit-log.ts'
import { readAuditRecord } from '../../services/scheduler/audit-record.ts'
import { recordHalts } from '../../services/scheduler/halt-record.ts'
import { temporaryFolder } from '../parts/child.ts'
import { startNats } from '../parts/nats.ts'
import { until } from '../parts/until.ts'

const log = pino({ level: 'silent' })

/** Looks for a file, and knows what the last look has found. */
function lookFor(file: string): { findHalt: FindHalt; last: () => ReturnType<FindHalt> } {
  const look = haltFiles([file])
  let found: ReturnType<FindHalt>
  return { findHalt: () => { found = look(); return found }, last: () => found }
}

/** A real server with an agent's and schedulers' ends of a bus, and a folder for halt files. */
async function stage() {
  await using made = new AsyncDisposableStack()
  const nats = made.use(await startNats())
  const folder = made.use(temporaryFolder('halt-audit'))
  const { signingSeed, commandKey } = newCommandKeys()
  const reader = await connectBus({ ...nats, service: 'scheduler', log, signingSeed, commandKey })
  made.defer(() => reader.close())
  const owned = made.move()
  return {
    nats, folder: folder.path,
    /** An agent of this node that looks for this file. */
    async agent(node: string, file: string, findHalt = haltFiles([file])): Promise<{ stop(): void }> {
      const bus = await connectBus({ ...nats, service: 'injector', log, commandKey })
      owned.defer(() => bus.close())
      const looking = setInterval(tellingOfHalts({ bus, clock: systemClock, node, findHalt }), 100)
      const stop = () => clearInterval(looking)
      owned.defer(stop)
      return { stop }
    },
    async scheduler({ leads = true, findHalt = nothingHalts }: { leads?: boolean; findHalt?: FindHalt } = {}): Promise<{ leads: boolean; stop(): Promise<void> }> {
      const bus = await connectBus({ ...nats, service: 'scheduler', log, signingSeed, commandKey })
      owned.defer(() => bus.close())
      const state = { leads, stop: () => record.stop() }
      const record = recordHalts({ bus, clock: systemClock, log, leads: () => state.leads, findHalt })
      owned.defer(() => record.stop())
      return state
    },
    /** The agent of this node has said again what it has found. */
    async toldTwice(node: string): Promise<void> {
      const heard = Promise.withResolvers<void>()
      let times = 0
      const hearing = reader.onSignal('halted', node, () => { if (++times === 2) heard.resolve() })
      await heard.promise
      hearing.stop()
    },
    audit: async (): Promise<AuditEntry[]> => (await readAuditRecord(reader, { sinceMs: 0, most: 100, timeoutMs: 10_000 })).entries,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

const lines = (entries: readonly AuditEntry[], folder: string): string[] =>
  entries.map(({ who, address, request, about }) => `${who.replace(folder, '')} on ${address} ${request}: ${about}`)
const onRecord = async (here: Awaited<ReturnType<typeof stage>>, count: number): Promise<string[]> => {
  await until(`${count} entries`, async () => (await here.audit()).length >= count, 15_000, { lookMs: 100 })
  return lines(await here.audit(), here.folder)
}

test('a halt file on a node is in the audit, by its path and its node, and so is that it is gone: each once, whoever leads and whoever is started anew', async () => {
  await using here = await stage()
  const file = join(here.folder, 'halt')
  const first = await here.scheduler()
  const agent = await here.agent('n1', file)
  writeHaltFile(file, 'release today')
  assert.deepEqual(await onRecord(here, 1), ['the file /halt on n1 halts: release today'])
  first.leads = false
  await here.scheduler()
  agent.stop()
  await here.agent('n1', file)
  removeHaltFile(file)
  assert.deepEqual(await onRecord(here, 2), ['the file /halt on n1 halts: release today', 'the file /halt on n1 halts no more: release today'])
  await here.toldTwice('n1') // it tells again, and what was on record twice would come before what is later
  const next = join(here.folder, 'next')
  await here.agent('n2', next)
  writeHaltFile(next, 'later')
  const [, , third, ...more] = await onRecord(here, 3)
  assert.deepEqual([third, more], ['the file /next on n2 halts: later', []])
})

test('a halt file that was there and is gone again while NATS was down is in the audit once NATS is back, with both dates', async () => {
  await using here = await stage()
  const file = join(here.folder, 'halt')
  const looks = [lookFor(file), lookFor(file)] as const
  await here.scheduler({ findHalt: looks[0].findHalt })
  await here.agent('n1', file, looks[1].findHalt)
  await here.nats.kill()
  const beganMs = Date.now()
  writeHaltFile(file, 'nobody answers')
  await until('both have seen it, and can tell nobody', () => looks.every(({ last }) => last() !== undefined), 20_000)
  removeHaltFile(file)
  await until('both have seen that it is gone', () => looks.every(({ last }) => last() === undefined), 20_000)
  const endedMs = Date.now()
  await here.nats.restart()
  assert.deepEqual((await onRecord(here, 4)).sort(), [
    'the file /halt on n1 halts no more: nobody answers', 'the file /halt on n1 halts: nobody answers',
    'the file /halt on the scheduler halts no more: nobody answers', 'the file /halt on the scheduler halts: nobody answers',
  ])
  for (const { atMs } of await here.audit()) assert.ok(atMs >= beganMs && atMs <= endedMs, 'dated by when it was seen')
})

test('a scheduler on standby puts nothing on record, and when it comes to lead what is there by then', async () => {
  await using here = await stage()
  const file = join(here.folder, 'halt')
  writeHaltFile(file, 'release today')
  const standby = await here.scheduler({ leads: false, findHalt: haltFiles([file]) })
  await here.agent('n1', join(here.folder, 'another'))
  const leader = await here.scheduler()
  writeHaltFile(join(here.folder, 'another'), 'a sign that the leader writes')
  assert.deepEqual(await onRecord(here, 1), ['the file /another on n1 halts: a sign that the leader writes'])
  leader.leads = false
  standby.leads = true
  assert.deepEqual((await onRecord(here, 2)).sort(), ['the file /another on n1 halts: a sign that the leader writes', 'the file /halt on the scheduler halts: release today'])
})
