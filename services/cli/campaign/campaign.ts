import { z } from 'zod'
import type { DocumentFormat } from '#shared/document-file.ts'
import type { JsonSchema } from '#shared/experiment-schema.ts'
import { load } from '#shared/registry.ts'
import { dnsLabel } from '#shared/units.ts'
import type { PlanNode } from '#shared/campaign-core.ts'
import type { BoundStep, StepKind, WrittenStep } from './step.ts'

/** A campaign: steps in order, some side by side, which together answer whether a release may go out. */
export interface Campaign {
  name: string
  description: string | undefined
  /** Where nobody asks for another. */
  profile: string
  profiles: string[]
  /** Undefined: there is no such profile. */
  withProfile(profile: string): ProfiledCampaign | undefined
}

/** The campaign as one profile has it. */
export interface ProfiledCampaign {
  plan: PlanNode[]
  steps: ReadonlyMap<string, { kind: string; bound: BoundStep }>
}

export const stepKinds = await load<StepKind>('steps', import.meta.url)

const stepItems = [...stepKinds.values()].map(({ item }) => item)
/** Has no file in `steps/`, for it does nothing itself. */
export const parallelSteps = {
  kind: 'parallel' as const,
  summary: 'Several lists of steps, side by side',
  documentation: `
What looks at the load while the load is there is a step beside it. The branches begin together, and what follows begins when all of them are over. A step may
need one of its own branch, or one before all branches, and not one of a branch beside it. It has no other key: its steps have theirs, and none of them is
parallel again.`,
  parameters: z.strictObject({
    branches: z.array(z.array(z.discriminatedUnion('kind', stepItems as StepItems)).min(1).max(50)).min(2).max(10).describe('Each a list of steps, done in order; what follows waits for all of them'),
  }),
}
const parallel = z.strictObject({ kind: z.literal(parallelSteps.kind).describe(parallelSteps.summary), ...parallelSteps.parameters.shape })
type StepItems = [typeof stepItems[number], ...typeof stepItems]
type Item = WrittenStep | z.output<typeof parallel>

const document = z.strictObject({
  apiVersion: z.literal('faultline.dev/v1alpha1').describe('Version of this file format'),
  kind: z.literal('Campaign').describe('What this document is'),
  metadata: z.strictObject({
    name: dnsLabel().describe('Names the campaign in its results folder: lower-case letters, digits and dashes'),
  }).describe('What the campaign is called'),
  description: z.string().max(2_000).optional().describe('What the campaign is to find out'),
  profile: dnsLabel().default('default').describe('The profile where nobody asks for another'),
  profiles: z.record(dnsLabel(), z.record(dnsLabel(), z.record(z.string(), z.unknown()))).default({ default: {} })
    .describe('By name of the profile, then of a step: the parameters that the profile has otherwise'),
  steps: z.array(z.discriminatedUnion('kind', [parallel, ...stepItems])).min(1).max(100).describe('What is done, in order'),
})
type Document = z.output<typeof document>

/** The whole file format. Parsing gives a `Campaign`; the issues of a failed parse carry the path of each problem. */
const campaignSchema = document.superRefine(checkTogether).transform(resolve)

/** The campaign file as JSON Schema (2020-12), for editors. */
export const campaignJsonSchema: JsonSchema = {
  $id: 'https://faultline.dev/schemas/campaign-v1alpha1.json',
  title: 'faultline campaign',
  ...z.toJSONSchema(campaignSchema, { io: 'input' }),
}

export const campaignFormat: DocumentFormat<Campaign> = {
  article: 'a campaign', noun: 'campaign', schema: campaignSchema, jsonSchema: campaignJsonSchema, nameOf: ({ name }) => name,
}

interface PlacedStep { step: WrittenStep; path: (string | number)[]; branch: string }

function placed(items: readonly Item[]): PlacedStep[] {
  return items.flatMap((item, index): PlacedStep[] => {
    if (!('branches' in item)) return [{ step: item, path: ['steps', index], branch: '' }]
    return item.branches.flatMap((branch, number) => branch.map((step, place) => ({ step, path: ['steps', index, 'branches', number, place], branch: `${index}.${number}` })))
  })
}

/** What one key alone cannot tell, each reported at the key to change. */
function checkTogether(campaign: Document, context: z.core.$RefinementCtx<Document>): void {
  const problem = (path: (string | number)[], message: string) => context.addIssue({ code: 'custom', path, message })
  const all = placed(campaign.steps)
  const names = new Map(all.map(({ step }) => [step.name, step]))
  const before = new Map<string, string>()
  for (const { step, path, branch } of all) {
    if (before.has(step.name)) problem([...path, 'name'], `a name of its own; another step is called ${step.name} too`)
    for (const [index, need] of step.needs.entries()) {
      const its = before.get(need)
      const isBeside = its !== undefined && its !== branch && its.split('.')[0] === branch.split('.')[0] && its !== ''
      if (its === undefined || isBeside) problem([...path, 'needs', index], `the name of a step before it${isBeside ? ', and not of one beside it' : ''}`)
    }
    if (step.always && step.needs.length > 0) problem([...path, 'always'], 'either always or needs; a step that is always done waits for nobody\'s success')
    for (const other of step.bound.refersTo) if (!names.has(other)) problem(path, `steps that are there; it looks at ${other}, and there is none`)
    before.set(step.name, branch)
  }
  if (!Object.hasOwn(campaign.profiles, campaign.profile)) problem(['profile'], `one of the profiles: ${Object.keys(campaign.profiles).join(', ')}`)
  for (const [profile, changes] of Object.entries(campaign.profiles)) {
    for (const [name, change] of Object.entries(changes)) {
      const path = ['profiles', profile, name]
      const step = names.get(name)
      const changed = step?.bound.withProfile(change)
      if (!changed) problem(path, `the name of a step; there is no step ${name}`)
      else if ('issues' in changed) for (const issue of changed.issues) problem([...path, ...issue.path.filter(part => typeof part !== 'symbol')], issue.message)
    }
  }
}

function resolve({ metadata, description, profile, profiles, steps }: Document): Campaign {
  return {
    name: metadata.name, description, profile, profiles: Object.keys(profiles),
    withProfile: chosen => Object.hasOwn(profiles, chosen) ? profiled(steps, profiles[chosen] ?? {}) : undefined,
  }
}

function profiled(items: readonly Item[], changes: Readonly<Record<string, unknown>>): ProfiledCampaign {
  const boundOf = ({ name, bound }: WrittenStep): BoundStep => {
    const changed = Object.hasOwn(changes, name) ? bound.withProfile(changes[name]) : { bound }
    return 'bound' in changed ? changed.bound : bound // checked before
  }
  const steps = new Map(placed(items).map(({ step }) => [step.name, { kind: step.kind, bound: boundOf(step) }]))
  const plan = ({ name, needs, always, onFailure }: WrittenStep) => ({ name, needs, always, onFailure, timeoutMs: steps.get(name)?.bound.timeoutMs ?? 0 })
  return { steps, plan: items.map((item): PlanNode => 'branches' in item ? { branches: item.branches.map(branch => branch.map(plan)) } : { step: plan(item) }) }
}
