import { FaultRefused } from '../fault-refused.ts'
import { refusedNamespaces } from '../node-driver.ts'
import { ask, type Kubernetes } from './kubernetes.ts'

/** A namespace takes part only with this label, and so does a node. */
export const optInLabel = 'faultline.dev/chaos'
const optInValue = 'allowed'

export const hasOptedIn = (labels: Readonly<Record<string, string>> | undefined): boolean => labels?.[optInLabel] === optInValue

/** Throws FaultRefused unless the namespace has opted in. */
export async function demandOptIn({ core }: Kubernetes, namespace: string): Promise<void> {
  if (refusedNamespaces.includes(namespace)) throw new FaultRefused(`the namespace ${namespace} is never touched, whatever its labels`)
  const found = await ask(`the namespace ${namespace}`, core.readNamespace({ name: namespace }))
  if (!hasOptedIn(found.metadata?.labels)) {
    throw new FaultRefused(`the namespace ${namespace} has not opted in; kubectl label namespace ${namespace} ${optInLabel}=${optInValue}`)
  }
}

/** The label by which people opt it in. */
export const howToOptIn = (node: string): string => `kubectl label node ${node} ${optInLabel}=${optInValue}`
