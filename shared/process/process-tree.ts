import { setTimeout as delay } from 'node:timers/promises'
import { findProcess, isAlive, readProcess, readProcesses, type ProcessEntry } from '#shared/process/process-table.ts'

/** Ends a process, its group and all descendants: asks, continues what was stopped, then kills. Nothing of it runs when this resolves. */
export async function endTree(pid: number, { graceMs }: { graceMs: number }): Promise<void> {
  const members = membersOf(pid)
  signalAll(members, 'SIGTERM')
  signalAll(members, 'SIGCONT')
  const givenUpAt = performance.now() + graceMs
  while (performance.now() < givenUpAt && members.some(isThere)) await delay(20)
  const left = [...members, ...members.flatMap(member => membersOf(member.pid))].filter(isThere)
  signalAll(left, 'SIGKILL')
  while (left.some(isThere)) await delay(10)
}

/** The process, its descendants, and everybody in a group or session that one of them leads (PostgreSQL's backends lead their own). */
function membersOf(root: number): ProcessEntry[] {
  const table = readProcesses().filter(isAlive)
  const found = new Map<number, ProcessEntry>()
  const visit = (entry: ProcessEntry): void => {
    if (found.has(entry.pid)) return
    found.set(entry.pid, entry)
    for (const other of table) if (other.parent === entry.pid || other.group === entry.pid || other.session === entry.pid) visit(other)
  }
  for (const entry of table) if (entry.pid === root || entry.group === root) visit(entry)
  return [...found.values()]
}

/** Start time in clock ticks since boot, which together with the PID names a process for good; undefined when there is none. */
export const startTicksOf = (pid: number): number | undefined => {
  const entry = readProcess(pid)
  return entry && isAlive(entry) ? entry.startTicks : undefined
}

const isThere = (entry: ProcessEntry): boolean => findProcess(entry) !== undefined

function signalAll(entries: ProcessEntry[], signal: NodeJS.Signals): void {
  for (const entry of entries) {
    if (!isThere(entry)) continue
    try {
      process.kill(entry.pid, signal)
    } catch {
      // it ended by itself between the look and the signal
    }
  }
}
