import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '#shared/clock.ts'
import type { Journal, JournalEntry, Lease } from './journal.ts'
import type { undoEntry } from './undo.ts'

/** The agent ends faults itself, at their end exactly; this comes after it, and within the second that is promised. */
const graceMs = 300
const lookMs = 100
const tries = { pauseMs: 1_000, most: 600 } as const

export interface ReverterOptions {
  id: string
  journal: Journal
  clock: Clock
  /** Ends the fault now rather than leaving it. */
  isTold(): boolean
  undo: typeof undoEntry
}

/** The life of a reverter (reverter.ts): waits for the fault's end, and undoes it unless somebody has. */
export interface ReverterLife {
  /** The entry was there, so that it can be undone whatever becomes of the journal. */
  isArmed: boolean
  /** Resolves when the fault is over, whoever ended it. */
  outlive(): Promise<void>
}

export function reverterLife({ id, journal, clock, isTold, undo }: ReverterOptions): ReverterLife {
  let entry = readEntry()

  /** Waits until the fault is to be ended; undefined when somebody has done it. */
  async function fateOf(): Promise<'duration' | 'lease' | undefined> {
    for (;;) {
      if (!journal.isThere()) return 'lease' // somebody removed the journal under a live fault: what was read last is undone
      if (!journal.isHeld(id)) return undefined
      entry = readEntry() ?? entry
      const { leaseEndsMs, endsMs } = readLease()
      const end = Math.min(leaseEndsMs, endsMs ?? Number.POSITIVE_INFINITY)
      const leftMs = end + graceMs - clock.monotonicMs()
      if (isTold() || leftMs <= 0) return end === endsMs ? 'duration' : 'lease'
      await delay(Math.min(leftMs, lookMs))
    }
  }

  async function revert(cause: 'duration' | 'lease'): Promise<void> {
    for (let tried = 0; tried < tries.most && entry; tried++) {
      entry = readEntry() ?? entry // the agent may have journaled more since
      const observation = await undo(entry)
      if (observation.verified) {
        if (journal.isThere() && journal.isHeld(id)) journal.markReverted(id, { cause, observation })
        return
      }
      await delay(tries.pauseMs)
      if (journal.isThere() && !journal.isHeld(id)) return
    }
  }

  function readEntry(): JournalEntry | undefined {
    try {
      return journal.read(id)
    } catch {
      return undefined // spoilt: what was read before it is still good
    }
  }

  /** A lease that is missing or spoilt is over. */
  function readLease(): Lease {
    try {
      return journal.readLease(id) ?? { leaseEndsMs: 0, endsMs: null }
    } catch {
      return { leaseEndsMs: 0, endsMs: null }
    }
  }

  return {
    isArmed: entry !== undefined,
    async outlive() {
      const cause = await fateOf()
      if (cause !== undefined) await revert(cause)
    },
  }
}
