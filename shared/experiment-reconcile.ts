import { z } from 'zod'
import type { CounterRule, GateRule, GateSource, RequestRule } from '#shared/gate.ts'
import { dnsLabel, printDuration, ratio } from '#shared/units.ts'

/** The part of the experiment format that is about one SLI seen from two sides. What the words mean is in docs/gates.md. */

/** With more, two sides that have little to do with each other would agree. */
const mostTolerance = 0.2

export const reconcileKey = z.strictObject({
  with: dnsLabel().describe('The gate with a limit that reads the same SLI from counters of the service'),
  tolerance: ratio().refine(value => value <= mostTolerance, `a ratio of at most ${mostTolerance * 100}%: with more, any two sides would agree`).default(0.01)
    .describe('Share of the requests that the two sides may differ by, beyond what scrapes explain; of bad ones at most half of what the stricter limit allows'),
}).describe('With a limit on the load stream: the gate that sees the same requests from the service\'s side. Where the two do not agree, the run does not pass')

export type ReconcileSpec = z.output<typeof reconcileKey>

/** A gate, as far as it matters to another one that names it. */
export interface Side {
  name: string
  limit?: 'rate' | 'budget' | undefined
  source: GateSource
  rule: Pick<GateRule, 'requests' | 'counters'>
}

/** Rules between the gate that says `reconcile` and the one that it names. */
export function checkReconcile({ with: named }: ReconcileSpec, { limit, source, rule }: Side, gates: readonly Side[], problem: (path: string[], message: string) => void): void {
  if (limit === undefined) return problem(['reconcile'], 'no such key without limit: rate or limit: budget')
  if (source !== 'stream' || !rule.requests) return problem(['reconcile'], 'no such key here; it stands at a gate on the load stream, and names the one on counters of the service')
  const counting = gates.flatMap(gate => gate.limit !== undefined && gate.source === 'prometheus' && gate.rule.counters ? [{ name: gate.name, counters: gate.rule.counters }] : [])
  const other = counting.find(({ name }) => name === named)
  if (!other) return problem(['reconcile', 'with'], `the name of a gate with a limit on counters of the service${counting.length === 0 ? '; the experiment has none' : `: ${counting.map(({ name }) => name).join(', ')}`}`)
  const different = whyDifferent(rule.requests, other.counters)
  if (different !== undefined) problem(['reconcile', 'with'], different)
}

/** Two numbers can only be held against each other if they count the same thing. */
function whyDifferent({ failedIsBad, overdueAfterMs }: RequestRule, counters: CounterRule): string | undefined {
  if (failedIsBad) return counters.is === 'pair' ? undefined : 'the name of an errorRate or an availability; this gate counts requests that fail, and a latency counts slow ones'
  const same = counters.is === 'histogram' && counters.maxMs === overdueAfterMs
  return same ? undefined : `the name of a latency with max: ${printDuration(overdueAfterMs)}, which is what this gate counts as slow`
}
