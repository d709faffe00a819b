/** Why pods are not ready, or not even there, from what kubectl prints of them, and what is to be said of it. No I/O. */
import { z } from 'zod'

/** One pod that is not ready, and the one thing that says most of why. */
export interface NotReady {
  /** Undefined: it was refused, so that there is none. */
  pod: string | undefined
  /** The pod's; of one that was refused its workload's. */
  uid: string
  node: string | undefined
  /** Undefined: it is the pod's own matter, such as a node for it. */
  container: string | undefined
  /** In Kubernetes' word, such as Unschedulable, CrashLoopBackOff or FailedCreate; `NotReady` where it has none. */
  reason: string
  message: string
  /** More than that it takes its time. */
  isTrouble: boolean
  /** The image that cannot be had. */
  image: string | undefined
}

/** Which pods are a workload's: `selector` as kubectl takes it; `images` of its containers, by name, as it stands now. */
export interface WorkloadPods { selector: string; images: ReadonlyMap<string, string> }

const container = z.looseObject({ name: z.string(), image: z.string().default('') })
const podSpec = z.looseObject({ nodeName: z.string().optional(), containers: z.array(container), initContainers: z.array(container).default([]) })
const ended = z.looseObject({ exitCode: z.int(), reason: z.string().default(''), message: z.string().default('') })
const containerStatus = z.looseObject({
  name: z.string(), ready: z.boolean().default(false), restartCount: z.int().default(0),
  state: z.looseObject({ waiting: z.looseObject({ reason: z.string().default(''), message: z.string().default('') }).optional(), terminated: ended.optional() }).default({}),
  lastState: z.looseObject({ terminated: ended.optional() }).default({}),
})
const pod = z.looseObject({
  metadata: z.looseObject({ name: z.string(), uid: z.string(), creationTimestamp: z.string().nullish(), deletionTimestamp: z.string().optional() }),
  spec: podSpec,
  status: z.looseObject({
    phase: z.string().default(''), reason: z.string().default(''), message: z.string().default(''),
    conditions: z.array(z.looseObject({ type: z.string(), status: z.string(), reason: z.string().default(''), message: z.string().default('') })).default([]),
    containerStatuses: z.array(containerStatus).default([]), initContainerStatuses: z.array(containerStatus).default([]),
  }).default({ phase: '', reason: '', message: '', conditions: [], containerStatuses: [], initContainerStatuses: [] }),
})
type Pod = z.output<typeof pod>
type ContainerStatus = z.output<typeof containerStatus>

/** Of a workload that has fewer pods than it wants. A Deployment is told by its ReplicaSet; of the others only events tell. */
const shortWorkload = z.looseObject({
  metadata: z.looseObject({ uid: z.string() }),
  spec: z.looseObject({ replicas: z.int().optional() }),
  status: z.looseObject({
    replicas: z.int().optional(), desiredNumberScheduled: z.int().optional(), currentNumberScheduled: z.int().optional(), active: z.int().optional(),
    conditions: z.array(z.looseObject({ type: z.string(), status: z.string(), reason: z.string().default(''), message: z.string().default('') })).default([]),
  }).default({ conditions: [] }),
})
const eventList = z.looseObject({
  items: z.array(z.looseObject({ metadata: z.looseObject({ creationTimestamp: z.string().nullish() }), lastTimestamp: z.string().nullish(), reason: z.string().default(''), message: z.string().default('') })),
})

const podList = z.looseObject({ items: z.array(pod) })
const workload = z.looseObject({ spec: z.looseObject({ selector: z.looseObject({ matchLabels: z.record(z.string(), z.string()) }), template: z.looseObject({ spec: podSpec }) }) })

const imageReasons: ReadonlySet<string> = new Set(['ErrImagePull', 'ImagePullBackOff', 'ErrImageNeverPull', 'InvalidImageName'])
/** Of these, nothing is tried again that could end otherwise. */
const hopelessReasons: ReadonlySet<string> = new Set(['ErrImageNeverPull', 'InvalidImageName'])
/** On their way. */
const ordinaryReasons: ReadonlySet<string> = new Set(['ContainerCreating', 'PodInitializing', ''])

/** A Deployment, StatefulSet, DaemonSet or Job, as the API gives it. Throws zod's error for what is none. */
export function podsOf(raw: unknown): WorkloadPods {
  const { spec: { selector, template } } = workload.parse(raw)
  return { selector: Object.entries(selector.matchLabels).map(([key, value]) => `${key}=${value}`).join(','), images: new Map(containersOf(template.spec).map(({ name, image }) => [name, image])) }
}

/**
 * Each pod of a list that is not ready, but for those that are going, or that have another image than the workload has now: they are of an earlier revision,
 * and go when the new one is there. What admission has put in beside the workload's own containers tells no revision. Throws zod's error for what is no list of pods.
 */
export function notReady(raw: unknown, { images }: Pick<WorkloadPods, 'images'>): NotReady[] {
  return podList.parse(raw).items
    .filter(({ metadata, spec }) => metadata.deletionTimestamp === undefined && containersOf(spec).every(({ name, image }) => image === (images.get(name) ?? image)))
    .flatMap(each => whyNotReady(each) ?? [])
}

/**
 * Whether a workload's pods are refused as they are to be made, by a quota or by admission: what the workload itself says of it, or the last of its `events`
 * (as kubectl prints those with the reason FailedCreate). They are kept for an hour, so they count only while pods are missing, and none of its `pods` was made
 * later. Throws zod's error for what is none of these.
 */
export function refusedPod(raw: unknown, { pods, events = { items: [] } }: { pods: unknown; events?: unknown }): NotReady[] {
  const { metadata: { uid }, spec, status } = shortWorkload.parse(raw)
  const refused = ({ reason, message }: { reason: string; message: string }): NotReady[] => [{ pod: undefined, uid, node: undefined, container: undefined, reason, message, isTrouble: true, image: undefined }]
  const failure = status.conditions.find(({ type, status: is }) => type === 'ReplicaFailure' && is === 'True')
  if (failure) return refused(failure)
  const wanted = spec.replicas ?? status.desiredNumberScheduled ?? 1
  const there = status.replicas ?? status.currentNumberScheduled ?? status.active ?? 0
  const last = eventList.parse(events).items.toSorted((a, b) => atMs(a) - atMs(b)).at(-1)
  const madeLastMs = Math.max(0, ...podList.parse(pods).items.map(atMs))
  return last && there < wanted && atMs(last) >= madeLastMs ? refused(last) : []
}

/** By the API's clock, to the second. */
const atMs = ({ lastTimestamp, metadata: { creationTimestamp } }: { lastTimestamp?: string | null | undefined; metadata: { creationTimestamp?: string | null | undefined } }): number =>
  Date.parse(lastTimestamp ?? creationTimestamp ?? '1970-01-01T00:00:00Z')

const containersOf = ({ containers, initContainers }: z.output<typeof podSpec>) => [...initContainers, ...containers]

function whyNotReady({ metadata: { name, uid }, spec, status }: Pod): NotReady | undefined {
  const of = (found: Pick<NotReady, 'reason' | 'message' | 'isTrouble'> & Partial<NotReady>): NotReady => ({ pod: name, uid, node: spec.nodeName, container: undefined, image: undefined, ...found })
  const { phase, conditions, initContainerStatuses, containerStatuses } = status
  if (phase === 'Succeeded' || conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True')) return undefined
  if (phase === 'Failed' && status.reason !== '') return of({ reason: status.reason, message: status.message, isTrouble: true })
  const unscheduled = conditions.find(({ type, status: is }) => type === 'PodScheduled' && is === 'False')
  if (unscheduled) return of({ reason: unscheduled.reason, message: unscheduled.message, isTrouble: true })
  const found = [...initContainerStatuses.filter(({ state }) => state.terminated?.exitCode !== 0), ...containerStatuses].filter(({ ready }) => !ready)
    .map(each => of({ container: each.name, ...whyOfContainer(each, containersOf(spec).find(written => written.name === each.name)?.image) }))
  return found.find(({ isTrouble }) => isTrouble) ?? found[0] ?? of({ reason: 'NotReady', message: phase === '' ? '' : `its phase is ${phase}`, isTrouble: false })
}

function whyOfContainer({ state: { waiting, terminated }, lastState, restartCount }: ContainerStatus, image: string | undefined): Pick<NotReady, 'reason' | 'message' | 'isTrouble' | 'image'> {
  if (waiting?.reason === 'CrashLoopBackOff') {
    return { reason: waiting.reason, message: `${lastState.terminated ? printEnd(lastState.terminated) : waiting.message}, restarts: ${restartCount}`, isTrouble: true, image: undefined }
  }
  if (waiting) return { reason: waiting.reason || 'NotReady', message: waiting.message, isTrouble: !ordinaryReasons.has(waiting.reason), image: imageReasons.has(waiting.reason) ? image : undefined }
  if (terminated) return { reason: terminated.reason || 'Terminated', message: printEnd(terminated), isTrouble: terminated.exitCode !== 0, image: undefined }
  return { reason: 'NotReady', message: 'it runs, and does not say yet that it is ready', isTrouble: false, image: undefined }
}

const printEnd = ({ exitCode, reason, message }: z.output<typeof ended>) => `it ended with ${exitCode}${reason === '' || reason === 'Error' ? '' : ` (${reason})`}${message === '' ? '' : `: ${message.trim()}`}`

/** Pods with the same trouble are told together: a DaemonSet has one on each node. */
const kindOf = ({ container: name, reason, image }: NotReady) => image ?? `${reason} ${name}`

/** A line for each kind of trouble, of which the first pod stands for all. Pure. */
export function printNotReady(found: readonly NotReady[], namespace: string): string[] {
  return [...Map.groupBy(found, kindOf).values()].flatMap(alike => {
    const [first] = alike
    if (!first) return []
    const where = first.pod === undefined ? 'a pod of it cannot be made' : `pod ${first.pod}${first.node === undefined ? '' : ` on ${first.node}`}${alike.length === 1 ? '' : ` (and ${alike.length - 1} more)`}`
    return `${where}: ${[...first.container === undefined ? [] : [`container ${first.container}`], first.reason, ...first.message === '' ? [] : [first.message]].join(': ')}${nextStep(first, namespace)}`
  })
}

function nextStep({ pod: name, container: of, reason, message, image }: NotReady, namespace: string): string {
  if (name === undefined) return message.includes('exceeded quota') ? `; kubectl --namespace ${namespace} describe resourcequotas says what is used` : ''
  if (image !== undefined) return `; ${whatToDo(image)}`
  return reason === 'CrashLoopBackOff' ? `; kubectl --namespace ${namespace} logs ${name} --container ${of} --previous says more` : ''
}

/** About an image that cannot be had. */
function whatToDo(image: string): string {
  const [, registry, tag = 'dev'] = /^(.+)\/faultline\/[^/:]+(?::(.+))?$/.exec(image) ?? []
  if (registry === undefined) return `the nodes must be able to pull ${image}`
  const version = tag === 'dev' ? '' : ` --version ${tag}`
  if (registry !== 'localhost') return `npm run images -- --push ${registry}${version} puts it into that registry, which the nodes must be able to pull from`
  return `put it on the nodes, npm run images -- --load kind${version} (or --load cluster, or --socket), or into a registry, npm run images -- --push REGISTRY${version}, and say --registry REGISTRY here`
}

/** What was seen of a workload so far: which troubles were told, and since when each pod (by UID) has been failing to get its image. */
export interface Watched { told: ReadonlySet<string>; failingSinceMs: ReadonlyMap<string, number> }

export const nothingSeen: Watched = { told: new Set(), failingSinceMs: new Map() }

/** So long an image may fail to be pulled: two attempts and more (the kubelet's wait between them begins with 10 s). */
export const pullsForMs = 30_000

/**
 * What a look at a workload's pods adds: `tell` are the troubles that are new, `hopeless` those that no wait will mend. Of pods that were there `earlier`, none is
 * hopeless: what they say may be from before somebody has brought the image, and the kubelet's next attempt be minutes away. Pure.
 */
export function watch({ told, failingSinceMs }: Watched, found: readonly NotReady[], { nowMs, earlier }: { nowMs: number; earlier: ReadonlySet<string> }): { watched: Watched; tell: NotReady[]; hopeless: NotReady[] } {
  const troubles = found.filter(({ isTrouble }) => isTrouble)
  const failing = troubles.filter(({ image }) => image !== undefined)
  const since = new Map(failing.map(({ uid }) => [uid, failingSinceMs.get(uid) ?? nowMs]))
  return {
    watched: { told: new Set([...told, ...troubles.map(kindOf)]), failingSinceMs: since },
    tell: troubles.filter(each => !told.has(kindOf(each))),
    hopeless: failing.filter(({ uid, reason }) => !earlier.has(uid) && (hopelessReasons.has(reason) || nowMs - (since.get(uid) ?? nowMs) >= pullsForMs)),
  }
}
