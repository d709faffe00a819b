import { z } from 'zod'
import { testedServiceSchema, type TestedService } from '#shared/tested-service.ts'
import { dnsLabel } from '#shared/units.ts'

const pick = z.union([
  z.literal('one'), z.literal('all'), z.int().min(1).max(1_000),
  z.string().regex(/^(?:100|[1-9]\d?)%$/, 'a share such as 50%').transform(text => text as `${number}%`),
]).default('one').describe('How many of those that match: one (chosen by the run\'s seed), all, a number, or a share such as 50% (rounded down, at least one)')
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
/** DNS subdomain (RFC 1123): what nodes and workloads may be called. */
const subdomain = z.string().max(253).regex(/^[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?$/, 'lower-case letters, digits, dashes and dots, as Kubernetes names things')

/** An empty selector would mean everybody, so it is an error. */
const labels = z.record(z.string().regex(labelName, 'a label name such as app or app.kubernetes.io/name'), z.string().regex(labelValue, 'a label value'))
  .refine(given => Object.keys(given).length > 0, 'at least one label; an empty selector would mean everything')

const owner = z.strictObject({
  kind: z.enum(['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet']),
  name: subdomain,
})

/** Who is what in a data store, by the store's own word: Patroni's label on the pod, and the answer of Redis Sentinel. */
const podRole = z.enum(['postgres-primary', 'postgres-replica', 'redis-master', 'redis-replica'])
export type PodRole = z.output<typeof podRole>

/** The ways to name pods, each resolved by the file of its name in services/injector/resolvers/; all that are given must hold. */
const podSelectors = {
  labels: labels.optional().describe('Labels that the pod must bear, all of them'),
  owner: owner.optional().describe('The workload that the pod belongs to'),
  node: subdomain.optional().describe('Name of the node that the pod is on'),
  role: podRole.optional().describe('Who it is in its data store: by Patroni\'s label, or asked of Redis Sentinel'),
}
export interface PodSelector { labels?: Readonly<Record<string, string>> | undefined; owner?: z.output<typeof owner> | undefined; node?: string | undefined; role?: PodRole | undefined }
export type Owner = z.output<typeof owner>

const namesPods = [(given: object) => Object.keys(podSelectors).some(key => key in given), `one of ${Object.keys(podSelectors).join(', ')} at least; nothing would mean every pod`] as const

/** Pods of one namespace, which must have opted in by its label. */
const podsTarget = z.strictObject({
  namespace: dnsLabel().describe('Must bear the label faultline.dev/chaos=allowed'),
  ...podSelectors,
  pick,
}).refine(...namesPods)
export type PodsTarget = z.output<typeof podsTarget>

/** Nodes, which must have opted in by a label of their own. None that carries faultline's own control pods is ever touched. */
const nodesTarget = z.strictObject({
  name: subdomain.optional().describe('Name of the node'),
  labels: labels.optional().describe('Labels that the node must bear, all of them, beside faultline.dev/chaos=allowed'),
  running: z.strictObject({ namespace: dnsLabel(), ...podSelectors }).refine(...namesPods).optional().describe('The node must run such a pod, for example the PostgreSQL primary'),
  pick,
}).refine(given => given.name !== undefined || given.labels !== undefined || given.running !== undefined, 'one of name, labels, running at least; nothing would mean every node')
export type NodesTarget = z.output<typeof nodesTarget>

/** One workload, in a namespace that must have opted in. */
const workloadTarget = z.strictObject({
  namespace: dnsLabel().describe('Must bear the label faultline.dev/chaos=allowed'),
  kind: z.enum(['Deployment', 'StatefulSet']),
  name: subdomain,
})
export type WorkloadTarget = z.output<typeof workloadTarget>

const peerPods = z.strictObject({ namespace: dnsLabel().optional().describe('Namespace of the peers (default: the target\'s own)'), ...podSelectors }).refine(...namesPods)
const apiServer = z.strictObject({ apiServer: z.literal(true).describe('The Kubernetes API server: its Service and its endpoints') })
const peerSide = z.union([apiServer, peerPods])
/** `faultline`: what a fault must spare of faultline itself; no experiment names it. */
export type PeerSide = { apiServer: true } | { faultline: 'nats' } | ({ namespace?: string | undefined } & PodSelector)

/** The other side of a fault, or several. Nothing is done to it, so its namespace need not have opted in. */
export const peerSides = z.union([peerSide, z.array(peerSide).min(1).max(20)]).transform((given): PeerSide[] => Array.isArray(given) ? given : [given])

/** What a fault may be done to; each kind of fault says which of them it knows. */
export const targetKinds = { process: processTarget, pods: podsTarget, nodes: nodesTarget, workload: workloadTarget } as const
export type TargetKind = keyof typeof targetKinds
type Only<K extends TargetKind> = { [key in K]: z.output<(typeof targetKinds)[key]> } & { [key in Exclude<TargetKind, K>]?: undefined }
export type TargetSpec = { [kind in TargetKind]: Only<kind> }[TargetKind]

/** The schema of a fault's `target` when it may be any of these; exactly one is given. */
export function targetSchemaOf(kinds: readonly TargetKind[]): z.ZodType<TargetSpec> {
  const only = kinds.length === 1
  const shape = Object.fromEntries(kinds.map(kind => [kind, only ? targetKinds[kind] : targetKinds[kind].optional()]))
  return z.strictObject(shape)
    .refine(target => Object.keys(target).length === 1, `exactly one of ${kinds.join(', ')}`)
    .transform(target => target as TargetSpec) // strict, and one key
}

export const targetKindOf = (target: TargetSpec): TargetKind => target.process ? 'process' : target.pods ? 'pods' : target.nodes ? 'nodes' : 'workload'
/** How many of those that match; a workload is one. */
export const pickOf = ({ process, pods, nodes }: TargetSpec): Pick => (process ?? pods ?? nodes)?.pick ?? 'one'

/** As a label selector of Kubernetes: `app=web,tier=front`. */
export const printLabels = (given: Readonly<Record<string, string>>): string => Object.entries(given).map(([name, value]) => `${name}=${value}`).join(',')

/** `with app=web, of Deployment shop, on n2, as postgres-primary` */
function printPodSelector({ labels: given, owner: workload, node, role }: PodSelector): string {
  return [
    given && `with ${printLabels(given)}`, workload && `of ${workload.kind} ${workload.name}`, node !== undefined && `on ${node}`, role && `as ${role}`,
  ].filter(Boolean).join(', ')
}

/** What is named, in words: `processes matching postgres`. */
export function printTargetSpec({ process, pods, nodes, workload }: TargetSpec): string {
  if (process) return `processes matching ${process.match}`
  if (pods) return `pods of ${pods.namespace} ${printPodSelector(pods)}`
  if (workload) return `${workload.kind} ${workload.namespace}/${workload.name}`
  const { name, labels: given, running } = nodes
  const says = [given && `with ${printLabels(given)}`, running && `that run pods of ${running.namespace} ${printPodSelector(running)}`].filter(Boolean)
  return [name === undefined ? 'nodes' : `node ${name}`, ...says].join(' ')
}

export function printPeerSide(side: PeerSide): string {
  if ('apiServer' in side) return 'the API server'
  if ('faultline' in side) return 'the NATS servers of faultline'
  return `pods${side.namespace === undefined ? '' : ` of ${side.namespace}`} ${printPodSelector(side)}`
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

/** Whose service it is; logs of earlier versions do not say. */
const services = z.array(testedServiceSchema).optional()

/** A pod found, bound to its UID: another pod of the same name is another pod. */
const boundPodSchema = z.strictObject({
  /** `pod:<uid>` */
  id: z.string(),
  pod: z.strictObject({ namespace: z.string(), name: z.string(), uid: z.string(), node: z.string() }),
  services,
  description: z.string(),
})
export type BoundPod = z.output<typeof boundPodSchema>

/** A node found, by the UID of its object: one that joins again under the same name is another. */
const boundNodeSchema = z.strictObject({
  /** `node:<uid>` */
  id: z.string(),
  node: z.strictObject({ name: z.string(), uid: z.string() }),
  services,
  description: z.string(),
})
export type BoundNode = z.output<typeof boundNodeSchema>

const boundWorkloadSchema = z.strictObject({
  /** `workload:<uid>` */
  id: z.string(),
  workload: z.strictObject({ namespace: z.string(), kind: z.enum(['Deployment', 'StatefulSet']), name: z.string(), uid: z.string() }),
  services,
  description: z.string(),
})
export type BoundWorkload = z.output<typeof boundWorkloadSchema>

export const boundTargetSchema = z.union([boundProcessSchema, boundPodSchema, boundNodeSchema, boundWorkloadSchema])
export type BoundTarget = z.output<typeof boundTargetSchema>

export const isProcess = (target: BoundTarget): target is BoundProcess => 'pid' in target
export const isPod = (target: BoundTarget): target is BoundPod => 'pod' in target
export const isNode = (target: BoundTarget): target is BoundNode => 'node' in target
export const isWorkload = (target: BoundTarget): target is BoundWorkload => 'workload' in target

/** The services that it is, or is part of, or carries. */
export const servicesOf = (target: BoundTarget): readonly TestedService[] => isProcess(target) ? [] : target.services ?? []
