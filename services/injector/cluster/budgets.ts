import type { V1LabelSelector, V1PodDisruptionBudget } from '@kubernetes/client-node'
import type { BoundPod } from '#shared/target.ts'
import { FaultRefused } from '../fault-refused.ts'
import { ask, type Kubernetes } from './kubernetes.ts'

type Labels = Readonly<Record<string, string>>
/** A pod that a fault makes unavailable. */
export interface Disrupted { namespace: string; labels: Labels }

/**
 * Throws FaultRefused when a PodDisruptionBudget allows fewer disruptions than these. It is asked for every fault that makes pods unavailable, not
 * only for those that evict: a budget says how many its owner can do without, whatever the reason.
 */
export async function demandBudgets({ policy }: Kubernetes, pods: readonly Disrupted[]): Promise<void> {
  for (const [namespace, disrupted] of Map.groupBy(pods, pod => pod.namespace)) {
    const { items } = await ask(`PodDisruptionBudgets of ${namespace}`, policy.listNamespacedPodDisruptionBudget({ namespace }))
    const why = overBudget(items, disrupted.map(({ labels }) => labels))
    if (why !== undefined) throw new FaultRefused(`${namespace}: ${why}; blastRadius.disruptionBudgets: ignore would do it all the same`)
  }
}

/** The labels of these pods, which the budgets go by. */
export async function disruptedBy({ core }: Kubernetes, pods: readonly BoundPod[]): Promise<Disrupted[]> {
  return Promise.all(pods.map(async ({ pod: { namespace, name } }) => {
    const found = await ask(`${namespace}/${name}`, core.readNamespacedPod({ namespace, name }))
    return { namespace, labels: found.metadata?.labels ?? {} }
  }))
}

/** Which budget would be overdrawn, or nothing. Pure. */
export function overBudget(budgets: readonly V1PodDisruptionBudget[], pods: readonly Labels[]): string | undefined {
  for (const { metadata, spec, status } of budgets) {
    const hit = pods.filter(labels => selects(spec?.selector, labels)).length
    const isCurrent = (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0)
    const allowed = isCurrent ? status?.disruptionsAllowed ?? 0 : 0 // until its controller has looked, it allows nothing
    if (hit > allowed) return `the PodDisruptionBudget ${metadata?.name} allows ${allowed} more ${allowed === 1 ? 'disruption' : 'disruptions'} now, and this would be ${hit}`
  }
  return undefined
}

/** As Kubernetes matches it (meta/v1, LabelSelector): none matches nothing, an empty one everything. Pure. */
export function selects(selector: V1LabelSelector | undefined, labels: Labels): boolean {
  if (!selector) return false
  const byLabel = Object.entries(selector.matchLabels ?? {}).every(([name, value]) => labels[name] === value)
  return byLabel && (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const value = labels[key]
    switch (operator) {
      case 'In': return value !== undefined && values.includes(value)
      case 'NotIn': return value === undefined || !values.includes(value)
      case 'Exists': return value !== undefined
      case 'DoesNotExist': return value === undefined
      default: return true // unknown to this version: counted as hit, so that nothing is overdrawn
    }
  })
}
