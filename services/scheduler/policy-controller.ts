import { isDeepStrictEqual } from 'node:util'
import { CustomObjectsApi, makeInformer, PatchStrategy, setHeaderOptions, type KubeConfig, type KubernetesListObject, type KubernetesObject } from '@kubernetes/client-node'
import type { Logger } from 'pino'
import type { Clock } from '#shared/clock.ts'
import { messageOf } from '#shared/errors.ts'
import { codeOf, type Controller } from './controller.ts'
import { readOrigin } from './experiment-object.ts'
import type { Policies } from './policies.ts'
import { outlookOfPolicy, policyNameOf, readPolicyObject, type PolicyObject, type PolicyStatus } from './policy-object.ts'
import { NotLeading } from './service.ts'

const resource = { group: 'faultline.dev', version: 'v1alpha1', plural: 'policies' } as const
const path = `/apis/${resource.group}/${resource.version}/${resource.plural}`
const lookEveryMs = 1_000

export interface PolicyControllerOptions {
  kubernetes: KubeConfig
  policies: Policies
  /** Whether this scheduler leads: only then it acts. */
  leads: () => boolean
  clock: Clock
  log: Logger
}

/**
 * Policies as objects of Kubernetes: each is put in force, its status follows, and with the object the policy is gone. There is no finalizer: a policy in force
 * bears the object that asked for it, and one whose object is gone is removed by whoever leads.
 */
export async function startPolicyController({ kubernetes, policies, leads, clock, log }: PolicyControllerOptions): Promise<Controller> {
  const objects = kubernetes.makeApiClient(CustomObjectsApi)
  const written = new Map<string, PolicyStatus>()
  let isSynced = false
  let isStopping = false
  let restart: NodeJS.Timeout | undefined
  const informer = makeInformer(kubernetes, path, async () => {
    const list = await objects.listClusterCustomObject(resource) as KubernetesListObject<KubernetesObject>
    isSynced = true
    return list
  })
  informer.on('delete', ({ metadata }) => void written.delete(metadata?.uid ?? ''))
  informer.on('error', (error: unknown) => {
    if (isStopping) return
    log.warn({ why: messageOf(error) }, 'Policies cannot be watched; tried again')
    restart = setTimeout(() => void informer.start(), lookEveryMs)
  })

  async function reconcile(object: PolicyObject): Promise<void> {
    const { uid } = object.metadata
    const inForce = () => policies.list().find(({ name }) => name === policyNameOf(object))
    const { deed } = outlookOfPolicy(object, inForce(), clock.nowMs())
    if (deed?.do === 'set') await policies.set(object.document, deed.by, deed.name)
    if (deed?.do === 'remove') await policies.remove(deed.name, 'a change of its object that cannot be accepted')
    const previous = written.get(uid) ?? object.status
    const { status } = outlookOfPolicy({ ...object, status: previous }, inForce(), clock.nowMs())
    if (isDeepStrictEqual(status, previous)) return
    await writeStatus(object, status)
    written.set(uid, status)
  }

  /** All of it, so that nothing of an earlier state is left; for this object alone, and not for another that got its name. */
  async function writeStatus({ metadata: { namespace, name, uid } }: PolicyObject, status: PolicyStatus): Promise<void> {
    const nothing = { reason: null, policyName: null, nextAt: null, lastRun: null, lastVerdict: null }
    try {
      await objects.patchNamespacedCustomObjectStatus({ ...resource, namespace, name, body: { metadata: { uid }, status: { ...nothing, ...status } } }, setHeaderOptions('Content-Type', PatchStrategy.MergePatch))
    } catch (error) {
      if (codeOf(error) !== 404 && codeOf(error) !== 409) throw error // it is gone, and so is whom it was for
    }
  }

  /** The watch of a new leader may have begun after the object was gone, or may lag behind: the API server is asked before a policy is removed for it. */
  async function removeOrphans(): Promise<void> {
    if (!isSynced) return
    for (const { name, by } of policies.list()) {
      const origin = readOrigin(by)
      if (!origin || informer.get(origin.name, origin.namespace)?.metadata?.uid === origin.uid) continue
      const found = await objects.getNamespacedCustomObject({ ...resource, namespace: origin.namespace, name: origin.name }).catch((error: unknown) => {
        if (codeOf(error) === 404) return undefined
        throw error
      })
      if (readPolicyObject(found)?.metadata.uid !== origin.uid) await policies.remove(name, 'the deletion of its object')
    }
  }

  let looking: Promise<void> | undefined
  async function lookAtAll(): Promise<void> {
    for (const item of informer.list()) {
      const object = readPolicyObject(item)
      if (!object || !leads() || isStopping) continue
      await reconcile(object).catch((error: unknown) => {
        if (!(error instanceof NotLeading)) log.warn({ policy: `${object.metadata.namespace}/${object.metadata.name}`, why: messageOf(error) }, 'the Policy could not be brought up to date; tried again')
      })
    }
    await removeOrphans().catch((error: unknown) => {
      if (!(error instanceof NotLeading)) log.warn({ why: messageOf(error) }, 'it could not be found out whether the objects of all policies are there')
    })
  }
  const ticking = setInterval(() => { if (leads()) looking ??= lookAtAll().finally(() => { looking = undefined }) }, lookEveryMs)

  await informer.start()
  return {
    async stop() {
      isStopping = true
      clearTimeout(restart)
      clearInterval(ticking)
      await informer.stop()
      await looking
    },
  }
}
