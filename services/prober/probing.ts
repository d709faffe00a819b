import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '#shared/clock.ts'
import { mostInFlight } from '#shared/experiment-probes.ts'
import type { ProbeSpec } from '#shared/probe.ts'
import { nextSlotMs, ProbeLog } from './core.ts'
import type { ProbeDriver } from './driver.ts'
import { httpDriver } from './http-driver.ts'
import { postgresDriver } from './postgres-driver.ts'
import { redisDriver } from './redis-driver.ts'
import { tcpDriver } from './tcp-driver.ts'

/** One probe of one run: attempts at a steady rate, and what became of what they wrote. */
export interface Probing {
  readonly spec: ProbeSpec
  readonly log: ProbeLog
  /** Begins no attempt any more, and waits for those under way. Repeatable. */
  stop(): Promise<void>
  /** Looks for every acknowledged write, and again until all are known or the signal aborts. */
  verify(signal: AbortSignal): Promise<ReturnType<ProbeLog['ledger']>>
  /** Takes away what was written, as far as that can be done by the signal. */
  clear(signal: AbortSignal): Promise<void>
}

export interface ProbingOptions {
  spec: ProbeSpec
  url: URL
  clock: Clock
  onChange: (change: { state: 'up' | 'down'; atMs: number; why?: string }) => void
}

const chunkSize = 200
const chunkPatienceMs = 10_000
const retryPauseMs = 500

export function startProbing({ spec, url, clock, onChange }: ProbingOptions): Probing {
  const log = new ProbeLog(spec)
  const driver = driverOf(spec, url)
  const underWay = new Set<Promise<void>>()
  const startMs = clock.monotonicMs()
  let timer: NodeJS.Timeout | undefined

  async function attempt(): Promise<void> {
    const id = randomUUID()
    const begunMs = clock.monotonicMs()
    log.begin(id, Math.round(clock.nowMs()))
    const outcome = await driver.attempt(id, AbortSignal.timeout(spec.timeoutMs))
    const change = log.end(id, outcome, clock.monotonicMs() - begunMs)
    if (change) onChange(change)
  }

  function tick(): void {
    if (underWay.size < mostInFlight) {
      const made: Promise<void> = attempt().finally(() => underWay.delete(made))
      underWay.add(made)
    }
    const nowMs = clock.monotonicMs()
    timer = setTimeout(tick, nextSlotMs(startMs, spec.intervalMs, nowMs) - nowMs)
  }
  tick()

  return {
    spec, log,
    async stop() {
      clearTimeout(timer)
      await Promise.all(underWay)
    },
    async verify(signal) {
      const found = new Set<string>()
      const unread = new Set(log.lookedFor)
      await inChunks([...unread], signal, async (ids, within) => {
        for (const id of await driver.find(ids, within)) found.add(id)
        for (const id of ids) unread.delete(id)
      })
      return log.ledger(found, unread)
    },
    async clear(signal) {
      await inChunks(spec.keepsLedger ? log.written : [], signal, (ids, within) => driver.clear(ids, within))
      await driver[Symbol.asyncDispose]()
    },
  }
}

/** Each chunk is tried until it is done, or until the time is over. */
async function inChunks(ids: readonly string[], signal: AbortSignal, work: (ids: string[], signal: AbortSignal) => Promise<void>): Promise<void> {
  for (let from = 0; from < ids.length; from += chunkSize) {
    const chunk = ids.slice(from, from + chunkSize)
    for (;;) {
      if (signal.aborted) return
      try {
        await work(chunk, AbortSignal.any([signal, AbortSignal.timeout(chunkPatienceMs)]))
        break
      } catch {
        await delay(retryPauseMs) // what cannot be read by the end is told as unread
      }
    }
  }
}

function driverOf({ plan, timeoutMs }: ProbeSpec, url: URL): ProbeDriver {
  switch (plan.by) {
    case 'tcp': return tcpDriver(url)
    case 'http': return httpDriver(url, plan)
    case 'postgres': return postgresDriver(url, plan)
    case 'redis': return redisDriver(url, plan, timeoutMs)
  }
}
