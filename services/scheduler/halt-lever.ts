import type { Logger } from 'pino'
import { Gauge, type Registry } from 'prom-client'
import type { FactWriter } from '#shared/bus.ts'
import type { Clock } from '#shared/clock.ts'
import { messageOf } from '#shared/errors.ts'
import type { FactData, StoredFact } from '#shared/events.ts'
import type { FindHalt } from '#shared/halt-file.ts'
import { foldHalt, haltSubject, inForce, notHalted, toldAgain, type Halt } from './halt.ts'

export interface LeverOptions {
  writer: FactWriter
  clock: Clock
  log: Logger
  metrics: Registry
  /** What stops everything beside the facts. */
  findHalt: FindHalt
  leads(): boolean
  /** By a fact, history included. */
  onTurned(): void
  /** When no fact will be folded any more. */
  following: Promise<void>
}

export type Turn = { type: 'halt.set'; data: FactData<'halt.set'> } | { type: 'halt.released'; data: FactData<'halt.released'> }

/** The lever that stops everything, as this scheduler knows it: the rule of halt.ts, and its effects. */
export interface HaltLever {
  inForce(): Halt
  take(stored: StoredFact): void
  /** Stores the fact, and waits until it is folded here too. */
  pull(turn: Turn): Promise<Halt>
  /** At each tick: the leader has it told anew when that is due. */
  keep(): void
}

export function holdLever({ writer, clock, log, metrics, findHalt, leads, onTurned, following }: LeverOptions): HaltLever {
  const leverTurns: (() => void)[] = []
  let halt = notHalted
  let isTelling = false
  const haltInForce = () => inForce(halt, findHalt())
  new Gauge({ name: 'faultline_halted', help: '1 while everything is stopped by `faultline halt`', registers: [metrics], collect() { this.set(haltInForce().halted ? 1 : 0) } })

  function turnLever(now: Halt): void {
    halt = now
    onTurned()
    for (const tell of leverTurns.splice(0)) tell()
  }

  return {
    inForce: haltInForce,
    take: stored => turnLever(foldHalt(halt, stored)),
    async pull(turn) {
      const turned = new Promise<void>(resolve => { leverTurns.push(resolve) })
      await writer.write(haltSubject, turn.type, turn.data)
      await Promise.race([turned, following])
      return haltInForce()
    },
    keep() {
      const data = leads() && toldAgain(halt, clock.nowMs())
      if (!data || isTelling) return
      isTelling = true
      writer.write(haltSubject, 'halt.set', data)
        .catch((error: unknown) => log.error({ why: messageOf(error) }, 'the halt could not be told anew; tried again'))
        .finally(() => setTimeout(() => { isTelling = false }, 1_000).unref())
    },
  }
}
