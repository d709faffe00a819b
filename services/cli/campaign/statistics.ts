import { z } from 'zod'
import { percent } from '#shared/gate-share.ts'
import type { RecordedRun } from './findings.ts'
import type { Bar } from './step.ts'

/** What is read of Locust's `/stats/requests`; it gives more. */
const statsSchema = z.looseObject({ stats: z.array(z.looseObject({ name: z.string(), num_requests: z.number(), num_failures: z.number() })) })

/** Locust's own statistics of a run, as they came; undefined: none did. Pure. */
export function locustStatsOf(run: RecordedRun | undefined): Record<string, unknown> | undefined {
  return run?.facts.flatMap(stored => stored.kind === 'load.stats' ? [stored.fact.data.stats] : []).at(-1)
}

/** Whether Locust's own count agrees with that of the stream. Pure. */
export function statisticsBar(run: RecordedRun | undefined, within: number): Bar {
  const bar = { name: 'Locust\'s own count of requests', required: `within ${percent(within)} of the exact one` }
  const parsed = statsSchema.safeParse(locustStatsOf(run))
  const sum = parsed.data?.stats.find(({ name }) => name === 'Aggregated')
  const counted = run?.judgement.load?.requests ?? 0
  if (!sum || counted === 0) return { ...bar, measured: `not measured: ${sum ? 'no request was counted' : 'Locust gave no statistics'}`, met: false }
  const share = Math.abs(sum.num_requests - counted) / counted
  return { ...bar, measured: `${sum.num_requests.toLocaleString('en-US')} against ${counted.toLocaleString('en-US')}, ${percent(share)} apart`, met: share <= within }
}
