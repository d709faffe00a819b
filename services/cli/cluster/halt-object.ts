import { CoreV1Api, PatchStrategy, setHeaderOptions } from '@kubernetes/client-node'
import { messageOf } from '#shared/errors.ts'
import { haltConfigMap } from '#shared/halt-config-map.ts'
import { codeOf } from '#shared/kubernetes-answer.ts'
import { readKubeConfig } from './kube-config.ts'
import { ClusterUnready, type ClusterOptions } from './scheduler.ts'

/** How many pods were asked to look at once, of how many. */
export interface Told { pods: number; told: number }

const partOfFaultline = 'app.kubernetes.io/part-of=faultline'

/** Halts by the API server alone: neither NATS nor a scheduler is asked. One that is there stays as it was. Throws ContextUnknown, ClusterUnready. */
export async function putHaltObject({ context, namespace }: ClusterOptions, why: string): Promise<Told> {
  const core = readKubeConfig(context).makeApiClient(CoreV1Api)
  const body = { metadata: { name: haltConfigMap.name, labels: { 'app.kubernetes.io/part-of': 'faultline' } }, data: { [haltConfigMap.key]: `${why}\n` } }
  await core.createNamespacedConfigMap({ namespace, body }).catch((error: unknown) => {
    if (codeOf(error) !== 409) throw new ClusterUnready(`the ConfigMap ${haltConfigMap.name} could not be made in ${namespace}: ${messageOf(error)}`, { cause: error })
  })
  return tellPods(core, namespace)
}

/** Undefined when there was none. Throws ContextUnknown, ClusterUnready. */
export async function removeHaltObject({ context, namespace }: ClusterOptions): Promise<Told | undefined> {
  const core = readKubeConfig(context).makeApiClient(CoreV1Api)
  try {
    await core.deleteNamespacedConfigMap({ name: haltConfigMap.name, namespace })
  } catch (error) {
    if (codeOf(error) === 404) return undefined
    throw new ClusterUnready(`the ConfigMap ${haltConfigMap.name} could not be removed from ${namespace}: ${messageOf(error)}`, { cause: error })
  }
  return tellPods(core, namespace)
}

/** As after a change: a ConfigMap that was deleted by other means still lies in the pods' mounts. Throws ContextUnknown. */
export async function havePodsLook({ context, namespace }: ClusterOptions): Promise<Told> {
  return tellPods(readKubeConfig(context).makeApiClient(CoreV1Api), namespace)
}

/** A kubelet brings what is mounted up to date when its pod is changed, and otherwise within a minute or so. */
async function tellPods(core: CoreV1Api, namespace: string): Promise<Told> {
  const { items } = await core.listNamespacedPod({ namespace, labelSelector: partOfFaultline }).catch(() => ({ items: [] }))
  const body = { metadata: { annotations: { [haltConfigMap.told]: new Date().toISOString() } } }
  const mergePatch = setHeaderOptions('Content-Type', PatchStrategy.MergePatch)
  const told = await Promise.allSettled(items.map(({ metadata }) => core.patchNamespacedPod({ namespace, name: metadata?.name ?? '', body }, mergePatch)))
  return { pods: items.length, told: told.filter(({ status }) => status === 'fulfilled').length }
}
