import { CustomObjectsApi, makeInformer, PatchStrategy, setHeaderOptions, type KubeConfig, type KubernetesListObject, type KubernetesObject } from '@kubernetes/client-node'
import type { Logger } from 'pino'
import { messageOf } from '#shared/errors.ts'
import { unless, unlessMissing } from '#shared/kubernetes-answer.ts'

const group = { group: 'faultline.dev', version: 'v1alpha1' } as const
const againMs = 1_000

export interface ObjectName { namespace: string; name: string }

/** One kind of faultline's custom resources, at the API server. */
export interface CustomObjects {
  list(namespace: string): Promise<readonly KubernetesObject[]>
  /** Undefined when there is none. */
  read(named: ObjectName): Promise<unknown>
  /** False when there is one of that name. */
  create(namespace: string, body: object): Promise<boolean>
  /** False when there is none. */
  remove(named: ObjectName): Promise<boolean>
  /** All of it: of `keys`, what `status` leaves out goes. For this object alone, and not for another that got its name; nothing to do when it is gone. */
  writeStatus(metadata: ObjectName & { uid: string }, status: object, keys: readonly string[]): Promise<void>
}

/** `plural`: as in the resource's path, such as `experiments`. */
export function customObjects(kubernetes: KubeConfig, plural: string): CustomObjects {
  const api = kubernetes.makeApiClient(CustomObjectsApi)
  const resource = { ...group, plural }
  return {
    list: async namespace => (await api.listNamespacedCustomObject({ ...resource, namespace }) as KubernetesListObject<KubernetesObject>).items,
    read: named => unlessMissing(api.getNamespacedCustomObject({ ...resource, ...named })),
    create: async (namespace, body) => await unless([409], api.createNamespacedCustomObject({ ...resource, namespace, body })) !== undefined,
    remove: async named => await unlessMissing(api.deleteNamespacedCustomObject({ ...resource, ...named })) !== undefined,
    async writeStatus({ namespace, name, uid }, status, keys) {
      const body = { metadata: { uid }, status: { ...Object.fromEntries(keys.map(key => [key, null])), ...status } }
      // 409: it is another by now
      await unless([404, 409], api.patchNamespacedCustomObjectStatus({ ...resource, namespace, name, body }, setHeaderOptions('Content-Type', PatchStrategy.MergePatch)))
    },
  }
}

/** They are watched in all namespaces; what is known by the watch may lag behind. */
export interface WatchedObjects {
  all(): readonly KubernetesObject[]
  get(named: ObjectName): KubernetesObject | undefined
  /** Whether what was there at the beginning is known. */
  isSynced(): boolean
  start(): Promise<void>
  stop(): Promise<void>
}

export interface WatchOptions {
  log: Logger
  /** It is new, or another than before. */
  onChange?(object: KubernetesObject): void
  onDelete?(object: KubernetesObject): void
}

/** A watch that breaks is begun again, for ever. */
export function watchObjects(kubernetes: KubeConfig, plural: string, { log, onChange, onDelete }: WatchOptions): WatchedObjects {
  const api = kubernetes.makeApiClient(CustomObjectsApi)
  let isSynced = false
  let isStopping = false
  let restart: NodeJS.Timeout | undefined
  const informer = makeInformer(kubernetes, `/apis/${group.group}/${group.version}/${plural}`, async () => {
    const list = await api.listClusterCustomObject({ ...group, plural }) as KubernetesListObject<KubernetesObject>
    isSynced = true
    return list
  })
  if (onChange) for (const change of ['add', 'update'] as const) informer.on(change, onChange)
  if (onDelete) informer.on('delete', onDelete)
  informer.on('error', (error: unknown) => {
    if (isStopping) return
    log.warn({ resource: plural, why: messageOf(error) }, 'custom objects cannot be watched; tried again')
    restart = setTimeout(() => void informer.start(), againMs)
  })
  return {
    all: () => informer.list(),
    get: ({ namespace, name }) => informer.get(name, namespace),
    isSynced: () => isSynced,
    start: () => informer.start(),
    async stop() {
      isStopping = true
      clearTimeout(restart)
      await informer.stop()
    },
  }
}
