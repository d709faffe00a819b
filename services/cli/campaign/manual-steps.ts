/**
 * How many steps people had to take for a system to recover: the changes in the API server's audit log that nobody made who is part of the
 * platform, of the system, or of the experiment itself. Pure.
 */
import type { AuditEntry, AuditSpan } from './audit-log.ts'

/** Somebody who changes things without being asked by a person. */
interface Automaton {
  /** In the report. */
  who: string
  is(entry: AuditEntry, options: ManualStepsOptions): boolean
}

export interface ManualStepsOptions {
  /** Where faultline is installed: the declared faults and their undo are its service accounts'. */
  namespace: string
  /** User names of what else repairs nodes by itself, such as a cloud's node controller. */
  platform?: readonly string[]
}

const serviceAccount = (namespace: string, name = '') => `system:serviceaccount:${namespace}:${name}`
const user = ({ user: { username } }: AuditEntry) => username

/** Who is who. What is in no row is counted. */
const automata: readonly Automaton[] = [
  { who: 'kubelets', is: entry => user(entry).startsWith('system:node:') },
  { who: 'the control plane', is: entry => ['system:apiserver', 'system:kube-controller-manager', 'system:kube-scheduler', 'system:kube-proxy', 'system:cloud-controller-manager'].includes(user(entry)) },
  { who: 'cluster controllers', is: entry => user(entry).startsWith(serviceAccount('kube-system')) },
  { who: 'the platform', is: (entry, { platform = [] }) => platform.includes(user(entry)) },
  // its pods, and its leader lock in Endpoints: whatever namespace the database is in, its account may change nothing else
  { who: 'Patroni', is: entry => /^system:serviceaccount:[^:]+:postgres$/.test(user(entry)) && ['pods', 'endpoints'].includes(entry.objectRef?.resource ?? '') },
  { who: 'the declared fault and its undo', is: (entry, { namespace }) => user(entry).startsWith(serviceAccount(namespace)) },
  // a forwarded port begins with a request that creates, and changes nothing
  { who: 'who watches the run', is: ({ objectRef }, { namespace }) => objectRef?.subresource === 'portforward' && objectRef.namespace === namespace },
]

const changing = new Set(['create', 'update', 'patch', 'delete', 'deletecollection'])
/** Questions, asked by creating an object that is never stored. */
const questions = new Set(['selfsubjectaccessreviews', 'selfsubjectrulesreviews', 'selfsubjectreviews', 'subjectaccessreviews', 'localsubjectaccessreviews', 'tokenreviews'])
/** What changes a pod from within, though the request may begin as a GET. */
const entering = new Set(['exec', 'attach', 'portforward', 'proxy'])

export interface ManualStep { atMs: number; by: string; what: string }

/** Every change between `fromMs` and `toMs` that was made by none of the automata, once each, oldest first. One that was refused changed nothing. */
export function manualSteps(entries: readonly AuditEntry[], { fromMs, toMs }: AuditSpan, options: ManualStepsOptions): ManualStep[] {
  const within = entries.filter(entry => isChange(entry) && atMs(entry) >= fromMs && atMs(entry) <= toMs)
  const once = [...new Map(within.map(entry => [entry.auditID, entry])).values()] // a long request has a line at its begin and one at its end
  return once
    .filter(entry => !automata.some(automaton => automaton.is(entry, options)))
    .map(entry => ({ atMs: atMs(entry), by: user(entry), what: describe(entry) }))
    .toSorted((a, b) => a.atMs - b.atMs)
}

const atMs = (entry: AuditEntry) => Date.parse(entry.requestReceivedTimestamp)

function isChange({ verb, objectRef, responseStatus }: AuditEntry): boolean {
  if ((responseStatus?.code ?? 200) >= 400) return false
  if (questions.has(objectRef?.resource ?? '')) return false
  return changing.has(verb) || entering.has(objectRef?.subresource ?? '')
}

/** Whose scaling it is: the autoscaler's own controller, or anybody's. */
export function scalings(entries: readonly AuditEntry[], span: AuditSpan, of: { namespace: string; name: string }): { byAutoscaler: number; byOthers: ManualStep[] } {
  const calls = [...new Map(entries.filter(entry => isChange(entry) && isScaling(entry, of) && atMs(entry) >= span.fromMs && atMs(entry) <= span.toMs).map(entry => [entry.auditID, entry])).values()]
  const [own, others] = [calls.filter(isAutoscaler), calls.filter(entry => !isAutoscaler(entry))]
  return { byAutoscaler: own.length, byOthers: others.map(entry => ({ atMs: atMs(entry), by: user(entry), what: describe(entry) })) }
}

/** Controllers have accounts of their own where the control plane is told so (--use-service-account-credentials), as kubeadm does. */
const autoscalers = [serviceAccount('kube-system', 'horizontal-pod-autoscaler'), 'system:kube-controller-manager']
const isAutoscaler = (entry: AuditEntry) => autoscalers.includes(user(entry))

/** A change of the Deployment itself may be one of its replicas; but what its own controller writes are its status and its revision. */
function isScaling(entry: AuditEntry, { namespace, name }: { namespace: string; name: string }): boolean {
  const { objectRef } = entry
  if (objectRef?.resource !== 'deployments' || objectRef.namespace !== namespace || objectRef.name !== name) return false
  return objectRef.subresource === 'scale' || (objectRef.subresource === undefined && !deploymentControllers.includes(user(entry)))
}

const deploymentControllers = [serviceAccount('kube-system', 'deployment-controller'), 'system:kube-controller-manager']

function describe({ verb, objectRef }: AuditEntry): string {
  const { resource = '?', subresource, namespace, name } = objectRef ?? {}
  return `${verb} ${resource}${subresource === undefined ? '' : `/${subresource}`} ${namespace === undefined ? '' : `${namespace}/`}${name ?? ''}`.trim()
}
