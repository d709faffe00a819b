import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Step } from '#shared/fault.ts'
import type { BoundProcess } from '#shared/target.ts'
import { findOnSystem } from '#shared/tools.mjs'
import { FaultRefused } from './fault-refused.ts'
import type { Undo } from './journal.ts'
import { descendantsOf, findProcess, isAlive, isStopped, readProcesses, type ProcessEntry, type ProcessId } from '#shared/process/process-table.ts'
import { untouchable } from './process-targets.ts'
import type { ActContext, Seen, StepInHand } from './step-in-hand.ts'

const patienceMs = { kill: 3_000, stop: 2_000, burn: 3_000, undo: 2_000 } as const
const burnerPath = fileURLToPath(new URL('burner.ts', import.meta.url))

/** The target as it is now. Throws FaultRefused when it has ended, or when its PID now belongs to another process. */
export function requireProcess({ id, pid, startTicks }: BoundProcess): ProcessEntry {
  const entry = findProcess({ pid, startTicks })
  if (!entry) throw new FaultRefused(`${id} has ended: its PID is free or belongs to another process; plan again`)
  if (untouchable(readProcesses()).has(pid)) throw new FaultRefused(`${id} is never touched: it is init, a kernel thread, this agent, one above it, or one that ends faults`)
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
    async act() {
      const root = requireProcess(target)
      const doomed = tree ? treeOf(root) : [root]
      for (const entry of doomed) signalProcess(entry, signal)
      const left = await until(patienceMs.kill, () => doomed.filter(entry => findProcess(entry)), left => left.length === 0)
      return { verified: left.length === 0, readBack: doomed.map(entry => `${print(entry)} ${left.includes(entry) ? 'is still there' : 'gone'}`) }
    },
  }
}

export function preparePause(target: BoundProcess): StepInHand {
  const root = requireProcess(target)
  requirePermission(root)
  if (isStopped(root)) throw new FaultRefused(`${target.id} is stopped already; continue it first: kill -CONT ${root.pid}`)
  const leave = treeOf(root).filter(isStopped).map(idOf)
  return {
    undo: { undo: 'continue', processes: [idOf(root)], leave },
    act: ({ record }) => stopTree(target, leave, record),
  }
}

/** Stops parents before children, journaling each before it is stopped, and looks again until nothing new is there. */
async function stopTree(target: BoundProcess, leave: readonly ProcessId[], record: ActContext['record']): Promise<Seen> {
  const stopped: ProcessEntry[] = []
  const tree = await until(patienceMs.stop, () => {
    const now = treeOf(requireProcess(target)).filter(entry => !isAmong(entry, leave))
    const fresh = now.filter(entry => !isAmong(entry, stopped))
    if (fresh.length > 0) {
      stopped.push(...fresh)
      record({ undo: 'continue', processes: stopped.map(idOf), leave: [...leave] })
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

export function prepareBurn({ workers, loadPercent }: Step & { do: 'burn-cpu' }, target: BoundProcess): StepInHand {
  requireProcess(target)
  return {
    undo: { undo: 'end', processes: [] },
    async act({ folder, id, reverter, record }) {
      requireProcess(target)
      if (!reverter) throw new FaultRefused('a burn without a reverter would have nobody to end it')
      const args = [burnerPath, folder, id, String(loadPercent), String(reverter.pid), String(reverter.startTicks)]
      const burners = Array.from({ length: workers }, () => startBurner(args, allowedCpus(target.pid)))
      try {
        await Promise.all(burners.map(burner => once(burner, 'spawn')))
      } catch (cause) {
        for (const burner of burners) burner.stdin?.destroy() // end-of-file instead of the word: those that did start never begin
        throw new FaultRefused('the workers could not be started; see whether this user may start processes', { cause })
      }
      const found = burners.flatMap(({ pid }) => readProcesses().find(entry => entry.pid === pid) ?? [])
      record({ undo: 'end', processes: found.map(idOf) }) // they wait for a word, and end when this process ends before it says it
      for (const burner of burners) release(burner)
      const busyTicks = 3 // one tick is 10 ms; starting up is over when they are released, so these are burnt
      const now = await until(patienceMs.burn, () => found.flatMap(entry => findProcess(entry) ?? []), entries =>
        entries.filter(entry => entry.cpuTicks >= ticksBefore(entry, found) + busyTicks).length === workers)
      return { verified: now.length === workers && now.every(entry => entry.cpuTicks > ticksBefore(entry, found)), readBack: now.map(entry => `${print(entry)} burnt ${(entry.cpuTicks - ticksBefore(entry, found)) * 10} ms`) }
    },
  }
}

const ticksBefore = (entry: ProcessId, before: readonly ProcessEntry[]) => before.find(({ pid }) => pid === entry.pid)?.cpuTicks ?? 0

function startBurner(args: string[], cpus: string): ChildProcess {
  const taskset = findOnSystem('taskset')
  const argv = taskset === undefined ? [process.execPath, ...args] : [taskset, '-c', cpus, process.execPath, ...args]
  return spawn(argv[0] ?? '', argv.slice(1), { detached: true, stdio: ['pipe', 'ignore', 'ignore'], cwd: '/' })
}

function release(burner: ChildProcess): void {
  burner.stdin?.on('error', () => undefined) // it ended first: the read-back says so
  burner.stdin?.end('burn\n')
  burner.unref()
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

function treeOf(root: ProcessEntry): ProcessEntry[] {
  const table = readProcesses()
  const spared = untouchable(table)
  return [root, ...descendantsOf(root.pid, table)].map(entry => entry === root ? table.find(({ pid }) => pid === root.pid) ?? root : entry)
    .filter(entry => isAlive(entry) && !spared.has(entry.pid))
}

/** Looks until it is as it should be, or time is over; the last look in any case. */
async function until<T>(patience: number, look: () => T, isGood: (seen: T) => boolean): Promise<T> {
  const givenUpAt = performance.now() + patience
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, 50)) {
    const seen = look()
    if (isGood(seen) || performance.now() >= givenUpAt) return seen
    await delay(pauseMs)
  }
}

const idOf = ({ pid, startTicks }: ProcessEntry): ProcessId => ({ pid, startTicks })
const isAmong = (entry: ProcessId, others: readonly ProcessId[]) => others.some(({ pid, startTicks }) => pid === entry.pid && startTicks === entry.startTicks)
const print = ({ pid, name }: ProcessEntry) => `${pid} (${name})`
const printState = (entry: ProcessEntry) => `${print(entry)} ${entry.state}`
