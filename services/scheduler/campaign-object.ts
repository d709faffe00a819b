import { z } from 'zod'
import { emptyCampaign, step, type CampaignState, type StepState, type StepVerdict } from '#shared/campaign-core.ts'
import { campaignObjectSchema, planOf, type CampaignDocument, type ExperimentStep } from '#shared/campaign-object.ts'
import { printDate } from '#shared/units.ts'
import { conditionsOf, problemsIn, type Condition } from './experiment-object.ts'

/**
 * A Campaign as an object of Kubernetes, with no I/O: its Experiments are objects too, which it owns, so that whoever deletes it deletes and aborts
 * them. What it has come to stands in its own status, and a look at both says what is to be made or deleted next. Looked at twice, it says the same.
 */
export interface CampaignObject {
  metadata: { name: string; namespace: string; uid: string; generation: number }
  status?: CampaignStatus | undefined
  document: Record<string, unknown>
}

export interface CampaignStatus {
  observedGeneration: number
  phase: 'Refused' | 'Running' | 'Judged'
  verdict?: StepVerdict
  /** Running steps, or how many are over. */
  progress: string
  reasons: string[]
  startedAt: string
  completedAt?: string
  /** Why nothing but steps that are always done follows. */
  stopped?: string
  steps: StepStatus[]
  conditions: Condition[]
}

export interface StepStatus {
  name: string
  state: StepState['at']
  verdict?: StepVerdict | 'skipped'
  reason?: string
  startedAt?: string
  completedAt?: string
  cancelledAt?: string
  /** Those that were made for it. */
  experiments: string[]
}

/** What is read of an Experiment that a Campaign has made. */
export interface ChildExperiment {
  name: string
  /** Of the Campaign that owns it; another's, or nobody's, is in the way. */
  campaign: { uid: string; generation: number; step: string; repetition: number } | undefined
  isComplete: boolean
  verdict: StepVerdict | undefined
  reasons: readonly string[]
}

export type Deed = { do: 'create'; step: string; repetition: number; name: string; body: object } | { do: 'delete'; name: string }
export interface Outlook { status: CampaignStatus; deeds: Deed[] }

export const campaignLabels = { uid: 'faultline.dev/campaign-uid', generation: 'faultline.dev/campaign-generation', step: 'faultline.dev/campaign-step', repetition: 'faultline.dev/campaign-repetition' } as const

/** One object of the API; undefined for what is no Campaign. */
export function readCampaignObject(raw: unknown): CampaignObject | undefined {
  const parsed = objectSchema.safeParse(raw)
  if (!parsed.success) return undefined
  const { metadata: { name, namespace, uid, generation }, status, ...rest } = parsed.data
  return { metadata: { name, namespace, uid, generation }, status: statusSchema.safeParse(status).data as CampaignStatus | undefined, document: { ...rest, metadata: { name } } }
}

export function readChild(raw: unknown): ChildExperiment | undefined {
  const parsed = childSchema.safeParse(raw)
  if (!parsed.success) return undefined
  const { metadata: { name, labels }, status } = parsed.data
  const uid = labels[campaignLabels.uid]
  return {
    name,
    campaign: uid === undefined ? undefined : { uid, generation: Number(labels[campaignLabels.generation]), step: labels[campaignLabels.step] ?? '', repetition: Number(labels[campaignLabels.repetition]) },
    isComplete: status.conditions.some(({ type, status: is }) => type === 'Complete' && is === 'True'),
    verdict: status.verdict,
    reasons: status.reasons,
  }
}

/**
 * What is to be done now, and what is to be written. `children`: the Experiments of its namespace that bear its uid, and those of the names that it needs,
 * as the API server has them now, not as a watch saw them.
 */
export function outlook(object: CampaignObject, children: readonly ChildExperiment[], nowMs: number): Outlook {
  const { metadata: { uid, generation } } = object
  const previous = object.status?.observedGeneration === generation ? object.status : undefined
  if (previous && previous.phase !== 'Running') return { status: previous, deeds: [] }
  const mine = children.filter(({ campaign }) => campaign?.uid === uid)
  const earlier = mine.filter(({ campaign }) => campaign?.generation !== generation)
  const parsed = campaignObjectSchema.safeParse(object.document)
  const problems = parsed.success ? problemsOfSteps(parsed.data) : problemsIn(object.document, campaignObjectSchema)
  if (!parsed.success || problems.length > 0) return { status: refused(object, problems, nowMs), deeds: earlier.map(({ name }) => ({ do: 'delete', name })) }

  const { plan, steps } = planOf(parsed.data)
  const made = new Map((previous?.steps ?? []).map(({ name, experiments }) => [name, [...experiments]]))
  let state = previous ? restored(plan, previous) : emptyCampaign(plan)
  const deeds: Deed[] = earlier.map(({ name }) => ({ do: 'delete', name }))
  if (deeds.length === 0) {
    state = step(state, { is: previous ? 'tick' : 'begin' }, nowMs).state
    const actedOn = new Set<string>() // what comes of that, the next look shows
    for (let before: CampaignState | undefined; before !== state;) { // the end of one step begins others
      before = state
      for (const [name, written] of steps) {
        const found = state.steps[name]
        if (found?.at !== 'running' || actedOn.has(name)) continue
        const seen = look(object, written, found.cancelled !== undefined, { children, made: made.get(name) ?? [] })
        if ('ended' in seen) state = step(state, { is: 'ended', step: name, ...seen.ended }, nowMs).state
        else for (const deed of seen.deeds) {
          actedOn.add(name)
          deeds.push(deed)
          if (deed.do === 'create') made.set(name, [...made.get(name) ?? [], deed.name])
        }
      }
    }
  }
  return { status: statusOf(object, state, steps, { made, startedAt: previous?.startedAt ?? printDate(nowMs), previous, nowMs }), deeds }
}

type Look = { ended: { verdict: StepVerdict; why: string } } | { deeds: Deed[] }

/** One running step: its latest Experiment says whether another one is to be made, or how it has ended. */
function look({ metadata }: CampaignObject, { name, repeat, experiment }: ExperimentStep, isCancelled: boolean, { children, made }: { children: readonly ChildExperiment[]; made: readonly string[] }): Look {
  const own = children.filter(({ campaign }) => campaign?.uid === metadata.uid && campaign.step === name)
  const last = own.toSorted((one, other) => (one.campaign?.repetition ?? 0) - (other.campaign?.repetition ?? 0)).at(-1)
  const lastMade = made.at(-1)
  if (lastMade !== undefined && !own.some(child => child.name === lastMade)) return { ended: { verdict: 'inconclusive', why: `its Experiment ${lastMade} was deleted` } }
  if (last && !last.isComplete) return { deeds: isCancelled ? [{ do: 'delete', name: last.name }] : [] }
  if (last && (last.verdict !== 'passed' || last.campaign?.repetition === repeat)) {
    return { ended: { verdict: last.verdict ?? 'failed', why: `${last.name}: ${last.verdict === 'passed' ? 'passed' : last.reasons.join('; ') || last.verdict || 'refused'}` } }
  }
  if (isCancelled) return { ended: { verdict: 'inconclusive', why: 'its next Experiment was not made any more' } }
  const repetition = (last?.campaign?.repetition ?? 0) + 1
  const next = repeat === 1 ? `${metadata.name}-${name}` : `${metadata.name}-${name}-${repetition}`
  if (children.some(child => child.name === next)) return { ended: { verdict: 'failed', why: `an Experiment ${next} is there already, and is not of this Campaign; delete it, or call the step otherwise` } }
  return { deeds: [{ do: 'create', step: name, repetition, name: next, body: {
    ...experiment, apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment',
    metadata: {
      name: next, namespace: metadata.namespace,
      labels: { [campaignLabels.uid]: metadata.uid, [campaignLabels.generation]: String(metadata.generation), [campaignLabels.step]: name, [campaignLabels.repetition]: String(repetition) },
      // blockOwnerDeletion needs a right of its own, and is for those who wait for the owner
      ownerReferences: [{ apiVersion: 'faultline.dev/v1alpha1', kind: 'Campaign', name: metadata.name, uid: metadata.uid, controller: true, blockOwnerDeletion: false }],
    },
  } }] }
}

/** What is wrong with any of its experiments is told before the first is run. */
function problemsOfSteps(document: CampaignDocument): string[] {
  return [...planOf(document).steps].flatMap(([name, { experiment }]) => {
    const whole = { apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name }, ...experiment }
    return problemsIn(whole).map(problem => `the experiment of ${name}: ${problem}`)
  })
}

function restored(plan: CampaignState['plan'], { steps, stopped }: CampaignStatus): CampaignState {
  const empty = emptyCampaign(plan)
  const states = steps.map(({ name, state, verdict = 'failed', reason = '', startedAt, completedAt, cancelledAt }): [string, StepState] => {
    const sinceMs = startedAt === undefined ? 0 : Date.parse(startedAt)
    if (state === 'running') return [name, { at: 'running', sinceMs, ...(cancelledAt !== undefined && { cancelled: { why: reason, atMs: Date.parse(cancelledAt) } }) }]
    return [name, state === 'over' ? { at: 'over', verdict, why: reason, startedMs: startedAt === undefined ? null : sinceMs, endedMs: Date.parse(completedAt ?? '') } : { at: 'waiting' }]
  })
  return { ...empty, steps: { ...empty.steps, ...Object.fromEntries(states) }, ...(stopped !== undefined && { stopped }) }
}

interface Telling { made: ReadonlyMap<string, string[]>; startedAt: string; previous: CampaignStatus | undefined; nowMs: number }

function statusOf({ metadata: { generation } }: CampaignObject, { steps: states, stopped, over }: CampaignState, steps: ReadonlyMap<string, ExperimentStep>, { made, startedAt, previous, nowMs }: Telling): CampaignStatus {
  const told = [...steps.keys()].map((name): StepStatus => ({ name, ...toldOf(states[name]), experiments: made.get(name) ?? [] }))
  const those = (verdict: StepStatus['verdict']) => told.filter(each => each.verdict === verdict)
  const doubts = [...those('inconclusive'), ...those('skipped')]
  const verdict = those('failed').length > 0 ? 'failed' : doubts.length > 0 ? 'inconclusive' : 'passed'
  const reasons = [...those('failed'), ...doubts].map(each => `${each.name} ${each.verdict === 'failed' ? 'failed' : `was ${each.verdict}`}: ${each.reason ?? ''}`)
  const running = told.filter(({ state }) => state === 'running').map(({ name }) => name)
  return {
    observedGeneration: generation, phase: over ? 'Judged' : 'Running', ...(over && { verdict, completedAt: printDate(nowMs) }),
    progress: running.join(', ') || `${told.filter(({ state }) => state === 'over').length} of ${told.length}`,
    reasons, startedAt, ...(stopped !== undefined && { stopped }), steps: told,
    conditions: conditionsOf([
      ['Accepted', 'True', 'Valid'], ['Running', over ? 'False' : 'True', over ? 'Judged' : 'UnderWay'], ['Complete', over ? 'True' : 'False', over ? 'Judged' : 'UnderWay'],
      !over ? ['Passed', 'Unknown', 'NotJudged'] : ['Passed', verdict === 'passed' ? 'True' : 'False', { passed: 'Passed', failed: 'Failed', inconclusive: 'Inconclusive' }[verdict], reasons.join('; ')],
    ], generation, previous?.conditions, nowMs),
  }
}

function toldOf(state: StepState | undefined): Omit<StepStatus, 'name' | 'experiments'> {
  if (state?.at === 'running') return { state: 'running', startedAt: printDate(state.sinceMs), ...(state.cancelled && { reason: state.cancelled.why, cancelledAt: printDate(state.cancelled.atMs) }) }
  if (state?.at !== 'over') return { state: 'waiting' }
  return { state: 'over', verdict: state.verdict, reason: state.why, completedAt: printDate(state.endedMs), ...(state.startedMs !== null && { startedAt: printDate(state.startedMs) }) }
}

function refused({ metadata: { generation }, status }: CampaignObject, problems: readonly string[], nowMs: number): CampaignStatus {
  const message = problems.join('; ')
  return {
    observedGeneration: generation, phase: 'Refused', progress: '', reasons: [...problems], startedAt: printDate(nowMs), completedAt: printDate(nowMs), steps: [],
    conditions: conditionsOf([['Accepted', 'False', 'Invalid', message], ['Running', 'False', 'Invalid'], ['Complete', 'True', 'Invalid'], ['Passed', 'False', 'Invalid', message]], generation, status?.conditions, nowMs),
  }
}

const verdictSchema = z.enum(['passed', 'failed', 'inconclusive'])
const objectSchema = z.looseObject({ metadata: z.looseObject({ name: z.string(), namespace: z.string(), uid: z.string(), generation: z.int() }), status: z.unknown().optional() })
const statusSchema = z.looseObject({
  observedGeneration: z.int(), phase: z.enum(['Refused', 'Running', 'Judged']), startedAt: z.string(), stopped: z.string().optional(),
  steps: z.array(z.looseObject({ name: z.string(), state: z.enum(['waiting', 'running', 'over']), experiments: z.array(z.string()) })),
  conditions: z.array(z.looseObject({ type: z.string(), status: z.string(), lastTransitionTime: z.string() })),
})
const childSchema = z.looseObject({
  metadata: z.looseObject({ name: z.string(), labels: z.record(z.string(), z.string()).default({}) }),
  status: z.looseObject({
    verdict: verdictSchema.optional(), reasons: z.array(z.string()).default([]), conditions: z.array(z.looseObject({ type: z.string(), status: z.string() })).default([]),
  }).default({ reasons: [], conditions: [] }),
})
