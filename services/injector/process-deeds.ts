import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Step } from '#shared/fault.ts'
import type { BoundProcess } from '#shared/target.ts'
import { FaultRefused } from './fault-refused.ts'
import type { Undo } from './journal.ts'
import { descendantsOf, findProcess, isAlive, isStopped, readProcesses, type ProcessEntry, type ProcessId } from '#shared/process/process-table.ts'
import type { ActContext, Seen, StepInHand } from './step-in-hand.ts'
import { untouchable } from './untouchable.ts'

const patienceMs = { kill: 3_000, stop: 2_000, undo: 2_000 } as const

/** The target as it is now. Throws FaultRefused when it has ended, or when its PID now belongs to another process. */
export function requireProcess({ id, pid, startTicks }: BoundProcess, table: readonly ProcessEntry[] = readProcesses()): ProcessEntry {
  const entry = findProcess({ pid, startTicks })
  if (!entry) throw new FaultRefused(`${id} has ended: its PID is free or belongs to another process; plan again`)
  if (untouchable(table).has(pid)) throw new FaultRefused(`${id} is never touched: it is init, a kernel thread, this agent, one above it, or one that ends faults`)
  return entry
}

/** Asks the kernel, with the signal 0 that nobody receives (kill(2)). Throws FaultRefused when this user may not signal the process. */
function requirePermission({ pid }: ProcessId): void {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EPERM') throw new FaultRefused(`signals to ${pid} are not allowed; run the agent as the same user or as root`, { cause: error })
  }
}

export function prepareKill({ signal, tree }: Step & { do: 'kill' }, target: BoundProcess): StepInHand {
  requirePermission(requireProcess(target))
  return {
    undo: { undo: 'nothing' },
    async act({ requireTimeLeft }) {
      const root = requireProcess(target)
      const doomed = tree ? treeOf(root, readProcesses()) : [root]
      requireTimeLeft()
      for (const entry of doomed) signalProcess(entry, signal)
      const left = await until(patienceMs.kill, () => doomed.filter(entry => findProcess(entry)), left => left.length === 0)
      return { verified: left.length === 0, readBack: doomed.map(entry => `${print(entry)} ${left.includes(entry) ? 'is still there' : 'gone'}`) }
    },
  }
}

export function preparePause(target: BoundProcess): StepInHand {
  const table = readProcesses()
  const root = requireProcess(target, table)
  requirePermission(root)
  if (isStopped(root)) throw new FaultRefused(`${target.id} is stopped already; continue it first: kill -CONT ${root.pid}`)
  const leave = treeOf(root, table).filter(isStopped).map(idOf)
  return {
    undo: { undo: 'continue', processes: [idOf(root)], leave },
    act: context => stopTree(target, leave, context),
  }
}

/** Stops parents before children, journaling each before it is stopped, and looks again until nothing new is there. */
async function stopTree(target: BoundProcess, leave: readonly ProcessId[], { record, requireTimeLeft }: ActContext): Promise<Seen> {
  const stopped: ProcessEntry[] = []
  const tree = await until(patienceMs.stop, () => {
    const table = readProcesses()
    const now = treeOf(requireProcess(target, table), table).filter(entry => !isAmong(entry, leave))
    const fresh = now.filter(entry => !isAmong(entry, stopped))
    if (fresh.length > 0) {
      stopped.push(...fresh)
      record({ undo: 'continue', processes: stopped.map(idOf), leave: [...leave] })
      requireTimeLeft()
      for (const entry of fresh) signalProcess(entry, 'SIGSTOP')
    }
    return { now, isStable: fresh.length === 0 && now.every(isStopped) }
  }, ({ isStable }) => isStable)
  return { verified: tree.isStable, readBack: tree.now.map(printState) }
}

/** Children first, so that nobody is told of a child that does not go on yet. Repeatable. */
export async function continueProcesses({ processes, leave }: Undo & { undo: 'continue' }): Promise<Seen> {
  const seen = await until(patienceMs.undo, () => {
    const table = readProcesses()
    const journaled = table.filter(entry => isAmong(entry, processes))
    const tree = [...new Set(journaled.flatMap(entry => [entry, ...descendantsOf(entry.pid, table)]))].filter(entry => isAlive(entry) && !isAmong(entry, leave))
    const stopped = tree.filter(isStopped)
    for (const entry of stopped.reverse()) signalProcess(entry, 'SIGCONT')
    return { tree, stopped }
  }, ({ stopped }) => stopped.length === 0)
  const readBack = seen.tree.length === 0 ? ['all of them have ended'] : seen.tree.map(printState)
  return { verified: seen.stopped.length === 0, readBack }
}

/** SIGKILL to each of them that is still the one that was started. Repeatable. */
export async function endProcesses({ processes }: Undo & { undo: 'end' }): Promise<Seen> {
  const left = await until(patienceMs.undo, () => {
    const alive = processes.flatMap(id => findProcess(id) ?? [])
    for (const entry of alive) signalProcess(entry, 'SIGKILL')
    return alive
  }, alive => alive.length === 0)
  return { verified: left.length === 0, readBack: processes.map(({ pid }) => `${pid} ${left.some(entry => entry.pid === pid) ? 'is still there' : 'gone'}`) }
}

/** As taskset(1) takes it: `0-3,5`. Throws FaultRefused. */
export function allowedCpus(pid: number): string {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(statusOf(pid))?.[1]
  if (list === undefined) throw new FaultRefused(`/proc/${pid}/status does not say which processors the target may use`)
  return list
}

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8')
  } catch (cause) {
    throw new FaultRefused(`process ${pid} ended while it was looked at; plan again`, { cause })
  }
}

/** How many processors a list such as `0-3,5` names. */
export function countCpus(list: string): number {
  return list.split(',').reduce((count, range) => {
    const [first = 0, last = first] = range.split('-').map(Number)
    return count + last - first + 1
  }, 0)
}

/** Checked as late as user space can: the PID could only be recycled between this look and the signal. */
function signalProcess(id: ProcessId, signal: NodeJS.Signals): void {
  if (!findProcess(id)) return
  try {
    process.kill(id.pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return
    throw new FaultRefused(`${signal} to ${id.pid} is not allowed; run the agent as the same user or as root`, { cause: error })
  }
}

function treeOf(root: ProcessEntry, table: readonly ProcessEntry[]): ProcessEntry[] {
  const spared = untouchable(table)
  return [root, ...descendantsOf(root.pid, table)].map(entry => entry === root ? table.find(({ pid }) => pid === root.pid) ?? root : entry)
    .filter(entry => isAlive(entry) && !spared.has(entry.pid))
}

/** Looks until it is as it should be, or time is over; the last look in any case. */
export async function until<T>(patience: number, look: () => T, isGood: (seen: T) => boolean): Promise<T> {
  const givenUpAt = performance.now() + patience
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, 50)) {
    const seen = look()
    if (isGood(seen) || performance.now() >= givenUpAt) return seen
    await delay(pauseMs)
  }
}

const idOf = ({ pid, startTicks }: ProcessEntry): ProcessId => ({ pid, startTicks })
const isAmong = (entry: ProcessId, others: readonly ProcessId[]) => others.some(({ pid, startTicks }) => pid === entry.pid && startTicks === entry.startTicks)
export const print = ({ pid, name }: ProcessEntry) => `${pid} (${name})`
const printState = (entry: ProcessEntry) => `${print(entry)} ${entry.state}`
