import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { messageOf } from '#shared/errors.ts'
import { findProcess, readProcess, type ProcessId } from '#shared/process/process-table.ts'
import type { Driver } from './driver.ts'
import { FaultRefused } from './fault-refused.ts'

const reverterPath = fileURLToPath(new URL('reverter.ts', import.meta.url))
const armedWithinMs = 5_000
/** Of one that stands by. One that does not answer by then has not read its fault's entry, or nobody knows: it is killed, and another one started. */
const standbyArmedWithinMs = 1_000
/** Heartbeats come every second at least: after so long without one no run is under way. */
const expectedForMs = 2_000

/**
 * The reverters that one agent starts: a process for each fault that lasts, in a session of its own, sheltered before it is told which fault is its own, and
 * armed before the fault begins. Until it is told, the end of its pipe ends it, so that none without a fault outlives the agent.
 *
 *   started --sheltered--> stands by --told its fault--> armed ----> until the fault is over, whatever becomes of the agent
 *      |                       |                           |
 *      '--- pipe ends, stop ---'                           '-- never while the fault is there, or the fault is reverted (onGone)
 *
 * Starting Node.js is most of what a fault would wait for, so one stands by while a run is heard of, and none while the agent is idle.
 */
export interface Reverters {
  /** The entry is in the journal by now. It is there, sheltered, and has read the entry when this resolves. Rejects with FaultRefused. `onGone`: it has ended, which it does with the fault. */
  armReverter(id: string, onGone: () => void): Promise<ProcessId>
  /** A run is under way, so that a fault may come at any time. Said again at each heartbeat. */
  expectFaults(): void
  /** Ends the one that stands by. Those that are armed stay until their faults are over. */
  stop(): void
}

/** `sheltered` rejects with FaultRefused when it could not be. */
interface Started { child: ChildProcessByStdio<Writable, Readable, null>; sheltered: Promise<ProcessId> }

export function newReverters(folder: string, shelter: Driver['shelter']): Reverters {
  let standby: Started | undefined
  let hasFailed = false
  let expecting: NodeJS.Timeout | undefined

  function start(): Started {
    const child = spawn(process.execPath, [reverterPath, folder], { detached: true, stdio: ['pipe', 'pipe', 'ignore'], cwd: '/' })
    child.on('error', () => undefined) // `sheltered` tells
    child.stdin.on('error', () => undefined) // it has ended: its silence tells
    const sheltered = once(child, 'spawn').then(async () => {
      const found = child.pid === undefined ? undefined : readProcess(child.pid)
      if (!found) throw new Error('it ended at once')
      await shelter?.(found)
      return { pid: found.pid, startTicks: found.startTicks }
    })
    sheltered.catch(() => undefined) // awaited where it is needed
    return { child, sheltered }
  }

  /** One that cannot be had is not tried for again at each heartbeat: every fault starts its own then, and says what is wrong. */
  function standBy(): void {
    try {
      const started = start()
      const lost = () => {
        if (standby !== started) return
        hasFailed = true
        forget()
      }
      started.child.once('exit', lost)
      started.sheltered.catch(lost)
      standby = started
    } catch {
      hasFailed = true // no file descriptors left
    }
  }

  function forget(): void {
    standby?.child.kill('SIGKILL') // it has no fault
    standby = undefined
  }

  return {
    async armReverter(id, onGone) {
      const ready = standby
      standby = undefined
      const armed = ready && await arm(ready, id, standbyArmedWithinMs, onGone).catch(() => undefined)
      return armed ?? arm(start(), id, armedWithinMs, onGone)
    },
    expectFaults() {
      clearTimeout(expecting)
      expecting = setTimeout(() => {
        forget()
        hasFailed = false
      }, expectedForMs).unref()
      if (!standby && !hasFailed) standBy()
    },
    stop() {
      clearTimeout(expecting)
      forget()
    },
  }
}

/** Tells one its fault, and waits for the word that it has read the entry. Killed when that does not come; then it rejects with FaultRefused. */
async function arm({ child, sheltered }: Started, id: string, withinMs: number, onGone: () => void): Promise<ProcessId> {
  const firstLine = once(createInterface({ input: child.stdout }), 'line', { signal: AbortSignal.timeout(withinMs) })
  const ended = once(child, 'close').then(() => { throw new Error('it ended at once') })
  firstLine.catch(() => undefined)
  ended.catch(() => undefined) // both are awaited below, unless the shelter fails
  try {
    const found = await sheltered
    child.stdin.end(`${id}\n`)
    const [word] = await Promise.race([firstLine, ended]) as [unknown]
    if (word !== 'armed' || !findProcess(found)) throw new Error(`it said ${String(word)}`)
    child.once('exit', onGone)
    return found
  } catch (cause) {
    child.kill('SIGKILL')
    if (cause instanceof FaultRefused) throw cause
    throw new FaultRefused(`the reverter of ${id} did not come up, so nothing was done: ${messageOf(cause)}; see whether this user can start processes, and whether the machine is too busy to`, { cause })
  } finally {
    child.stdin.destroy()
    child.stdout.destroy()
    child.unref()
  }
}
