import { z } from 'zod'
import type { FactData } from '#shared/events.ts'

const count = z.int().nonnegative()
/** A Locust process makes some thousand requests a second; each is put into a histogram by itself (metrics.ts), so a million is work enough. */
const mostRequests = 1_000_000
/** Whole milliseconds, and how many requests had each. A process has some thousand different ones at most. */
const counts = z.record(z.string().regex(/^\d{1,9}$/), z.int().positive())
  .refine(given => Object.values(given).reduce((sum, howMany) => sum + howMany, 0) <= mostRequests, `at most ${mostRequests} requests in one sample`)

/** What a Locust process posts every 200 ms: `POST /samples`, version 1 (k8s/locust/README.md says what each field means). */
export const loadSampleSchema = z.strictObject({
  version: z.literal(1),
  worker: z.string().min(1).max(300),
  index: count,
  bootId: z.string().min(1).max(100).nullable(),
  startMs: count,
  endMs: count,
  users: count,
  ok: counts,
  failed: counts,
  unanswered: counts.optional(),
  inFlight: counts,
  inFlightTotal: count,
  lateMs: z.number().nonnegative(),
  dropped: count,
}).refine(({ startMs, endMs }) => startMs <= endMs, 'a sample that ends no earlier than it starts')
  .refine(({ failed, unanswered = {} }) => Object.entries(unanswered).every(([ms, howMany]) => howMany <= (failed[ms] ?? 0)), 'unanswered requests that are among the failed ones')
export type LoadSample = z.output<typeof loadSampleSchema>

/** The fact it becomes. Who does not know its boot has a clock of its own: its dates are compared with nobody's. */
export function sampleFact({ version: _, bootId, ...sample }: LoadSample): FactData<'load.sample'> {
  return { ...sample, clock: bootId ?? `of ${sample.worker}` }
}
