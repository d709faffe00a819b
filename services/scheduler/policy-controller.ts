import { isDeepStrictEqual } from 'node:util'
import type { KubeConfig } from '@kubernetes/client-node'
import type { Logger } from 'pino'
import type { Clock } from '#shared/clock.ts'
import { messageOf } from '#shared/errors.ts'
import type { Controller } from './experiment-controller.ts'
import { customObjects, watchObjects } from './custom-objects.ts'
import { readOrigin } from './experiment-object.ts'
import type { Policies } from './policies.ts'
import { outlookOfPolicy, policyNameOf, readPolicyObject, type PolicyObject, type PolicyStatus } from './policy-object.ts'
import { NotLeading } from './service.ts'

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
  const objects = customObjects(kubernetes, 'policies')
  const written = new Map<string, PolicyStatus>()
  const watched = watchObjects(kubernetes, 'policies', { log, onDelete: ({ metadata }) => void written.delete(metadata?.uid ?? '') })
  let isStopping = false

  async function reconcile(object: PolicyObject): Promise<void> {
    const { uid } = object.metadata
    const inForce = () => policies.list().find(({ name }) => name === policyNameOf(object))
    const { deed } = outlookOfPolicy(object, inForce(), clock.nowMs())
    if (deed?.do === 'set') await policies.set(object.document, deed.by, deed.name)
    if (deed?.do === 'remove') await policies.remove(deed.name, 'a change of its object that cannot be accepted')
    const previous = written.get(uid) ?? object.status
    const { status } = outlookOfPolicy({ ...object, status: previous }, inForce(), clock.nowMs())
    if (isDeepStrictEqual(status, previous)) return
    await objects.writeStatus(object.metadata, status, ['reason', 'policyName', 'nextAt', 'lastRun', 'lastVerdict'])
    written.set(uid, status)
  }

  /** The watch of a new leader may have begun after the object was gone, or may lag behind: the API server is asked before a policy is removed for it. */
  async function removeOrphans(): Promise<void> {
    if (!watched.isSynced()) return
    for (const { name, by } of policies.list()) {
      const origin = readOrigin(by)
      if (!origin || watched.get(origin)?.metadata?.uid === origin.uid) continue
      if (readPolicyObject(await objects.read(origin))?.metadata.uid !== origin.uid) await policies.remove(name, 'the deletion of its object')
    }
  }

  let looking: Promise<void> | undefined
  async function lookAtAll(): Promise<void> {
    for (const item of watched.all()) {
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

  await watched.start()
  return {
    async stop() {
      isStopping = true
      clearInterval(ticking)
      await watched.stop()
      await looking
    },
  }
}
