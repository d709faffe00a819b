import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { BoundTarget, TargetSpec } from '#shared/target.ts'
import { FaultRefused } from './fault-refused.ts'

/** What cannot be recycled: a PID with the time at which it began, in clock ticks since boot (proc_pid_stat(5), field 22). */
export interface ProcessId { pid: number; startTicks: number }

export interface ProcessEntry extends ProcessId {
  parent: number
  /** As in /proc: R running, S sleeping, D in the kernel, T stopped, t traced, Z zombie, X dead. */
  state: string
  name: string
  isKernelThread: boolean
  /** User and system time, in clock ticks. */
  cpuTicks: number
}

/** A process that the operator has opted in: it and its descendants may be touched. */
export interface DeclaredParent { name: string; pid: number; startTicks?: number }

const kernelThreadFlag = 0x0020_0000 // PF_KTHREAD, linux/sched.h

/** proc_pid_stat(5). The name may itself hold spaces and parentheses, so fields are counted from the last parenthesis. */
export function parseStat(stat: string): ProcessEntry | undefined {
  const open = stat.indexOf('(')
  const close = stat.lastIndexOf(')')
  if (open < 1 || close < open) return undefined
  const fields = stat.slice(close + 2).trim().split(' ') // fields[0] is field 3
  const number = (field: number) => Number(fields[field - 3] ?? Number.NaN)
  const entry: ProcessEntry = {
    pid: Number(stat.slice(0, open)), name: stat.slice(open + 1, close), state: fields[0] ?? '', parent: number(4),
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

const ownPrograms = ['reverter.ts', 'burner.ts'].map(file => fileURLToPath(new URL(file, import.meta.url)))

/** Never touched, whatever matches: init, kernel threads, this process and its ancestors, and what ends faults. */
export function untouchable(table: readonly ProcessEntry[], commandOf = commandLine): ReadonlySet<number> {
  const own = table.filter(({ pid, isKernelThread }) => isKernelThread || ownPrograms.some(program => commandOf(pid).includes(program)))
  return new Set([1, process.pid, ...ancestorsOf(process.pid, table), ...own.map(entry => entry.pid)])
}

export interface Scene {
  table: readonly ProcessEntry[]
  commandOf(pid: number): string
  parents: readonly DeclaredParent[]
  untouchable: ReadonlySet<number>
}

/**
 * Every process that the target names, topmost only, before any is picked. Pure.
 * Throws FaultRefused when there is none or when nothing was declared.
 */
export function candidates({ process: { match, parent } }: TargetSpec, scene: Scene): BoundTarget[] {
  const declared = parent === undefined ? scene.parents : scene.parents.filter(({ name }) => name === parent)
  if (scene.parents.length === 0) {
    throw new FaultRefused('no process is opted in: declare those that may be touched, with their descendants (--within NAME=PID, or injector.parents)')
  }
  if (declared.length === 0) {
    throw new FaultRefused(`no parent named ${parent} is declared; declared: ${[...new Set(scene.parents.map(({ name }) => name))].join(', ')}`)
  }
  const alive = declared.filter(({ pid, startTicks }) => scene.table.some(entry => entry.pid === pid && (startTicks === undefined || entry.startTicks === startTicks)))
  const matching = alive.flatMap(({ pid }) => [...scene.table.filter(entry => entry.pid === pid), ...descendantsOf(pid, scene.table)])
    .filter(entry => isAlive(entry) && !scene.untouchable.has(entry.pid) && scene.commandOf(entry.pid).includes(match))
  const pids = new Set(matching.map(({ pid }) => pid))
  const topmost = matching.filter(({ pid }, index) => matching.findIndex(other => other.pid === pid) === index
    && !ancestorsOf(pid, scene.table).some(ancestor => pids.has(ancestor)))
  if (topmost.length === 0) {
    const where = declared.map(({ name, pid }) => `${name} (${pid}${alive.some(parent => parent.pid === pid) ? '' : ', which has ended'})`).join(', ')
    throw new FaultRefused(`no process at or below ${where} matches ${JSON.stringify(match)}; compare with: ps -eo pid,ppid,args`)
  }
  return topmost.map(({ pid, startTicks }) => ({ id: `process:${pid}:${startTicks}`, pid, startTicks, description: scene.commandOf(pid).slice(0, 200) }))
}

/** Which of the candidates: the same run picks the same again. Throws FaultRefused when there are fewer than asked for. */
export function pickTargets(found: readonly BoundTarget[], pick: TargetSpec['process']['pick'], run: string): BoundTarget[] {
  if (pick === 'all') return [...found]
  const count = pick === 'one' ? 1 : pick
  if (found.length < count) throw new FaultRefused(`the target asks for ${count} processes, but only ${found.length} match: ${found.map(({ id }) => id).join(', ')}`)
  const order = (id: string) => createHash('sha256').update(`${run}\n${id}`).digest('hex')
  return found.toSorted((a, b) => order(a.id) < order(b.id) ? -1 : 1).slice(0, count)
}
