import { z } from 'zod'
import { printPlainProblems } from '#shared/experiment-problem.ts'
import { experimentSchema } from '#shared/experiment.ts'
import { printDate } from '#shared/units.ts'
import { phaseOf, type RunState } from './core.ts'

/**
 * An experiment as an object of Kubernetes, with no I/O: what it asks for, which run is its own, and what is written back about it.
 *
 * The run's name is made of the object's UID and generation, so that it is begun once, however often the object is seen and by whomever. Where the
 * run came from travels with it as its `file`, so that a run outlives no object.
 */
export interface ExperimentObject {
  metadata: { name: string; namespace: string; uid: string; generation: number; labels?: Record<string, string> | undefined }
  status?: ExperimentStatus | undefined
  /** What is to be checked and run: the file as it was applied, without what Kubernetes has added. */
  document: Record<string, unknown>
}

export interface ExperimentStatus {
  observedGeneration: number
  runId?: string
  phase: string
  verdict?: string
  reasons: string[]
  startedAt?: string
  completedAt?: string
  conditions: Condition[]
}

/** metav1.Condition */
export interface Condition {
  type: 'Accepted' | 'Running' | 'Complete' | 'Passed'
  status: 'True' | 'False' | 'Unknown'
  reason: string
  message: string
  observedGeneration: number
  lastTransitionTime: string
}

/** What there is to say of an object. `lost`: it was run, and the log of facts is gone. */
export type Finding =
  | { is: 'refused'; problems: readonly string[] }
  | { is: 'waiting'; reason: string; message: string }
  | { is: 'lost' }
  | { is: 'run'; state: RunState }

const objectSchema = z.looseObject({
  metadata: z.looseObject({
    name: z.string(), namespace: z.string(), uid: z.string(), generation: z.int(), labels: z.record(z.string(), z.string()).optional(),
  }),
  status: z.unknown().optional(),
})
/** Only what is read of it again. */
const statusSchema = z.looseObject({
  observedGeneration: z.int(), runId: z.string().optional(),
  conditions: z.array(z.looseObject({ type: z.string(), status: z.string(), lastTransitionTime: z.string() })),
})

/** Undefined for what is no object of ours. */
export function readExperimentObject(raw: unknown): ExperimentObject | undefined {
  const parsed = objectSchema.safeParse(raw)
  if (!parsed.success) return undefined
  const { metadata: { name, namespace, uid, generation, labels }, status, ...rest } = parsed.data
  return {
    metadata: { name, namespace, uid, generation, labels },
    status: statusSchema.safeParse(status).data as ExperimentStatus | undefined,
    document: { ...rest, metadata: { name, namespace, ...(labels && { labels }) } },
  }
}

/** Every problem in words, as the command would tell them; none: it can be run. */
export function problemsIn(document: unknown, schema: z.ZodType = experimentSchema): string[] {
  const { error } = schema.safeParse(document)
  return error ? printPlainProblems(error, document) : []
}

/** 48 bits of the UID are enough beside the name; subjects and folders should not be longer than need be. */
export const runNameOf = ({ metadata: { name, uid, generation } }: ExperimentObject): string => `${name}-${uid.slice(0, 13)}-${generation}`

export interface Origin { namespace: string; name: string; uid: string; generation: number }

const originScheme = 'kubernetes:'

/** `kubernetes:NAMESPACE/NAME?uid=UID&generation=1` */
export const printOrigin = ({ metadata: { namespace, name, uid, generation } }: { metadata: Origin }): string => `${originScheme}${namespace}/${name}?uid=${uid}&generation=${generation}`

/** Undefined for a run that no object has asked for. */
export function readOrigin(file: string | undefined): Origin | undefined {
  const [, namespace, name, uid, generation] = /^kubernetes:([^/]+)\/([^/?]+)\?uid=([^&]+)&generation=(\d+)$/.exec(file ?? '') ?? []
  if (namespace === undefined || name === undefined || uid === undefined) return undefined
  return { namespace, name, uid, generation: Number(generation) }
}

/** Whether it was run already, whatever the log of facts still knows: it is not run again because that was lost. */
export function wasSubmitted(object: ExperimentObject): boolean {
  return object.status?.runId === runNameOf(object)
}

const longestMessage = 4_000

/** `previous` gives the dates of conditions that have not changed. */
export function statusOf(object: ExperimentObject, finding: Finding, previous: ExperimentStatus | undefined, nowMs: number): ExperimentStatus {
  const { generation } = object.metadata
  const { conditions, ...rest } = told(object, finding)
  return {
    observedGeneration: generation,
    ...rest,
    conditions: conditionsOf(conditions, generation, previous?.conditions, nowMs),
  }
}

/** `previous` gives the dates of those that have not changed. */
export function conditionsOf(said: readonly Said[], generation: number, previous: readonly Condition[] | undefined, nowMs: number): Condition[] {
  return said.map(([type, status, reason, message = '']) => {
    const known = previous?.find(condition => condition.type === type && condition.status === status)
    return { type, status, reason, message: message.slice(0, longestMessage), observedGeneration: generation, lastTransitionTime: known?.lastTransitionTime ?? printDate(nowMs) }
  })
}

type Said = [type: Condition['type'], status: Condition['status'], reason: string, message?: string]

function told(object: ExperimentObject, finding: Finding): Omit<ExperimentStatus, 'observedGeneration' | 'conditions'> & { conditions: Said[] } {
  switch (finding.is) {
    case 'refused': {
      const message = finding.problems.join('; ')
      return { phase: 'Refused', reasons: [...finding.problems], conditions: [['Accepted', 'False', 'Invalid', message], ['Running', 'False', 'Invalid'], ['Complete', 'True', 'Invalid'], ['Passed', 'False', 'Invalid', message]] }
    }
    case 'waiting': {
      const { reason, message } = finding
      return { phase: 'Waiting', reasons: [message], conditions: [['Accepted', 'False', reason, message], ['Running', 'False', reason], ['Complete', 'False', reason], ['Passed', 'Unknown', reason]] }
    }
    case 'lost': {
      const message = 'its log of facts is gone, so there is no evidence to judge'
      return {
        phase: 'Lost', runId: runNameOf(object), verdict: 'inconclusive', reasons: [message],
        conditions: [['Accepted', 'True', 'Valid'], ['Running', 'False', 'Lost'], ['Complete', 'True', 'Lost'], ['Passed', 'False', 'Inconclusive', message]],
      }
    }
    case 'run': return toldOfRun(finding.state)
  }
}

function toldOfRun(state: RunState): ReturnType<typeof told> {
  const { run, verdict, reasons = [], abort, sealedAtMs, submittedAtMs } = state
  const isOver = sealedAtMs !== undefined
  const why = abort === undefined || verdict !== undefined ? [...reasons] : [abort.detail]
  const passed: Said = verdict === undefined ? ['Passed', 'Unknown', 'NotJudged'] : verdict === 'passed' ? ['Passed', 'True', 'Passed'] : ['Passed', 'False', capitalised(verdict), why.join('; ')]
  return {
    runId: run,
    phase: printPhase(state),
    ...(verdict !== undefined && { verdict }),
    reasons: why,
    startedAt: printDate(submittedAtMs),
    ...(isOver && { completedAt: printDate(sealedAtMs) }),
    conditions: [
      ['Accepted', 'True', 'Valid'],
      isOver ? ['Running', 'False', 'Sealed'] : abort ? ['Running', 'True', 'Aborting', abort.detail] : ['Running', 'True', 'UnderWay'],
      verdict === undefined ? ['Complete', 'False', 'NotJudged'] : ['Complete', 'True', 'Judged'],
      passed,
    ],
  }
}

function printPhase(state: RunState): string {
  const { phases, abort, sealedAtMs } = state
  return capitalised(abort && sealedAtMs === undefined && phases.recover === undefined ? 'aborting' : phaseOf(state))
}

const capitalised = (word: string): string => word.slice(0, 1).toUpperCase() + word.slice(1)
