import type { Experiment } from '#shared/experiment.ts'
import { printTargetSpec, type PodSelector, type TargetSpec } from '#shared/target.ts'

/** What a run is on, as far as an experiment says it before anything is looked up. `*`: any. Processes of a machine have the empty namespace. */
export interface ServiceKey { namespace: string; app: string }

const everything: ServiceKey = { namespace: '*', app: '*' }

export const printServiceKey = ({ namespace, app }: ServiceKey): string => namespace === '*' ? 'any service' : `${namespace === '' ? 'processes' : namespace}/${app}`

/** Whether two runs could be on the same service. What says less than a service is on all of those that it could mean. */
export const areSame = (a: ServiceKey, b: ServiceKey): boolean =>
  (a.namespace === b.namespace || (a.namespace !== '' && b.namespace !== '' && (a.namespace === '*' || b.namespace === '*')))
  && (a.app === b.app || a.app === '*' || b.app === '*')

/**
 * The services that an experiment's faults are on, each once: by the label app.kubernetes.io/name or app, else by the workload's name; where neither is
 * named, all of the namespace. A fault on a node is on every service, since any may have pods there. The other side of a partition is on it too.
 */
export function servicesOfExperiment({ faults }: Pick<Experiment, 'faults'>): ServiceKey[] {
  const found = faults.flatMap(({ target, peers = [] }) => {
    const keys = serviceOfTarget(target)
    return [keys, ...peers.flatMap(peer => 'apiServer' in peer || 'faultline' in peer ? [] : [ofPods(peer.namespace ?? keys.namespace, peer)])]
  })
  return [...new Map(found.map(key => [printServiceKey(key), key])).values()]
}

/** `*`: any, as far as the target says. */
export function serviceOfTarget({ process, pods, workload }: TargetSpec): ServiceKey {
  if (process) return { namespace: '', app: process.parent ?? '*' }
  if (workload) return { namespace: workload.namespace, app: workload.name }
  return pods ? ofPods(pods.namespace, pods) : everything
}

const ofPods = (namespace: string, { labels, owner }: PodSelector): ServiceKey => ({ namespace, app: labels?.['app.kubernetes.io/name'] ?? labels?.['app'] ?? owner?.name ?? '*' })

/** In one line what an experiment's faults do to whom, for people. */
export const describeFaults = ({ faults }: Pick<Experiment, 'faults'>): string =>
  faults.map(({ kind, target }) => `${kind} on ${printTargetSpec(target)}${pickOf(target)}`).join('; ') || 'no fault'

function pickOf({ process, pods, nodes }: TargetSpec): string {
  const pick = (process ?? pods ?? nodes)?.pick
  return pick === undefined ? '' : `, ${pick}`
}
