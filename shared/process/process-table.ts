import { readdirSync, readFileSync } from 'node:fs'

/** What cannot be recycled: a PID with the time at which it began, in clock ticks since boot (proc_pid_stat(5), field 22). */
export interface ProcessId { pid: number; startTicks: number }

export interface ProcessEntry extends ProcessId {
  parent: number
  group: number
  session: number
  /** As in /proc: R running, S sleeping, D in the kernel, T stopped, t traced, Z zombie, X dead. */
  state: string
  name: string
  isKernelThread: boolean
  /** User and system time, in clock ticks. */
  cpuTicks: number
}

const kernelThreadFlag = 0x0020_0000 // PF_KTHREAD, linux/sched.h

/** proc_pid_stat(5). The name may itself hold spaces and parentheses, so fields are counted from the last parenthesis. */
export function parseStat(stat: string): ProcessEntry | undefined {
  const open = stat.indexOf('(')
  const close = stat.lastIndexOf(')')
  if (open < 1 || close < open) return undefined
  const fields = stat.slice(close + 2).trim().split(' ') // fields[0] is field 3
  const number = (field: number) => Number(fields[field - 3] ?? Number.NaN)
  const entry: ProcessEntry = {
    pid: Number(stat.slice(0, open)), name: stat.slice(open + 1, close), state: fields[0] ?? '', parent: number(4), group: number(5), session: number(6),
    isKernelThread: (number(9) & kernelThreadFlag) !== 0, cpuTicks: number(14) + number(15), startTicks: number(22),
  }
  const isWhole = [entry.pid, entry.parent, entry.cpuTicks, entry.startTicks].every(value => Number.isSafeInteger(value))
  return isWhole && /^[A-Za-z]$/.test(entry.state) ? entry : undefined
}

/** One process as it is now; undefined when there is none with this PID. */
export function readProcess(pid: number): ProcessEntry | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return undefined // ended
  }
}

export function readProcesses(): ProcessEntry[] {
  return readdirSync('/proc').filter(name => /^\d+$/.test(name)).flatMap(name => readProcess(Number(name)) ?? [])
}

/** The very process that was meant, unless it has ended; a zombie has ended. */
export function findProcess({ pid, startTicks }: ProcessId): ProcessEntry | undefined {
  const entry = readProcess(pid)
  return entry && entry.startTicks === startTicks && isAlive(entry) ? entry : undefined
}

export const isAlive = ({ state }: ProcessEntry): boolean => state !== 'Z' && state !== 'X' && state !== 'x'
export const isStopped = ({ state }: ProcessEntry): boolean => state === 'T' || state === 't'

/** Arguments joined by spaces; empty for kernel threads, zombies and the ended. */
export function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
  } catch {
    return ''
  }
}

/** All below `pid`, parents before their children. */
export function descendantsOf(pid: number, table: readonly ProcessEntry[]): ProcessEntry[] {
  const children = Map.groupBy(table, entry => entry.parent)
  const found: ProcessEntry[] = []
  const queue = [...children.get(pid) ?? []]
  for (let next = queue.shift(); next; next = queue.shift()) {
    if (found.includes(next)) continue // a table read while PIDs are recycled may hold a circle
    found.push(next)
    queue.push(...children.get(next.pid) ?? [])
  }
  return found
}

export function ancestorsOf(pid: number, table: readonly ProcessEntry[]): number[] {
  const parents = new Map(table.map(entry => [entry.pid, entry.parent]))
  const found: number[] = []
  for (let next = parents.get(pid); next !== undefined && next > 0 && !found.includes(next); next = parents.get(next)) found.push(next)
  return found
}
