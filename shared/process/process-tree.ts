import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

interface ProcessEntry { pid: number; parent: number; group: number; session: number; startTicks: string }

/** Ends a process, its group and all descendants: asks, continues what was stopped, then kills. Nothing of it runs when this resolves. */
export async function endTree(pid: number, { graceMs }: { graceMs: number }): Promise<void> {
  const members = membersOf(pid)
  signalAll(members, 'SIGTERM')
  signalAll(members, 'SIGCONT')
  const givenUpAt = performance.now() + graceMs
  while (performance.now() < givenUpAt && members.some(isAlive)) await delay(20)
  const left = [...members, ...members.flatMap(member => membersOf(member.pid))].filter(isAlive)
  signalAll(left, 'SIGKILL')
  while (left.some(isAlive)) await delay(10)
}

/** The process, its descendants, and everybody in a group or session that one of them leads (PostgreSQL's backends lead their own). */
function membersOf(root: number): ProcessEntry[] {
  const table = processTable()
  const found = new Map<number, ProcessEntry>()
  const visit = (entry: ProcessEntry): void => {
    if (found.has(entry.pid)) return
    found.set(entry.pid, entry)
    for (const other of table) if (other.parent === entry.pid || other.group === entry.pid || other.session === entry.pid) visit(other)
  }
  for (const entry of table) if (entry.pid === root || entry.group === root) visit(entry)
  return [...found.values()]
}

function processTable(): ProcessEntry[] {
  return readdirSync('/proc').filter(name => /^\d+$/.test(name)).flatMap(name => readEntry(Number(name)) ?? [])
}

/** proc_pid_stat(5); the name in parentheses may itself hold spaces and parentheses, so fields count from the last one. Zombies are gone. */
function readEntry(pid: number): ProcessEntry | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined
    return { pid, parent: Number(fields[1]), group: Number(fields[2]), session: Number(fields[3]), startTicks: fields[19] ?? '' }
  } catch {
    return undefined
  }
}

/** Start time in clock ticks since boot, which together with the PID names a process for good; undefined when there is none. */
export function startTicksOf(pid: number): number | undefined {
  const entry = readEntry(pid)
  return entry && Number(entry.startTicks)
}

const isAlive = (entry: ProcessEntry): boolean => readEntry(entry.pid)?.startTicks === entry.startTicks

function signalAll(entries: ProcessEntry[], signal: NodeJS.Signals): void {
  for (const entry of entries) {
    if (!isAlive(entry)) continue
    try {
      process.kill(entry.pid, signal)
    } catch {
      // it ended by itself between the look and the signal
    }
  }
}
