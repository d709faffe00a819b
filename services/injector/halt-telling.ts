import type { Bus } from '#shared/bus.ts'
import type { Clock } from '#shared/clock.ts'
import type { FindHalt } from '#shared/halt-file.ts'
import { sight, type HaltSighting } from '#shared/halt-sightings.ts'

export interface HaltTellingOptions { bus: Bus; clock: Clock; node: string; findHalt: FindHalt }

/** Less than a person notices; each look costs an idle agent a share of its processor time. */
const lookEveryMs = 250
const tellEveryMs = 1_000

/**
 * Tells the scheduler of the halts that the agent finds: a file on its node asks nobody, and no scheduler sees it. Told again each second, also when it is gone
 * again: whatever was on its way may be lost, and NATS may have been away all the time. What an agent obeys does not hang on this (service.ts).
 */
export function tellHalts({ bus, clock, node, findHalt }: HaltTellingOptions): { stop(): void } {
  let seen: readonly HaltSighting[] = []
  let toldMs = -Infinity
  const look = () => {
    const before = seen
    seen = sight(seen, findHalt(), clock.nowMs())
    const nowMs = clock.monotonicMs()
    if (seen === before && nowMs < toldMs + tellEveryMs) return
    toldMs = nowMs
    bus.signal('halted', node, { node, halts: [...seen], sentAtMs: clock.nowMs() })
  }
  look()
  const looking = setInterval(look, lookEveryMs)
  return { stop: () => clearInterval(looking) }
}
