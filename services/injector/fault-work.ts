import type { BlastRadius } from '#shared/blast-radius.ts'
import { clockId, type Clock } from '#shared/clock.ts'
import { messageOf } from '#shared/errors.ts'
import type { FaultSpec } from '#shared/fault.ts'
import type { BoundTarget } from '#shared/target.ts'
import type { FaultName, Observation, RevertCause } from './core.ts'
import type { Driver } from './driver.ts'
import { FaultRefused } from './fault-refused.ts'
import { entryId, type Journal, type JournalEntry, type Lease, type Reverted } from './journal.ts'
import type { ProcessId } from '#shared/process/process-table.ts'
import { newReverters, type Reverters } from './reverters.ts'
import type { Seen, StepInHand } from './step-in-hand.ts'
import { undoEntry } from './undo.ts'

/** One fault in the agent's hands: what is known of it, and the deeds that the core asks for. */
export interface FaultWork extends FaultName {
  kind: string
  targets: BoundTarget[]
  /** Addresses of the other side. */
  peers: readonly string[]
  requestedAtMs: number
  /** Undo on disk, reverter armed. Rejects with FaultRefused; what was begun by then is undone by `undo`. */
  prepare(lease: Lease): Promise<void>
  act(): Promise<Observation>
  renew(lease: Lease): Promise<'renewed' | 'lapsed'>
  /** `cause` is for the journal: whoever tells of it later tells why. */
  undo(cause: RevertCause): Promise<Observation>
  release(): Promise<void>
}

/** What the work needs of the machine it is on, beside the driver. The simulation has another. */
export interface Machine extends Reverters {
  bootId: string
  undoEntry: typeof undoEntry
}

export const thisMachine = (journalFolder: string, shelter?: Driver['shelter']): Machine => ({ ...newReverters(journalFolder, shelter), bootId: clockId, undoEntry })

export interface WorkOptions extends FaultName {
  spec: FaultSpec
  targets: BoundTarget[]
  driver: Driver
  /** Addresses of the other side. */
  peers: readonly string[]
  /** By target id: the word that its namespace has opted in. */
  vouchers: Readonly<Record<string, string>>
  blastRadius: BlastRadius
  journal: Journal
  clock: Clock
  machine: Machine
  /** The reverter or a worker has ended; they do when the fault is over, and otherwise only when somebody killed them. */
  onEndedEarly(): void
}

export function newFaultWork({ run, fault, spec, targets, peers, vouchers, blastRadius, driver, journal, clock, machine, onEndedEarly }: WorkOptions): FaultWork {
  const entry: JournalEntry = { id: entryId({ run, fault }), run, fault, kind: spec.kind, bootId: machine.bootId, targets, undos: [] }
  let steps: StepInHand[] = []
  const done: StepInHand[] = [] // a heartbeat may come before the act: there is nothing to renew yet, and that is no lapse
  let lease: Lease = { leaseEndsMs: 0, endsMs: null }
  let reverter: ProcessId | undefined
  const left = () => ({ leaseMs: lease.leaseEndsMs - clock.monotonicMs(), durationMs: (lease.endsMs ?? Number.POSITIVE_INFINITY) - clock.monotonicMs() })
  const remainingMs = () => Math.min(left().leaseMs, left().durationMs)
  const requireTimeLeft = () => {
    const leftMs = remainingMs()
    if (leftMs <= 0) throw new FaultRefused('its lease ran out before all of it was there')
    return leftMs
  }
  return {
    run, fault, kind: spec.kind, targets, peers, requestedAtMs: clock.nowMs(),
    async prepare(first) {
      lease = first
      steps = await driver.prepare({ spec, targets, peers, id: entry.id, vouchers, blastRadius })
      entry.undos = steps.map(({ undo }) => undo)
      journal.writeLease(entry.id, lease)
      journal.write(entry)
      if (spec.durationMs === undefined) return
      if (driver.records) await driver.records.open(entry, left())
      else reverter = await machine.armReverter(entry.id, onEndedEarly)
    },
    async act() {
      const seen: Seen[] = []
      for (const [index, step] of steps.entries()) {
        const record = (undo: JournalEntry['undos'][number]) => {
          entry.undos[index] = undo
          journal.write(entry)
        }
        try {
          seen.push(await step.act({ folder: journal.folder, id: entry.id, lease, reverter, requireTimeLeft, record, shelter: driver.shelter, onEndedEarly }))
        } catch (cause) {
          throw spec.durationMs === undefined ? refusedHalfway(cause, seen) : cause
        }
        done.push(step)
      }
      return { verified: seen.every(({ verified }) => verified), readBack: seen.flatMap(({ readBack }) => readBack), atMs: clock.nowMs() }
    },
    async renew(next) {
      journal.writeLease(entry.id, next) // first: what the reverter has not heard of does not count here either
      lease = next
      const renewals = [...done.map(step => step.renew?.(remainingMs())), driver.records?.renew(entry.id, left())]
      const answers = await Promise.all(renewals.map(renewal => renewal ?? Promise.resolve('renewed')))
      return answers.includes('lapsed') ? 'lapsed' : 'renewed'
    },
    ...undoing(entry, journal, machine, spec.durationMs === undefined ? undefined : driver.records),
  }
}

/** A fault that an earlier start of the agent left in the journal: it can only be undone. */
export function leftFaultWork(entry: JournalEntry, journal: Journal, machine: Machine, records: Driver['records']): FaultWork {
  const impossible = () => Promise.reject(new FaultRefused(`${entry.fault} is from an earlier start of the agent: it can only be undone`))
  const { run, fault, kind, targets } = entry
  return { run, fault, kind, targets, peers: [], requestedAtMs: 0, prepare: impossible, act: impossible, renew: impossible, ...undoing(entry, journal, machine, records) }
}

/** Of what is done in an instant the earlier steps stay: whoever hears that the fault was refused hears of them too. */
function refusedHalfway(cause: unknown, seen: readonly Seen[]): unknown {
  const done = seen.flatMap(({ readBack }) => readBack)
  return done.length === 0 ? cause : new FaultRefused(`${messageOf(cause)}; done before that, and not undone: ${done.join('; ')}`, { cause })
}

function undoing(entry: JournalEntry, journal: Journal, machine: Machine, records: Driver['records']): Pick<FaultWork, 'undo' | 'release'> {
  function markedHere(): Reverted | undefined {
    try {
      return journal.readReverted(entry.id)
    } catch {
      return undefined // spoilt: it tells nothing, and is in nobody's way
    }
  }
  return {
    async undo(cause) {
      const observation = await machine.undoEntry(entry)
      if (!observation.verified) return observation
      const before = markedHere() ?? (await records?.read(entry.id))?.reverted // by its reverter, or by a restorer while this agent could not reach the API
      if (before) return { ...observation, atMs: before.observation.atMs } // it was gone by then; now it was only looked at
      try {
        journal.markReverted(entry.id, { cause, observation })
      } catch (error) { // a full disk: it is gone all the same, and whoever finds the entry undoes it again
        return { ...observation, readBack: [...observation.readBack, `the journal could not be told: ${messageOf(error)}`] }
      }
      return observation
    },
    async release() {
      await records?.remove(entry.id) // first: what is only in the journal is told again, and no restorer acts on it
      journal.remove(entry.id)
    },
  }
}
