import type { V1ObjectMeta } from '@kubernetes/client-node'
import type { Owner } from '#shared/target.ts'
import { ask, type Kubernetes } from '../cluster/kubernetes.ts'
import type { PodResolver } from '../pod-resolver.ts'

/** `owner`: the workload whose pods they are, by its UID: one that was deleted and made again under the same name is another. */
export default {
  kind: 'owner',
  async narrow({ owner }, namespace, { kubernetes }) {
    if (!owner) return {}
    const owners = await uidsOf(owner, namespace, kubernetes)
    return { fits: ({ metadata }) => owners.has(controllerOf(metadata) ?? '') }
  },
} satisfies PodResolver

/** Who controls pods for it: the workload itself, or a Deployment's ReplicaSets, old ones in an update too. */
async function uidsOf({ kind, name }: Owner, namespace: string, { apps }: Kubernetes): Promise<Set<string>> {
  const what = `${kind} ${namespace}/${name}`
  const uid = async (answer: Promise<{ metadata?: V1ObjectMeta }>): Promise<string> => (await ask(what, answer)).metadata?.uid ?? ''
  switch (kind) {
    case 'StatefulSet': return new Set([await uid(apps.readNamespacedStatefulSet({ namespace, name }))])
    case 'DaemonSet': return new Set([await uid(apps.readNamespacedDaemonSet({ namespace, name }))])
    case 'ReplicaSet': return new Set([await uid(apps.readNamespacedReplicaSet({ namespace, name }))])
    case 'Deployment': {
      const deployment = await uid(apps.readNamespacedDeployment({ namespace, name }))
      const { items } = await ask(`the ReplicaSets of ${what}`, apps.listNamespacedReplicaSet({ namespace }))
      return new Set(items.flatMap(({ metadata }) => controllerOf(metadata) === deployment ? metadata?.uid ?? [] : []))
    }
  }
}

const controllerOf = (metadata: V1ObjectMeta | undefined): string | undefined => metadata?.ownerReferences?.find(({ controller }) => controller)?.uid
