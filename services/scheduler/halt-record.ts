import type { Logger } from 'pino'
import type { Bus } from '#shared/bus.ts'
import type { Clock } from '#shared/clock.ts'
import { messageOf } from '#shared/errors.ts'
import type { FactData } from '#shared/events.ts'
import type { FindHalt } from '#shared/halt-file.ts'
import { sight, type HaltSighting } from '#shared/halt-sightings.ts'
import { auditSubject } from './audit-log.ts'
import { RequestRate } from './request-rate.ts'

export type HaltEntry = FactData<'audit.halt'>

/** More than all agents of a large cluster see at once. Each tells no more than its last ones (halt-sightings.ts), so that what is forgotten is not told again. */
const mostRemembered = 10_000

/** What the audit log has of halts by a file or a ConfigMap: the last word of each, by who has seen it. No I/O, and no clock of its own. */
export class HaltsOnRecord {
  readonly #entries = new Map<string, HaltEntry>()

  /** In any order and any number of times: the last by its date counts. */
  take(entry: HaltEntry): void {
    const key = keyOf(entry)
    const known = this.#entries.get(key)
    if (known && isNoEarlier(known, entry)) return
    this.#entries.set(key, entry)
    const [oldest] = this.#entries.keys()
    if (this.#entries.size > mostRemembered && oldest !== undefined) this.#entries.delete(oldest)
  }

  /** The entries that the log lacks of what one of them tells. What it does not tell, and is on record as there, is gone by now: it was started anew meanwhile. */
  lacks(seenBy: string, seen: readonly HaltSighting[], nowMs: number): HaltEntry[] {
    const told = new Set(seen.map(({ where, sinceMs }) => keyOf({ seenBy, where, sinceMs })))
    const vanished = [...this.#entries].flatMap(([key, entry]): HaltEntry[] => entry.seenBy === seenBy && entry.is === 'found' && !told.has(key) ? [{ ...entry, is: 'gone', atMs: Math.max(nowMs, entry.atMs) }] : []) // an agent's clock may be ahead
    return [...vanished, ...seen.flatMap(({ where, why, sinceMs, foundAtMs, goneAtMs }): HaltEntry[] => {
      const known = this.#entries.get(keyOf({ seenBy, where, sinceMs }))
      const common = { where, seenBy, why, sinceMs }
      const found: HaltEntry = { ...common, is: 'found', atMs: foundAtMs }
      const gone: HaltEntry[] = goneAtMs === undefined ? [] : [{ ...common, is: 'gone', atMs: goneAtMs }]
      // one that is there on record is known, whenever who looks was started; one that is gone may have been put back as it was
      return [...known?.is === 'found' ? [] : [found], ...gone].filter(entry => !known || !isNoEarlier(known, entry))
    })]
  }
}

/** What is found in the moment in which it goes is gone. */
const isNoEarlier = (known: HaltEntry, entry: HaltEntry): boolean => known.atMs > entry.atMs || (known.atMs === entry.atMs && (known.is === 'gone' || entry.is === 'found'))

const keyOf = ({ seenBy, where, sinceMs }: Pick<HaltEntry, 'seenBy' | 'where' | 'sinceMs'>) => JSON.stringify([seenBy, where, sinceMs])

export interface HaltRecordOptions { bus: Bus; clock: Clock; log: Logger; leads: () => boolean; findHalt: FindHalt }

/** As whom a scheduler sees it: whichever leads. No node is called so. */
const schedulers = 'the scheduler'
const tickMs = 250
/** What agents say is signed by nobody: one that was taken over must not fill the audit log. Far more than operators halt. */
const agentsRate = { burst: 5_000, everyMs: 5_000 }

/** What a leader has read of the audit log so far, and goes on reading. */
interface Reading { record: HaltsOnRecord; isWhole: boolean; stop(): Promise<void> }

/**
 * Has halts by a file or a ConfigMap on record in the audit log: they ask no scheduler, so this one looks for itself, and hears from the agents what they have
 * found (injector/halt-telling.ts). What the log lacks is written by whoever leads, and tried again until it is there, however long NATS was away.
 */
export function recordHalts({ bus, clock, log, leads, findHalt }: HaltRecordOptions): { stop(): Promise<void> } {
  const writer = bus.writer('scheduler')
  const rate = new RequestRate(agentsRate)
  const underWay = new Set<string>()
  let own: readonly HaltSighting[] = []
  let reading: Reading | undefined

  /** Undefined while another leads, and until all is read: anew by whoever comes to lead, as the one before has written until then. */
  function recordOfLeader(): HaltsOnRecord | undefined {
    if (!leads()) {
      void reading?.stop()
      reading = undefined
      return undefined
    }
    reading ??= read()
    return reading.isWhole ? reading.record : undefined
  }

  function read(): Reading {
    const facts = bus.follow({ types: ['audit.halt'] })
    const begun: Reading = { record: new HaltsOnRecord(), isWhole: false, stop: () => facts.stop().then(() => following) }
    const following = (async () => {
      for await (const next of facts) {
        if (next.is === 'caught-up') begun.isWhole = true
        if (next.is === 'fact' && next.stored.kind === 'audit.halt') begun.record.take(next.stored.fact.data)
      }
    })().catch((error: unknown) => {
      begun.isWhole = false
      log.error({ why: messageOf(error) }, 'the audit log cannot be followed: halts by a file are not put on record')
    })
    return begun
  }

  function settle(seenBy: string, seen: readonly HaltSighting[]): void {
    const record = recordOfLeader()
    for (const entry of record?.lacks(seenBy, seen, clock.nowMs()) ?? []) {
      const key = `${keyOf(entry)} ${entry.is}`
      if (underWay.has(key) || (seenBy !== schedulers && rate.take('agents', performance.now()) > 0)) continue
      underWay.add(key)
      writer.write(auditSubject, 'audit.halt', entry)
        .then(() => record?.take(entry), (error: unknown) => log.warn({ audit: entry, why: messageOf(error) }, 'the audit log lacks a halt; tried again'))
        .finally(() => underWay.delete(key))
    }
  }

  const telling = bus.onSignal('halted', '*', ({ node, halts }) => { if (node !== schedulers) settle(node, halts) })
  const ticking = setInterval(() => {
    own = sight(own, findHalt(), clock.nowMs())
    settle(schedulers, own)
  }, tickMs)

  return {
    async stop() {
      clearInterval(ticking)
      telling.stop()
      await reading?.stop()
    },
  }
}
