import { z } from 'zod'
import type { JsonSchema } from '#shared/experiment-schema.ts'

/**
 * OpenSLO v1 documents as they are written (github.com/OpenSLO/OpenSLO, README.md). Only what has the shape of the specification is read; keys that it
 * does not have are refused, since each may change what an SLO means. What faultline makes of them is in openslo-levels.ts.
 */

const apiVersion = z.literal('openslo/v1')
const metadata = z.looseObject({ name: z.string().min(1).max(255).describe('Names the object among those of its kind') })
const description = z.string().max(1_050).optional()
const shorthand = z.string().regex(/^[1-9]\d*[mhdwMQY]$/, 'a duration such as 5m, 1h, 4w or 1M')

const metric = z.strictObject({
  metricSource: z.strictObject({
    metricSourceRef: z.string().optional().describe('Name of a DataSource'),
    type: z.string().optional().describe('Prometheus'),
    spec: z.record(z.string(), z.unknown()).nullish().describe('query: PromQL'),
  }),
})

const sliSpec = z.strictObject({
  description,
  thresholdMetric: metric.optional(),
  ratioMetric: z.strictObject({
    counter: z.boolean().optional(), good: metric.optional(), bad: metric.optional(), total: metric.optional(),
    rawType: z.enum(['success', 'failure']).optional(), raw: metric.optional(),
  }).optional(),
})

const objective = z.strictObject({
  displayName: z.string().optional(),
  op: z.enum(['lte', 'gte', 'lt', 'gt']).optional(),
  value: z.number().optional(),
  target: z.number().min(0).lt(1).optional(),
  targetPercent: z.number().min(0).lt(100).optional(),
  timeSliceTarget: z.number().gt(0).max(1).optional(),
  timeSliceWindow: z.union([z.number().positive(), shorthand]).optional(),
  indicator: z.unknown().optional(), // these three make an SLO composite
  indicatorRef: z.unknown().optional(),
  compositeWeight: z.unknown().optional(),
})

const slo = z.strictObject({
  apiVersion, kind: z.literal('SLO'), metadata,
  spec: z.strictObject({
    description,
    service: z.string().optional(),
    indicator: z.looseObject({ spec: sliSpec }).optional(),
    indicatorRef: z.string().optional(),
    timeWindow: z.array(z.strictObject({
      duration: shorthand, isRolling: z.boolean().optional(), calendar: z.strictObject({ startTime: z.string(), timeZone: z.string() }).optional(),
    })).min(1).max(1).optional(),
    budgetingMethod: z.enum(['Occurrences', 'Timeslices', 'RatioTimeslices']),
    objectives: z.array(objective).min(1).max(100),
    alertPolicies: z.unknown().optional(),
  }),
})
const sli = z.strictObject({ apiVersion, kind: z.literal('SLI'), metadata, spec: sliSpec })
const dataSource = z.strictObject({ apiVersion, kind: z.literal('DataSource'), metadata, spec: z.looseObject({ type: z.string() }) })

/** Kinds that say nothing of how a service is measured: they are passed over. */
const others = (['Service', 'AlertPolicy', 'AlertCondition', 'AlertNotificationTarget'] as const)
  .map(kind => z.strictObject({ apiVersion, kind: z.literal(kind), metadata, spec: z.unknown() }))

export const openSloDocument = z.discriminatedUnion('kind', [slo, sli, dataSource, ...others])

export type SloDocument = z.output<typeof slo>
export type SliSpec = z.output<typeof sliSpec>
export type Metric = z.output<typeof metric>
export type DataSource = z.output<typeof dataSource>
export type WrittenObjective = z.output<typeof objective>

/** For the words of suggestions. */
export const openSloJsonSchema: JsonSchema = z.toJSONSchema(openSloDocument, { io: 'input' })

const unitMs = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, M: 2_592_000_000, Q: 7_776_000_000, Y: 31_536_000_000 } as const

/** Milliseconds of a time slice; a bare number is minutes. */
export function sliceMs(written: number | string): number {
  if (typeof written === 'number') return Math.round(written * unitMs.m)
  return Number(written.slice(0, -1)) * unitMs[written.slice(-1) as keyof typeof unitMs]
}
