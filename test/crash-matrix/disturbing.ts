/** What is done to processes of the rig, and how it was seen that it was really done: what was not seen has not happened. */
import { rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isStopped, readProcess } from '#shared/process/process-table.ts'
import { until } from '../parts/until.ts'
import { leaseMs } from './plans.ts'
import type { Rig } from './rig.ts'
import { clockJumpsMs, type Disturbance, type ProcessName } from './table.ts'

/** Longer than any lease that was renewed just before, and the second that is promised. */
export const awayMs = leaseMs + 1_300
const supervisorMs = 1_000
const slowMs = { forMs: 5_000, stoppedMs: 150, runningMs: 50 } as const
const endsWithinMs = 20_000

export interface Fired {
  /** When it began: milliseconds of the monotonic clock. */
  atMs: number
  /** When everybody was there again. */
  overMs: number
  /** How it was seen. */
  seen: string
  /** Killed, and not started anew. */
  gone: readonly ProcessName[]
}

/** Resolves when it is over, and everybody who comes back by himself is there. Rejects when it did not come about. */
export async function disturb(rig: Rig, disturbance: Disturbance, names: readonly ProcessName[], onBegun: () => void = () => undefined): Promise<Fired> {
  const atMs = performance.now()
  const fired = (seen: string, gone: readonly ProcessName[] = []): Fired => ({ atMs, overMs: performance.now(), seen, gone })
  const pids = () => names.map(rig.pidOf)
  const signal = (which: NodeJS.Signals) => { for (const pid of pids()) process.kill(pid, which) }
  const areStopped = () => pids().every(pid => { const entry = readProcess(pid); return entry !== undefined && isStopped(entry) })
  const ended = async () => {
    const late = AbortSignal.timeout(endsWithinMs)
    const never = new Promise<never>((_, reject) => { late.addEventListener('abort', () => reject(new Error(`${names.join(', ')} did not end within ${endsWithinMs} ms`))) })
    return (await Promise.race([Promise.all(names.map(async name => `${name} ${await rig.endOf(name)}`)), never])).join(', ')
  }
  const startAll = () => Promise.all(names.map(name => rig.start(name)))

  switch (disturbance) {
    case 'kill': case 'kill-for-good': {
      signal('SIGKILL')
      onBegun()
      const seen = await ended()
      if (disturbance === 'kill-for-good') return fired(seen, names)
      await delay(supervisorMs)
      await startAll()
      return fired(seen)
    }
    case 'restart': {
      signal('SIGTERM')
      onBegun()
      const seen = await ended()
      await startAll()
      return fired(seen)
    }
    case 'stop': {
      signal('SIGSTOP')
      onBegun()
      await until('the kernel has stopped them', areStopped, 1_000)
      await delay(awayMs)
      if (!areStopped()) throw new Error(`somebody continued ${names.join(', ')} meanwhile`)
      signal('SIGCONT')
      return fired(`state T in /proc for ${awayMs} ms: ${names.join(', ')}`)
    }
    case 'slowness': {
      let stops = 0
      onBegun()
      for (const endMs = atMs + slowMs.forMs; performance.now() < endMs; await delay(slowMs.runningMs)) {
        signal('SIGSTOP')
        await delay(slowMs.stoppedMs)
        if (areStopped()) stops += 1
        signal('SIGCONT')
      }
      if (stops < 10) throw new Error(`only ${stops} stops were seen`)
      return fired(`stopped ${stops} times, each for ${slowMs.stoppedMs} ms: ${names.join(', ')}`)
    }
    case 'partition': {
      const wires = [...new Set(names.flatMap(rig.wiresOf))]
      for (const wire of wires) wire.cut()
      onBegun()
      await delay(awayMs)
      const bytes = wires.reduce((sum, wire) => sum + wire.mend(), 0)
      if (bytes === 0) throw new Error(`nothing was on its way between NATS and ${names.join(', ')}`)
      return fired(`${bytes} bytes were held back for ${awayMs} ms`)
    }
    case 'clock-ahead': case 'clock-behind': {
      const seen = await rig.jumpClock(clockJumpsMs[disturbance] ?? 0)
      onBegun()
      return fired(seen)
    }
    case 'disk-full': {
      const disks = names.flatMap(name => rig.diskOf(name) ?? [])
      for (const disk of disks) fill(disk)
      onBegun()
      let refills = 0
      for (const endMs = performance.now() + awayMs; performance.now() < endMs; await delay(refillEveryMs)) {
        for (const disk of disks.filter(each => freeBytes(each) > 0)) { // it has removed something of its own, such as the journal entry of a fault that is over
          fill(disk)
          refills += 1
        }
      }
      for (const disk of disks) rmSync(fillerOf(disk))
      for (const name of names.filter(other => other.startsWith('nats-'))) await restartServer(rig, name)
      return fired(`the disk of ${names.join(', ')} was full for ${awayMs} ms${refills > 0 ? `, and filled again ${refills} times when something was removed` : ''}`)
    }
  }
}

const refillEveryMs = 20
const fillerOf = (disk: string) => join(disk, 'filler')
const freeBytes = (disk: string): number => { const { bavail, bsize } = statfsSync(disk); return bavail * bsize }

/** Until a write is refused with ENOSPC. */
function fill(disk: string): void {
  for (const bytes of [1_048_576, 4_096]) {
    const block = Buffer.alloc(bytes)
    try {
      for (;;) writeFileSync(fillerOf(disk), block, { flag: 'a' })
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
    }
  }
}

/** A server gives up JetStream when its disk is full, until it is started anew: its operator's work. */
async function restartServer(rig: Rig, name: ProcessName): Promise<void> {
  try {
    process.kill(rig.pidOf(name), 'SIGTERM')
  } catch {
    // it has ended by itself
  }
  await rig.endOf(name)
  await rig.start(name)
}
