import { createHash } from 'node:crypto'
import type { StoredFact } from '#shared/events.ts'
import { isNode, isProcess, isWorkload, type BoundTarget } from '#shared/target.ts'
import type { Origin } from './experiment-object.ts'

/** What an Event is about (v1.ObjectReference). A node has no namespace. */
export interface Regarding { apiVersion: string; kind: string; namespace?: string; name: string; uid: string }

/** An Event before it is sent (events.k8s.io/v1). The same fact makes the same names, so that one that is sent twice is there once. */
export interface EventToSend {
  name: string
  /** Where it lies: beside what it is about; Kubernetes wants those about nodes in `default`. */
  namespace: string
  regarding: Regarding
  type: 'Normal' | 'Warning'
  reason: string
  action: string
  note: string
  atMs: number
}

const longestNote = 1_000

/** A fact as Events for who looks at a target or at the experiment (`kubectl get events`, `kubectl describe pod`). Pure. */
export function eventsOf(stored: StoredFact, origin: Origin | undefined): EventToSend[] {
  const run = stored.fact.subject
  const experiment: Regarding[] = origin ? [{ apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', namespace: origin.namespace, name: origin.name, uid: origin.uid }] : []
  const about = (regarding: readonly Regarding[], type: EventToSend['type'], reason: string, note: string): EventToSend[] => regarding.map(object => ({
    name: `${object.name.slice(0, 200)}.${createHash('sha256').update(`${stored.fact.id} ${object.uid}`).digest('hex').slice(0, 16)}`,
    namespace: object.namespace ?? 'default', regarding: object, type, reason, action: reason, note: note.slice(0, longestNote), atMs: Date.parse(stored.fact.time),
  }))
  switch (stored.kind) {
    case 'run.submitted': return about(experiment, 'Normal', 'RunSubmitted', `run ${run}`)
    case 'run.aborting': return about(experiment, 'Warning', 'RunAborting', `${stored.fact.data.cause}: ${stored.fact.data.detail}`)
    case 'run.judged': {
      const { verdict, reasons } = stored.fact.data
      return about(experiment, verdict === 'passed' ? 'Normal' : 'Warning', 'RunJudged', [verdict, ...reasons].join('; '))
    }
    case 'fault.refused': return about(experiment, 'Warning', 'FaultRefused', `${stored.fact.data.fault} on ${stored.fact.data.node}: ${stored.fact.data.why}`)
    case 'fault.lapsed': return about(experiment, 'Warning', 'LeaseLapsed', `${stored.fact.data.fault} on ${stored.fact.data.node} was renewed by nobody`)
    case 'fault.injected': {
      const { fault, kind, targets, verified } = stored.fact.data
      return about([...experiment, ...targets.flatMap(referenceTo)], 'Warning', 'FaultInjected', `${kind} (${fault} of the run ${run})${verified ? '' : ', not seen to have worked'}`)
    }
    case 'fault.reverted': {
      const { fault, kind, targets, verified, cause } = stored.fact.data
      if (cause === 'instant') return [] // nothing stayed that could be undone
      const [type, reason] = verified ? ['Normal', 'FaultReverted'] as const : ['Warning', 'RevertUnconfirmed'] as const
      return about([...experiment, ...targets.flatMap(referenceTo)], type, reason, `${kind} (${fault} of the run ${run}), ended by ${cause}`)
    }
    default: return []
  }
}

/** Processes of a machine are no objects. */
function referenceTo(target: BoundTarget): Regarding[] {
  if (isProcess(target)) return []
  if (isNode(target)) return [{ apiVersion: 'v1', kind: 'Node', ...target.node }]
  if (isWorkload(target)) return [{ apiVersion: 'apps/v1', ...target.workload }]
  const { namespace, name, uid } = target.pod
  return [{ apiVersion: 'v1', kind: 'Pod', namespace, name, uid }]
}
