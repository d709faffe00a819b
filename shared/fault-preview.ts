import { z } from 'zod'
import { plannedTargetSchema } from '#shared/commands.ts'

/** Why a fault would not be injected; `target`: the one that it is about, null: the fault as a whole. */
const refusalSchema = z.strictObject({ target: z.string().nullable(), why: z.string(), certain: z.boolean().describe('in every run, or only in one whose name picks this target') })

/** What the agents would do for one fault of an experiment, if it were due now: the scheduler's answer to `POST /api/v1/plan`. */
export const faultPreviewSchema = z.strictObject({
  fault: z.string(),
  takes: z.int().nonnegative().describe('how many of the candidates a run takes, by its name'),
  candidates: z.array(plannedTargetSchema.extend({ agent: z.string().describe('who would act on it') })),
  peers: z.array(z.string()).describe('addresses of the other side, for a fault that has one'),
  refusals: z.array(refusalSchema),
})
export type FaultPreview = z.output<typeof faultPreviewSchema>
