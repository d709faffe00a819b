/** One cell: one run on the rig, disturbed at its moment, and everything looked at before and after. */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '#shared/errors.ts'
import type { StoredFact } from '#shared/events.ts'
import { until } from '../parts/until.ts'
import { judgeCell, type CellResult, type Evidence } from './demands.ts'
import { awayMs, disturb, type Fired } from './disturbing.ts'
import { compare, takePicture, type Picture } from './host-picture.ts'
import { experimentOf, leaseMs } from './plans.ts'
import type { Rig } from './rig.ts'
import { faultKinds, type SeenFaults } from './subject.ts'
import { inGuestOf, nameOf, processesOf, type Cell, type Phase, type ProcessName } from './table.ts'

/** Where the disturbance comes in the middle of the faults, they must outlast it. */
const durationOf = (phase: Phase): number => phase === 'revert' || phase === 'recovery' ? 3_000 : 6_000
const breachMs = 2_500
const momentWithinMs = 60_000
/** What a run may wait for, at most, once nothing is disturbed any more: its lease, the recovery, the last looks, the load's end (scheduler, core.ts). */
const verdictWithinMs = 90_000
const settledWithinMs = 15_000
/** Locust's worker ends by itself 60 s after it last heard of its master; until then it goes on with its users, and takes no orders from a new one. */
const workerEndsWithinMs = 75_000
/** Locust's users send ten requests a second each. */
const quietMs = 500
const lookMs = 100

/** Of a cell, with the facts that it is judged by. */
export interface PlayedCell { result: CellResult; facts: readonly StoredFact[] }

/** Rejects when the rig is not well before anything was done: what the cell shows is in its result. */
export async function playCell(rig: Rig, cell: Cell): Promise<PlayedCell> {
  const beganMs = performance.now()
  const { subject, stream, wires } = rig
  const durationMs = durationOf(cell.phase)
  await rig.ready()
  const picture = () => takePicture({ networks: [subject.namespacePid], folders: [rig.folders.journal, rig.folders.temporary] })
  const [leaders, { place, created }] = [await rig.leaders(wantedLeader(cell)), await stream.end()]
  const before = picture()
  subject.forget()
  for (const { acknowledged } of wires) acknowledged.clear()
  const run = await rig.submit(experimentOf({ name: nameOf(cell).replaceAll('/', '-'), durationMs, subjectUrl: subject.url, targets: subject.targets, folders: rig.folders }))

  const evidence: Evidence = { cell, run, durationMs, leaseMs, seen: { pause: [], 'network-drop': [] }, facts: [], acknowledged: [], isSameStream: false, leftovers: [], failures: 0, troubles: [] }
  const attempt = async (what: string, deed: () => Promise<void>) => deed().catch((error: unknown) => void evidence.troubles.push(`${what}: ${messageOf(error)}`))
  await attempt('disturbing', async () => {
    await moment(rig, run, cell.phase)
    evidence.fired = await disturbFor(rig, cell, processesOf(cell.part, leaders))
  })
  evidence.verdict = await verdictOf(rig, run)
  await attempt('looking for what is left', async () => { evidence.leftovers = await leftovers(rig, cell, before, picture) })
  await attempt('reading the stream', async () => {
    evidence.facts = await stream.read(place + 1)
    evidence.isSameStream = (await stream.end()).created === created
  })
  evidence.acknowledged = [...new Set(wires.flatMap(({ acknowledged }) => [...acknowledged]))].filter(acknowledged => acknowledged > place)
  evidence.seen = subject.seen()
  evidence.failures = subject.failures()
  await attempt('being well again', () => rig.ready())
  return { result: { ...judgeCell(evidence), tookMs: Math.round(performance.now() - beganMs) }, facts: evidence.facts }
}

/** Where only one of the servers can be disturbed, it must be what the part says. */
function wantedLeader(cell: Cell): { server: ProcessName; leads: boolean } | undefined {
  const [server, ...others] = inGuestOf(cell)
  return server === undefined || others.length > 0 || cell.part === 'prometheus' ? undefined : { server, leads: cell.part === 'nats-leader' }
}

/** Disturbs, hurts the system's users if that is what the phase asks for, and brings back who was killed for good once no fault is there. */
async function disturbFor(rig: Rig, { disturbance, phase }: Cell, names: readonly ProcessName[]): Promise<Fired> {
  const fired = await disturb(rig, disturbance, names, () => {
    if (phase !== 'breach') return
    rig.subject.fail(true)
    setTimeout(() => rig.subject.fail(false), breachMs)
  })
  if (fired.gone.length === 0) return fired
  await faultsAreOver(rig, fired)
  await Promise.all(fired.gone.map(name => rig.start(name)))
  return { ...fired, overMs: performance.now() }
}

/** Resolves in the moment that the phase names. Rejects when the run is over without it. */
async function moment(rig: Rig, run: string, phase: Phase): Promise<void> {
  const facts: StoredFact[] = []
  await using following = rig.bus.follow({ run })
  const late = setTimeout(() => void following.stop(), momentWithinMs)
  try {
    for await (const next of following) {
      if (next.is !== 'fact') continue
      facts.push(next.stored)
      if (isMoment(phase, facts)) return
      if (next.stored.kind === 'run.judged') break
    }
  } finally {
    clearTimeout(late)
  }
  throw new Error(`the moment never came; the run's facts were ${facts.map(({ kind, fact: { data } }) => 'phase' in data ? `${kind} ${data.phase}` : kind).filter(kind => !kind.startsWith('load.sample')).join(', ')}`)
}

/** Pure. The last of `facts` is the one that has just come. */
function isMoment(phase: Phase, facts: readonly StoredFact[]): boolean {
  const hasBegun = (name: string) => facts.some(stored => stored.kind === 'run.phase' && stored.fact.data.phase === name)
  const count = (kind: StoredFact['kind']) => facts.filter(stored => stored.kind === kind).length
  switch (phase) {
    case 'before': return hasBegun('steady')
    case 'injection': return hasBegun('inject')
    case 'held': case 'breach': return count('fault.injected') === faultKinds.length
    case 'revert': return count('fault.reverted') > 0
    case 'recovery': return hasBegun('recover')
  }
}

const isThere = (seen: SeenFaults) => faultKinds.some(kind => seen[kind].some(({ toMs }) => toMs === undefined))

/** Whoever was killed for good stays away until nothing can be there any more; a fault that stays is told of in the result. */
async function faultsAreOver(rig: Rig, { atMs }: Fired): Promise<void> {
  await delay(Math.max(0, atMs + awayMs - performance.now()))
  await until('the faults are over', () => !isThere(rig.subject.seen()), 15_000, { lookMs }).catch(() => undefined)
}

async function verdictOf({ stream }: Rig, run: string): Promise<string | undefined> {
  const givenUpAt = performance.now() + verdictWithinMs
  while (performance.now() < givenUpAt) {
    const found = await stream.verdict(run)
    if (found !== undefined) return found
    await delay(lookMs)
  }
  return undefined
}

/** What is other than before, once it has had its time to go. */
async function leftovers(rig: Rig, { part }: Cell, before: Picture, picture: () => Picture): Promise<string[]> {
  let found: string[] = []
  try {
    await until('it is as before', async () => {
      if (part === 'locust-master') await rig.start('locust-worker') // its supervisor, when it has ended
      const requests = rig.subject.requests()
      await delay(quietMs)
      found = [...compare(before, picture()), ...rig.subject.requests() === requests ? [] : ['Locust still sends requests']]
      return found.length === 0
    }, part === 'locust-master' ? workerEndsWithinMs : settledWithinMs, { lookMs: 250 })
  } catch (error) {
    if (!(error instanceof assert.AssertionError)) throw error
  }
  return found
}
