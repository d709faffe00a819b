/**
 * The life of a program that a fault consists of, whichever it is: it says that it is up, by the JSON list of the ports that it listens on, and waits for a word on
 * stdin (end-of-file instead of it: the agent is gone, so it never begins). It is wanted until the lease or the duration is over, the fault has been reverted, its
 * reverter is gone, or its target is.
 *
 *     node PROGRAM JOURNAL_FOLDER FAULT_ID REVERTER_PID REVERTER_START_TICKS TARGET_PID TARGET_START_TICKS SETTINGS
 */
import { readFileSync, writeSync } from 'node:fs'
import { systemClock } from '#shared/clock.ts'
import { findProcess, type ProcessId } from '#shared/process/process-table.ts'
import { openJournal } from './journal.ts'

export const startWord = 'begin\n'
/** How often a program that has nothing else to do asks whether it is still wanted. */
export const lookMs = 100

export interface WorkerLife {
  /** As the plan gave them, JSON. */
  settings: string
  isWanted(): boolean
  /** For a program that serves: waits for the word, then ends the process when it is not wanted any more. */
  liveOn(): void
}

export function workerArguments(folder: string, id: string, reverter: ProcessId, target: ProcessId, settings: unknown): string[] {
  return [folder, id, ...[reverter, target].flatMap(({ pid, startTicks }) => [String(pid), String(startTicks)]), JSON.stringify(settings)]
}

export function beginLife(): WorkerLife {
  const [folder = '', id = '', ...numbers] = process.argv.slice(2, 8)
  const [reverterPid = 0, reverterTicks = 0, targetPid = 0, targetTicks = 0] = numbers.map(Number)
  const bound: ProcessId[] = [{ pid: reverterPid, startTicks: reverterTicks }, { pid: targetPid, startTicks: targetTicks }]
  const journal = openJournal(folder)
  const isWanted = () => {
    try {
      const lease = journal.readLease(id)
      const end = Math.min(lease?.leaseEndsMs ?? 0, lease?.endsMs ?? 0)
      return systemClock.monotonicMs() < end && journal.isHeld(id) && bound.every(process => findProcess(process) !== undefined)
    } catch {
      return false
    }
  }
  return {
    settings: process.argv[8] ?? '',
    isWanted,
    liveOn() {
      let said = ''
      process.stdin.setEncoding('utf8').on('data', part => { said += part }).on('end', () => {
        if (said !== startWord) process.exit(1)
        setInterval(() => { if (!isWanted()) process.exit(0) }, lookMs)
      })
    },
  }
}

/** Says that it is up, and listens on no port; then waits for the word, and ends the process when it does not come. */
export function awaitWord(): void {
  writeSync(1, '[]\n')
  if (readFileSync(0, 'utf8') !== startWord) process.exit(1)
}
