import type { Bus } from '#shared/bus.ts'
import type { Clock } from '#shared/clock.ts'
import type { FindHalt } from '#shared/halt-file.ts'
import { sight, type HaltSighting } from '#shared/halt-sightings.ts'

export interface HaltTellingOptions { bus: Bus; clock: Clock; node: string; findHalt: FindHalt }

const tellEveryMs = 1_000

/**
 * Looks as `findHalt` does, and tells the scheduler of what is found: a file on its node asks nobody, and no scheduler sees it. Told when it is another, and again
 * a second after the last time at the first look from then on, also when it is gone again: whatever was on its way may be lost, and NATS may have been away all the
 * time. What an agent obeys does not hang on this (service.ts).
 */
export function tellingOfHalts({ bus, clock, node, findHalt }: HaltTellingOptions): FindHalt {
  let seen: readonly HaltSighting[] = []
  let toldMs = -Infinity
  return () => {
    const found = findHalt()
    const before = seen
    seen = sight(seen, found, clock.nowMs())
    const nowMs = clock.monotonicMs()
    if (seen !== before || nowMs >= toldMs + tellEveryMs) {
      toldMs = nowMs
      bus.signal('halted', node, { node, halts: [...seen], sentAtMs: clock.nowMs() })
    }
    return found
  }
}
