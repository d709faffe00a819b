import { readFileSync } from 'node:fs'

/** Time as the services see it. Cores never hold a clock: they are told the time as an argument. */
export interface Clock {
  /** Unix epoch, milliseconds. Dates facts; can jump. */
  nowMs(): number
  /** Milliseconds since an unspecified start, shared by all processes of one boot (CLOCK_MONOTONIC, clock_gettime(2)). Never jumps. */
  monotonicMs(): number
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => Number(process.hrtime.bigint() / 1_000n) / 1_000,
}

/**
 * Names the clock that dated a fact. Two dates may be subtracted only when both bear the same name: the
 * kernel's boot id (random(4), /proc/sys/kernel/random/boot_id), which all processes of one machine share.
 */
export const clockId: string = readBootId()

function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return `process-${process.pid}-${Math.round(Date.now() - process.uptime() * 1000)}` // not Linux: no other process shares this clock
  }
}
