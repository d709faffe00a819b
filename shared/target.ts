import { z } from 'zod'
import { dnsLabel } from '#shared/units.ts'

const pick = z.union([z.literal('one'), z.literal('all'), z.int().min(1).max(1_000)]).default('one')
  .describe('How many of those that match: one (chosen by the run\'s seed), all, or a number')
export type Pick = z.output<typeof pick>

/**
 * Processes of one machine. `match` is looked for in the command lines of the processes that the operator has declared (opted in) and of
 * their descendants; of a match and its own descendants only the topmost counts. Never a bare name from the whole machine.
 */
const processTarget = z.strictObject({
  match: z.string().min(2).max(200).describe('Text that the command line must contain, arguments joined by spaces'),
  parent: z.string().min(1).max(63).optional().describe('Name of the declared process to look at and under; all declared ones when left out'),
  pick,
})
export type ProcessTarget = z.output<typeof processTarget>

const labelName = /^(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?$/
const labelValue = /^(?:[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?)?$/

/** An empty selector would mean everybody, so it is an error. */
const labels = z.record(z.string().regex(labelName, 'a label name such as app or app.kubernetes.io/name'), z.string().regex(labelValue, 'a label value'))
  .refine(given => Object.keys(given).length > 0, 'at least one label; an empty selector would mean every pod')
  .describe('Labels that a pod must bear, all of them')

/** Pods of one namespace, which must have opted in by its label. */
const podsTarget = z.strictObject({
  namespace: dnsLabel().describe('Must bear the label faultline.dev/chaos=allowed'),
  labels,
  pick,
})
export type PodsTarget = z.output<typeof podsTarget>

/** The other side of a fault between pods. Nothing is done to it, so its namespace need not have opted in. */
export const peerPods = z.strictObject({ namespace: dnsLabel().optional().describe('Namespace of the peers (default: the target\'s own)'), labels })
export type PeerPods = z.output<typeof peerPods>

/** What a fault may be done to; each kind of fault says which of them it knows. */
export const targetKinds = { process: processTarget, pods: podsTarget } as const
export type TargetKind = keyof typeof targetKinds
export type TargetSpec = { process: ProcessTarget; pods?: undefined } | { pods: PodsTarget; process?: undefined }

/** The schema of a fault's `target` when it may be any of these; exactly one is given. */
export function targetSchemaOf(kinds: readonly TargetKind[]): z.ZodType<TargetSpec> {
  const only = kinds.length === 1
  const shape = Object.fromEntries(kinds.map(kind => [kind, only ? targetKinds[kind] : targetKinds[kind].optional()]))
  return z.strictObject(shape)
    .refine(target => Object.keys(target).length === 1, `exactly one of ${kinds.join(', ')}`)
    .transform(target => target as TargetSpec) // strict, and one key
}

/** As a label selector of Kubernetes: `app=web,tier=front`. */
export const printLabels = (given: Readonly<Record<string, string>>): string => Object.entries(given).map(([name, value]) => `${name}=${value}`).join(',')

/** What is named, in words: `processes matching postgres`. */
export function printTargetSpec({ process, pods }: TargetSpec): string {
  if (process) return `processes matching ${process.match}`
  return `pods of ${pods.namespace} with ${printLabels(pods.labels)}`
}

/** A process found, bound to what cannot be recycled: the PID together with its start time (proc_pid_stat(5), field 22) and the boot. */
const boundProcessSchema = z.strictObject({
  /** Unique and stable for the thing's whole life: `process:<pid>:<start ticks>`. */
  id: z.string(),
  pid: z.int().positive(),
  startTicks: z.int().nonnegative(),
  description: z.string(),
})
export type BoundProcess = z.output<typeof boundProcessSchema>

/** A pod found, bound to its UID: another pod of the same name is another pod. */
const boundPodSchema = z.strictObject({
  /** `pod:<uid>` */
  id: z.string(),
  pod: z.strictObject({ namespace: z.string(), name: z.string(), uid: z.string(), node: z.string() }),
  description: z.string(),
})
export type BoundPod = z.output<typeof boundPodSchema>

export const boundTargetSchema = z.union([boundProcessSchema, boundPodSchema])
export type BoundTarget = z.output<typeof boundTargetSchema>

export const isProcess = (target: BoundTarget): target is BoundProcess => 'pid' in target
