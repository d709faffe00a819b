import type { FactData } from '#shared/events.ts'

/**
 * What one prober knows of one probe in one run: its slots until they are told, and its ledger. No I/O, and no clock of its own.
 *
 *   begin --> (attempt) --> end --> told in the order of the starts, when all before it have ended
 *                            '-- acknowledged: remembered until it is looked for
 */
export class ProbeLog {
  readonly #okForUp: number
  readonly #slots: Slot[] = []
  readonly #errors = new Map<string, number>()
  readonly #acknowledged = new Map<string, number>()
  readonly #unconfirmed: string[] = []
  readonly #refused: string[] = []
  #attempted = 0
  #okInARow = 0
  #state: 'unknown' | 'up' | 'down' = 'unknown'

  constructor({ intervalMs }: { intervalMs: number }) {
    this.#okForUp = Math.max(1, Math.ceil(upAfterMs / intervalMs))
  }

  begin(id: string, atMs: number): void {
    this.#attempted += 1
    this.#slots.push({ id, atMs })
  }

  /** Gives the probe's new state when it has changed. */
  end(id: string, { is, why }: { is: SlotOutcome; why?: string }, tookMs: number): { state: 'up' | 'down'; atMs: number; why?: string } | undefined {
    const slot = this.#slots.find(open => open.id === id && !open.ended)
    if (!slot) return undefined
    slot.ended = { is, tookMs }
    if (is === 'ok') this.#acknowledged.set(id, slot.atMs)
    else if (is === 'unconfirmed') this.#unconfirmed.push(id)
    else this.#refused.push(id) // it may be there all the same, and is to be cleared
    const reason = why ?? is
    if (is !== 'ok') this.#errors.set(reason, (this.#errors.get(reason) ?? 0) + 1)
    this.#okInARow = is === 'ok' ? this.#okInARow + 1 : 0
    if (is !== 'ok' && this.#state !== 'down') {
      this.#state = 'down'
      return { state: 'down', atMs: slot.atMs, why: reason }
    }
    if (this.#okInARow < this.#okForUp || this.#state === 'up') return undefined
    this.#state = 'up'
    return { state: 'up', atMs: slot.atMs }
  }

  get inFlight(): number { return this.#slots.filter(({ ended }) => !ended).length }

  /** The slots that have ended and were not told, up to the first that has not; undefined when there are none. */
  take(): Pick<FactData<'probe.samples'>, 'slots' | 'errors'> | undefined {
    const firstOpen = this.#slots.findIndex(({ ended }) => !ended)
    const done = this.#slots.splice(0, firstOpen === -1 ? this.#slots.length : firstOpen)
    if (done.length === 0) return undefined
    const errors = Object.fromEntries(this.#errors)
    this.#errors.clear()
    return { slots: done.flatMap(({ atMs, ended }): [number, number, SlotOutcome][] => ended ? [[atMs, Math.round(ended.tookMs * 10) / 10, ended.is]] : []), errors }
  }

  /** What is to be looked for after the recovery. */
  get lookedFor(): string[] { return [...this.#acknowledged.keys(), ...this.#unconfirmed] }
  /** Whatever may have been written. */
  get written(): string[] { return [...this.lookedFor, ...this.#refused] }

  /** `found`: those that are there. `unread`: those of which that could not be found out. */
  ledger(found: ReadonlySet<string>, unread: ReadonlySet<string>): Omit<FactData<'probe.ledger'>, 'node' | 'probe' | 'atMs' | 'clock'> {
    const missing = [...this.#acknowledged].filter(([id]) => !found.has(id) && !unread.has(id)).sort(([, a], [, b]) => a - b)
    const [oldest, newest] = [missing[0], missing.at(-1)]
    return {
      attempted: this.#attempted,
      acknowledged: this.#acknowledged.size,
      missing: missing.length,
      unread: [...this.#acknowledged.keys()].filter(id => unread.has(id)).length,
      unconfirmed: this.#unconfirmed.length,
      unconfirmedMissing: this.#unconfirmed.filter(id => !found.has(id) && !unread.has(id)).length,
      ...(oldest && newest && { oldestMissingAtMs: oldest[1], newestMissingAtMs: newest[1] }),
      missingIds: missing.slice(0, 20).map(([id]) => id),
    }
  }
}

type SlotOutcome = FactData<'probe.samples'>['slots'][number][2]
interface Slot { id: string; atMs: number; ended?: { is: SlotOutcome; tookMs: number } }

/** As long as this without a failure, a probe is up. */
const upAfterMs = 1_000

/** When the next slot begins: on the grid from `startMs`. Those that are past were missed, and are not made up for. */
export function nextSlotMs(startMs: number, intervalMs: number, nowMs: number): number {
  return startMs + (Math.floor((nowMs - startMs) / intervalMs) + 1) * intervalMs
}
