/**
 * Ends one fault when nobody else does. Started before the fault, in a session of its own, and told nothing: it reads the lease from
 * the journal, and at the lease's or the duration's end undoes the fault, reads back, and writes down that it did.
 *
 *     node reverter.ts JOURNAL_FOLDER FAULT_ID        says `armed` on stdout, once
 */
import { closeSync, existsSync, openSync, writeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from '#shared/clock.ts'
import { openJournal, type JournalEntry, type Lease } from './journal.ts'
import { undoEntry } from './undo.ts'

/** The agent ends faults itself, at their end exactly; this comes after it, and within the second that is promised. */
const graceMs = 300
const lookMs = 100
const tries = { pauseMs: 1_000, most: 600 } as const

const [folder = '', id = ''] = process.argv.slice(2)
let isTold = false
for (const signal of ['SIGHUP', 'SIGPIPE', 'SIGINT'] as const) process.on(signal, () => undefined)
process.on('SIGTERM', () => { isTold = true }) // ends the fault now rather than leaving it

if (!existsSync(folder)) throw new Error(`no journal at ${folder}: it was removed before this started`) // opening would make it anew
const journal = openJournal(folder)
let entry = readEntry()
if (!entry) throw new Error(`no entry ${id} in ${folder}`)
writeSync(1, 'armed\n')
closeSync(1) // nobody's pipe is held open
openSync('/dev/null', 'w') // takes its number, so that no file of ours ever is standard output

const cause = await fateOf()
if (cause !== undefined) await revert(cause)
process.exit(0)

/** Waits until the fault is to be ended; undefined when somebody has done it. */
async function fateOf(): Promise<'duration' | 'lease' | undefined> {
  for (;;) {
    if (!journal.isThere()) return 'lease' // somebody removed the journal under a live fault: what was read last is undone
    if (!journal.isHeld(id)) return undefined
    entry = readEntry() ?? entry
    const { leaseEndsMs, endsMs } = readLease()
    const end = Math.min(leaseEndsMs, endsMs ?? Number.POSITIVE_INFINITY)
    const leftMs = end + graceMs - systemClock.monotonicMs()
    if (isTold || leftMs <= 0) return end === endsMs ? 'duration' : 'lease'
    await delay(Math.min(leftMs, lookMs))
  }
}

async function revert(cause: 'duration' | 'lease'): Promise<void> {
  for (let tried = 0; tried < tries.most && entry; tried++) {
    entry = readEntry() ?? entry // the agent may have journaled more since
    const observation = await undoEntry(entry)
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
