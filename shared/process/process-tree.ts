import { setTimeout as delay } from 'node:timers/promises'
import { findProcess, isAlive, readProcess, readProcesses, type ProcessEntry } from '#shared/process/process-table.ts'

/** A process by what names it for good; by its PID alone where whoever asks is its parent, and has not heard of its end. */
export interface Root { pid: number; startTicks?: number | undefined }

/** Ends a process, its group and all descendants: asks, continues what was stopped, then kills. Nothing of it runs when this resolves. */
export async function endTree(root: Root, { graceMs }: { graceMs: number }): Promise<void> {
  const members = treeOf([root], readProcesses())
  signalAll(members, 'SIGTERM')
  signalAll(members, 'SIGCONT')
  const givenUpAt = performance.now() + graceMs
  while (performance.now() < givenUpAt && members.some(isThere)) await delay(20)
  const left = [...members, ...treeOf(members, readProcesses())].filter(isThere) // and what they have started since
  signalAll(left, 'SIGKILL')
  while (left.some(isThere)) await delay(10)
}

/**
 * The processes, their descendants, and everybody in a group or session that one of them leads (PostgreSQL's backends lead their own), or led until it ended. Who has
 * the PID of one that has ended is a stranger, and so are all below it: where PIDs are used up within minutes, one is given anew within a second now and then. The kernel gives none while
 * a group or a session is still called by it. Pure.
 */
export function treeOf(roots: readonly Root[], table: readonly ProcessEntry[]): ProcessEntry[] {
  const alive = table.filter(isAlive)
  const found = new Map<number, ProcessEntry>()
  const visit = (entry: ProcessEntry): void => {
    if (found.has(entry.pid)) return
    found.set(entry.pid, entry)
    for (const other of alive) if (other.parent === entry.pid || other.group === entry.pid || other.session === entry.pid) visit(other)
  }
  for (const { pid, startTicks } of roots) {
    const isStranger = startTicks !== undefined && table.some(entry => entry.pid === pid && entry.startTicks !== startTicks)
    if (isStranger) continue
    for (const entry of alive) if (entry.pid === pid || entry.group === pid || entry.session === pid) visit(entry)
  }
  return [...found.values()]
}

/** Start time in clock ticks since boot, which together with the PID names a process for good; undefined when there is none. */
export const startTicksOf = (pid: number): number | undefined => {
  const entry = readProcess(pid)
  return entry && isAlive(entry) ? entry.startTicks : undefined
}

const isThere = (entry: ProcessEntry): boolean => findProcess(entry) !== undefined

/** Whoever of them is still there gets the signal. */
export function signalAll(entries: readonly ProcessEntry[], signal: NodeJS.Signals): void {
  for (const entry of entries) {
    if (!isThere(entry)) continue
    try {
      process.kill(entry.pid, signal)
    } catch {
      // it ended by itself between the look and the signal
    }
  }
}
