import { isDeepStrictEqual } from 'node:util'
import { CustomObjectsApi, makeInformer, PatchStrategy, setHeaderOptions, type KubeConfig, type KubernetesListObject, type KubernetesObject } from '@kubernetes/client-node'
import type { Logger } from 'pino'
import type { Clock } from '#shared/clock.ts'
import { messageOf } from '#shared/errors.ts'
import { outlook, readCampaignObject, readChild, type CampaignObject, type CampaignStatus, type ChildExperiment, type Deed } from './campaign-object.ts'
import { codeOf, type Controller } from './controller.ts'

const group = { group: 'faultline.dev', version: 'v1alpha1' } as const
const campaigns = { ...group, plural: 'campaigns' } as const
const experiments = { ...group, plural: 'experiments' } as const
const path = `/apis/${group.group}/${group.version}/${campaigns.plural}`
const lookEveryMs = 1_000

export interface CampaignControllerOptions {
  kubernetes: KubeConfig
  /** Whether this scheduler leads: only then it acts. */
  leads: () => boolean
  clock: Clock
  log: Logger
}

/**
 * Campaigns as objects of Kubernetes: makes their Experiments one after another, and follows them. Only what is under way is looked at, every second,
 * and then with the API server itself; a Campaign that is over, or refused, is left alone. There is no finalizer: its Experiments have it for their owner.
 */
export async function startCampaignController({ kubernetes, leads, clock, log }: CampaignControllerOptions): Promise<Controller> {
  const objects = kubernetes.makeApiClient(CustomObjectsApi)
  const informer = makeInformer(kubernetes, path, async () => await objects.listClusterCustomObject(campaigns) as KubernetesListObject<KubernetesObject>)
  let restart: NodeJS.Timeout | undefined
  let isStopping = false
  informer.on('error', (error: unknown) => {
    if (isStopping) return
    log.warn({ why: messageOf(error) }, 'Campaigns cannot be watched; tried again')
    restart = setTimeout(() => void informer.start(), lookEveryMs)
  })

  async function reconcile({ metadata: { namespace, name } }: CampaignObject): Promise<void> {
    const object = readCampaignObject(await objects.getNamespacedCustomObject({ ...campaigns, namespace, name }))
    if (!object || isOver(object)) return
    const children = (await objects.listNamespacedCustomObject({ ...experiments, namespace }) as KubernetesListObject<KubernetesObject>).items.flatMap((item): ChildExperiment[] => {
      const child = readChild(item)
      return child ? [child] : []
    })
    const { status, deeds } = outlook(object, children, clock.nowMs())
    // first what is done, then what is told: an Experiment that was made and not told of yet is found by its labels
    for (const deed of deeds) await act(object, deed)
    if (!isDeepStrictEqual(status, object.status)) await writeStatus(object, status)
  }

  async function act({ metadata: { namespace, name } }: CampaignObject, deed: Deed): Promise<void> {
    try {
      if (deed.do === 'create') await objects.createNamespacedCustomObject({ ...experiments, namespace, body: deed.body })
      else await objects.deleteNamespacedCustomObject({ ...experiments, namespace, name: deed.name })
      log.info({ campaign: `${namespace}/${name}`, experiment: deed.name }, deed.do === 'create' ? 'the next Experiment was made' : 'an Experiment was deleted')
    } catch (error) {
      if (codeOf(error) !== (deed.do === 'create' ? 409 : 404)) throw error // seen at the next look
    }
  }

  /** All of it, so that nothing of an earlier generation is left. */
  async function writeStatus({ metadata: { namespace, name, uid } }: CampaignObject, status: CampaignStatus): Promise<void> {
    const nothing = { verdict: null, completedAt: null, stopped: null }
    try {
      await objects.patchNamespacedCustomObjectStatus({ ...campaigns, namespace, name, body: { metadata: { uid }, status: { ...nothing, ...status } } }, setHeaderOptions('Content-Type', PatchStrategy.MergePatch))
    } catch (error) {
      if (codeOf(error) !== 404 && codeOf(error) !== 409) throw error // it is gone, and so is whom it was for
    }
  }

  let looking: Promise<void> | undefined
  async function lookAtAll(): Promise<void> {
    for (const item of informer.list()) {
      const object = readCampaignObject(item)
      if (!object || isOver(object) || !leads() || isStopping) continue
      await reconcile(object).catch((error: unknown) => {
        if (codeOf(error) !== 404) log.warn({ campaign: `${object.metadata.namespace}/${object.metadata.name}`, why: messageOf(error) }, 'the Campaign could not be brought up to date; tried again')
      })
    }
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

const isOver = ({ metadata: { generation }, status }: CampaignObject): boolean => status?.observedGeneration === generation && status.phase !== 'Running'
