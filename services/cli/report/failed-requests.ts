import { z } from 'zod'
import type { StoredFact } from '#shared/events.ts'
import { oneLine } from '../live/cells.ts'

/** Requests of the load that failed alike, as Locust names and counts them. */
export interface FailedRequests { request: string; error: string; count: number }

/** Its web API, `errors` of `/stats/requests`. */
const failed = z.object({ method: z.string(), name: z.string(), error: z.string(), occurrences: z.number() })
const statistics = z.object({ errors: z.array(z.unknown()) })

/** What failed of a run's load and how, the most frequent first; nothing where Locust said nothing of it. It tells people where to look, and decides nothing. Pure. */
export function failedRequests(facts: readonly StoredFact[]): FailedRequests[] {
  const [stats] = facts.flatMap(stored => stored.kind === 'load.stats' ? [stored.fact.data.stats] : []).toReversed()
  const { data } = statistics.safeParse(stats)
  return (data?.errors ?? []).flatMap(row => failed.safeParse(row).data ?? [])
    .map(({ method, name, error, occurrences }) => ({ request: `${method} ${name}`.trim(), error, count: occurrences }))
    .sort((a, b) => b.count - a.count)
}

/** A report shows as many; locust-stats.json has all of them. */
export const mostFailedShown = 20

/** More are not read at the end of a run; the reports have them. */
const mostOnTerminal = 3

/** For the end of a run that has not passed: what its gates counted as bad, told by name. No line when nothing failed. Pure. */
export function printFailedRequests(facts: readonly StoredFact[]): string {
  const rows = failedRequests(facts)
  const lines = rows.slice(0, mostOnTerminal).map(({ request, error, count }) => `failed requests: ${count} x ${oneLine(request)}: ${oneLine(error)}\n`)
  return `${lines.join('')}${rows.length > mostOnTerminal ? `failed requests: ${rows.length - mostOnTerminal} more kinds, in the report\n` : ''}`
}
