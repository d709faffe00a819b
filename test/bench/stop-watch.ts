import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from '#shared/clock.ts'
import { findProcess, isStopped, type ProcessId } from '#shared/process/process-table.ts'

/** How often /proc is asked, which is how exact these times are. */
export const lookMs = 2

/**
 * Resolves when the kernel says that the process is stopped, or is not, with the moment at which it was seen: milliseconds of the monotonic clock, which
 * everybody on the machine shares. It asks nobody who is being measured. Rejects when the process has ended, and with the signal's reason.
 */
export async function seenStopped(id: ProcessId, wanted: boolean, signal: AbortSignal): Promise<number> {
  for (;;) {
    const entry = findProcess(id)
    if (!entry) throw new Error(`process ${id.pid} has ended while it was watched`)
    if (isStopped(entry) === wanted) return systemClock.monotonicMs()
    await delay(lookMs, undefined, { signal })
  }
}
