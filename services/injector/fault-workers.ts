import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { messageOf } from '#shared/errors.ts'
import { findProcess, readProcess, type ProcessEntry, type ProcessId } from '#shared/process/process-table.ts'
import { FaultRefused } from './fault-refused.ts'
import type { ActContext } from './step-in-hand.ts'
import { startWord, workerArguments } from './worker-life.ts'

const upWithinMs = 5_000
/**
 * Where a program is to be sheltered it begins as a shell, which becomes the program at its first line, when it is sheltered: what the program takes of memory is charged
 * to where it is then, and not to the agent, whose limit is its own. On a large node there is a program for each of many processors.
 */
const becomeAtFirstLine = 'read -r go && exec "$@"'
const untilSheltered = ['sh', '-c', becomeAtFirstLine, 'sh']

export interface WorkerRequest {
  program: 'burner' | 'memory-holder' | 'delay-proxy' | 'dns-responder'
  /** JSON for the program. */
  settings: unknown
  count: number
  /** It ends when this one has ended. */
  target: ProcessId
  /** What starts it, such as `nsenter --net=...`; it must become the program (execve(2)). */
  launcher: readonly string[]
  /** Done to each before it begins. */
  place?(pid: number): Promise<void>
}

/** `processes`: as they are before they begin, with starting up behind them. `ports`: on which they listen. */
export interface StartedWorkers { processes: ProcessEntry[]; ports: number[] }

/**
 * Starts the programs that a fault consists of. Each is up, in its place, and in the journal, before it is told to begin; until then it ends
 * together with this process. From then on its end is the fault's end. Rejects with FaultRefused, and then none of them begins.
 */
export async function startWorkers(request: WorkerRequest, { folder, id, reverter, record, shelter, requireTimeLeft, onEndedEarly }: ActContext): Promise<StartedWorkers> {
  const { program, count, launcher, place } = request
  if (!reverter) throw new FaultRefused(`${program} without a reverter would have nobody to end it`)
  const path = fileURLToPath(new URL(`${program}.ts`, import.meta.url))
  const argv = [...(shelter ? untilSheltered : []), ...launcher, process.execPath, path, ...workerArguments(folder, id, reverter, request.target, request.settings)]
  const children = Array.from({ length: count }, () => spawn(argv[0] ?? '', argv.slice(1), { detached: true, stdio: ['pipe', 'pipe', 'ignore'], cwd: '/' }))
  for (const child of children) {
    child.on('error', () => undefined) // `allStarted` tells
    child.stdin.on('error', () => undefined) // it ended first: its silence or the read-back says so
  }
  const allStarted = Promise.all(children.map(child => once(child, 'spawn')))
  try {
    await allStarted
    const up: Promise<number[]>[] = []
    for (const child of children) {
      if (shelter) {
        await shelter(processOf(child))
        child.stdin.write('\n')
      }
      const said = portsOf(child)
      said.catch(() => undefined) // awaited below, unless the shelter of another fails
      up.push(said)
    }
    const ports = (await Promise.all(up)).flat()
    const processes = children.map(processOf)
    for (const worker of processes) await place?.(worker.pid)
    record({ undo: 'end', processes: processes.map(({ pid, startTicks }) => ({ pid, startTicks })) })
    requireTimeLeft()
    for (const child of children) {
      child.once('exit', onEndedEarly)
      child.stdin.end(startWord)
      child.unref()
    }
    return { processes, ports }
  } catch (cause) {
    for (const child of children) child.kill('SIGKILL')
    if (cause instanceof FaultRefused) throw cause
    throw new FaultRefused(`${program} could not be started: ${messageOf(cause)}; see whether this user may start processes`, { cause })
  }
}

function processOf({ pid }: ChildProcess): ProcessEntry {
  const found = pid === undefined ? undefined : readProcess(pid)
  if (!found) throw new Error('it ended at once')
  return found
}

/** Its first line, a JSON list, which says that it is up. Its standard output is closed then, so that nobody's pipe is held open. */
async function portsOf(child: ChildProcess): Promise<number[]> {
  const { stdout } = child
  if (!stdout) return []
  const ended = once(child, 'close').then(() => { throw new Error('it ended at once') })
  try {
    const [line] = await Promise.race([once(createInterface({ input: stdout }), 'line', { signal: AbortSignal.timeout(upWithinMs) }), ended]) as [string]
    return JSON.parse(line) as number[]
  } finally {
    ended.catch(() => undefined)
    stdout.destroy()
  }
}

export const stillThere = (processes: readonly ProcessId[]): ProcessEntry[] => processes.flatMap(id => findProcess(id) ?? [])
