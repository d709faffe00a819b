import { z } from 'zod'
import type { PlanNode, PlannedStep } from '#shared/campaign-core.ts'
import type { JsonSchema } from '#shared/experiment-schema.ts'
import { dnsLabel, duration } from '#shared/units.ts'

/**
 * A campaign as an object of Kubernetes: experiments in order, some side by side. It is the part of a campaign file that needs no more than
 * faultline in the cluster: what brings the system under test in, and takes it away, is the command's (`faultline campaign FILE`).
 */
const experimentStep = z.strictObject({
  kind: z.literal('experiment').describe('An Experiment is made of what stands here, and must pass'),
  name: dnsLabel().describe('Names the step, and with the campaign its Experiments; each once'),
  needs: z.array(dnsLabel()).max(50).default([]).describe('Steps before it that must have passed; else it is skipped'),
  always: z.boolean().default(false).describe('Done at its place whatever happened before'),
  onFailure: z.enum(['stop', 'continue']).default('stop').describe('What a step that does not pass means for those after it; stop spares those that are always done'),
  timeout: duration({ minMs: 1_000 }).default(1_800_000).describe('The step is cancelled after this time: its Experiment is deleted, which reverts its faults'),
  repeat: z.int().min(1).max(100).default(1).describe('How often it must pass, one run after another'),
  experiment: z.record(z.string(), z.unknown()).describe('The keys of an Experiment, from description to hold, without apiVersion, kind and metadata'),
})
export type ExperimentStep = z.output<typeof experimentStep>

const parallel = z.strictObject({
  kind: z.literal('parallel').describe('Several lists of steps, side by side'),
  branches: z.array(z.array(experimentStep).min(1).max(50)).min(2).max(10).describe('Each a list of steps, done in order; what follows waits for all of them'),
})

const document = z.strictObject({
  apiVersion: z.literal('faultline.dev/v1alpha1').describe('Version of this format'),
  kind: z.literal('Campaign').describe('What this object is'),
  metadata: z.strictObject({ name: dnsLabel().max(40).describe('Names the campaign, and its Experiments') }).describe('What the campaign is called'),
  description: z.string().max(2_000).optional().describe('What the campaign is to find out'),
  steps: z.array(z.discriminatedUnion('kind', [parallel, experimentStep])).min(1).max(100).describe('What is done, in order'),
})

/** The whole format. */
export const campaignObjectSchema = document.superRefine(({ steps }, context) => {
  const seen = new Map<string, string>()
  for (const [index, item] of steps.entries()) {
    const branches = 'branches' in item ? item.branches : [[item]]
    for (const [number, branch] of branches.entries()) {
      for (const [place, { name, needs, always }] of branch.entries()) {
        const path = 'branches' in item ? ['steps', index, 'branches', number, place] : ['steps', index]
        const here = `${index}.${number}`
        if (seen.has(name)) context.addIssue({ code: 'custom', path: [...path, 'name'], message: `a name of its own; another step is called ${name} too` })
        for (const [at, need] of needs.entries()) {
          const its = seen.get(need)
          if (its === undefined || (its !== here && its.startsWith(`${index}.`))) context.addIssue({ code: 'custom', path: [...path, 'needs', at], message: 'the name of a step before it, and not of one beside it' })
        }
        if (always && needs.length > 0) context.addIssue({ code: 'custom', path: [...path, 'always'], message: 'either always or needs; a step that is always done waits for nobody\'s success' })
        seen.set(name, here)
      }
    }
  }
})
export type CampaignDocument = z.output<typeof document>

export const campaignObjectJsonSchema: JsonSchema = z.toJSONSchema(campaignObjectSchema, { io: 'input' })

const plannedOf = ({ name, needs, always, onFailure, timeout }: ExperimentStep): PlannedStep => ({ name, needs, always, onFailure, timeoutMs: timeout })

/** In which order its steps are done, and each by its name. Pure. */
export function planOf({ steps }: CampaignDocument): { plan: PlanNode[]; steps: ReadonlyMap<string, ExperimentStep> } {
  const plan = steps.map((item): PlanNode => 'branches' in item ? { branches: item.branches.map(branch => branch.map(plannedOf)) } : { step: plannedOf(item) })
  const written = steps.flatMap(item => 'branches' in item ? item.branches.flat() : [item])
  return { plan, steps: new Map(written.map(step => [step.name, step])) }
}
