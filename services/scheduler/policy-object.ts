import { z } from 'zod'
import { policySchema } from '#shared/policy.ts'
import { printDate } from '#shared/units.ts'
import { conditionsOf, printOrigin, problemsIn, type Condition } from './experiment-object.ts'
import type { PolicySummary } from './policies.ts'

/**
 * A Policy as an object of Kubernetes, with no I/O: what it asks for, and what it is told. Its keys are the file's. As an Experiment, it may name any namespace that
 * has opted in: the consent is that namespace's label, not where the object lies; who may write it is asked at admission (k8s/base/author-policy.yaml).
 */
export interface PolicyObject {
  metadata: { name: string; namespace: string; uid: string; generation: number }
  status?: PolicyStatus | undefined
  document: Record<string, unknown>
}

export interface PolicyStatus {
  observedGeneration: number
  state: PolicySummary['state'] | 'refused'
  reason?: string
  policyName?: string
  nextAt?: string
  /** The newest that is over. */
  lastRun?: string
  lastVerdict?: string
  conditions: Condition[]
}

/** What is to be done about an object: nothing when its policy is in force as it is written. */
export type PolicyDeed = { do: 'set'; name: string; by: string } | { do: 'remove'; name: string }

/** One object of the API; undefined for what is no Policy. */
export function readPolicyObject(raw: unknown): PolicyObject | undefined {
  const parsed = objectSchema.safeParse(raw)
  if (!parsed.success) return undefined
  const { metadata: { name, namespace, uid, generation }, status, ...rest } = parsed.data
  return { metadata: { name, namespace, uid, generation }, status: statusSchema.safeParse(status).data as PolicyStatus | undefined, document: { ...rest, metadata: { name, namespace } } }
}

/** Another of the same name, in another namespace or later, is another policy. Runs are named after it, and should not be longer than need be. */
export const policyNameOf = ({ metadata: { name, uid } }: PolicyObject): string => `${name}-${uid.slice(0, 8)}`

/** What is done, in view of what is in force, and what is written then. */
export function outlookOfPolicy(object: PolicyObject, inForce: PolicySummary | undefined, nowMs: number): { deed?: PolicyDeed; status: PolicyStatus } {
  const { generation } = object.metadata
  const name = policyNameOf(object)
  const conditions = (...said: Parameters<typeof conditionsOf>[0]) => conditionsOf(said, generation, object.status?.conditions, nowMs)
  const problems = problemsIn(object.document, policySchema)
  if (problems.length > 0) {
    const reason = problems.join('; ')
    return { status: { observedGeneration: generation, state: 'refused', reason, conditions: conditions(['Accepted', 'False', 'Invalid', reason]) }, ...(inForce && { deed: { do: 'remove', name } }) }
  }
  const by = printOrigin(object)
  const last = inForce?.recent.find(({ run, outcome }) => run !== null && outcome !== 'running')
  return {
    ...(inForce?.by !== by && { deed: { do: 'set', name, by } }),
    status: {
      observedGeneration: generation, state: inForce?.state ?? 'active', policyName: name,
      ...(typeof inForce?.reason === 'string' && { reason: inForce.reason }),
      ...(typeof inForce?.nextAtMs === 'number' && { nextAt: printDate(inForce.nextAtMs) }),
      ...(last && last.run !== null && { lastRun: last.run, lastVerdict: last.outcome }),
      conditions: conditions(['Accepted', 'True', 'Valid']),
    },
  }
}

const objectSchema = z.looseObject({
  metadata: z.object({ name: z.string(), namespace: z.string(), uid: z.string(), generation: z.int() }),
  status: z.unknown().optional(),
})

const statusSchema = z.looseObject({ observedGeneration: z.int(), state: z.string(), conditions: z.array(z.looseObject({ type: z.string(), status: z.string(), lastTransitionTime: z.string() })) })
