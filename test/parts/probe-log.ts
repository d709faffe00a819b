import { parseFact, type FactData, type FactType, type StoredFact } from '#shared/events.ts'
import { clock, t0 } from './verdict-log-builder.ts'

/** Facts of probers, as they would have written them, for logs that are made by hand. */

export interface Looking {
  probe?: string
  node?: string
  fromMs: number
  toMs: number
  /** What a slot came to; default: all are ok. Undefined: there was no slot. */
  outcomeAt?(atMs: number): 'ok' | 'failed' | 'unconfirmed' | undefined
  everyMs?: number
}

/** Facts of about a second each. */
export function samplesOf({ probe = 'orders', node = 'n1', fromMs, toMs, outcomeAt = () => 'ok', everyMs = 100 }: Looking): FactData<'probe.samples'>[] {
  const slots: [number, number, 'ok' | 'failed' | 'unconfirmed'][] = []
  for (let atMs = fromMs; atMs <= toMs; atMs += everyMs) {
    const outcome = outcomeAt(atMs)
    if (outcome) slots.push([atMs, outcome === 'ok' ? 4 : 1_000, outcome])
  }
  return Array.from({ length: Math.ceil(slots.length / 10) }, (_, index) => ({ node, probe, slots: slots.slice(10 * index, 10 * index + 10), errors: {}, clock }))
}

export const ledgerOf = (changes: Partial<FactData<'probe.ledger'>> = {}): FactData<'probe.ledger'> => ({
  node: 'n1', probe: 'orders', attempted: 100, acknowledged: 90, missing: 0, unread: 0, unconfirmed: 0, unconfirmedMissing: 0, missingIds: [], atMs: t0, clock, ...changes,
})

/** One fact of one prober, `prober` being the instance that wrote it. */
export function proberFact<T extends FactType>(type: T, data: FactData<T>, { prober = 'p1', stream = 1 } = {}): StoredFact {
  const source = `/faultline/prober/${prober}`
  return parseFact({
    specversion: '1.0', id: `${source}/r1/${stream}`, source, type: `dev.faultline.${type}`, subject: 'r1', time: '2026-01-01T00:00:00.000Z',
    datacontenttype: 'application/json', sequence: stream, traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, data,
  }, stream)
}
