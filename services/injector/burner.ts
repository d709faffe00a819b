/**
 * Keeps one processor busy. Waits for a word on stdin (end-of-file instead of it: the agent is gone, so it never begins), and ends when
 * the lease or the duration is over, when the fault has been reverted, or when its reverter is gone. Synchronous: it has nothing else to do.
 *
 *     node burner.ts JOURNAL_FOLDER FAULT_ID PERCENT REVERTER_PID REVERTER_START_TICKS
 */
import { readFileSync } from 'node:fs'
import { systemClock } from '#shared/clock.ts'
import { openJournal } from './journal.ts'
import { findProcess } from '#shared/process/process-table.ts'

const sliceMs = 100
const [folder = '', id = '', percent = '0', pid = '', startTicks = ''] = process.argv.slice(2)
const journal = openJournal(folder)
const reverter = { pid: Number(pid), startTicks: Number(startTicks) }
const busyMs = sliceMs * Number(percent) / 100
const clock = new Int32Array(new SharedArrayBuffer(4))

if (readFileSync(0, 'utf8') !== 'burn\n') process.exit(1)
while (isWanted()) {
  const began = performance.now()
  while (performance.now() < began + busyMs) { /* this is the burning */ }
  Atomics.wait(clock, 0, 0, Math.max(0, began + sliceMs - performance.now()))
}

function isWanted(): boolean {
  try {
    const lease = journal.readLease(id)
    const end = Math.min(lease?.leaseEndsMs ?? 0, lease?.endsMs ?? 0)
    return systemClock.monotonicMs() < end && journal.isHeld(id) && findProcess(reverter) !== undefined
  } catch {
    return false
  }
}
