import { isDeepStrictEqual } from 'node:util'
import type { KubeConfig } from '@kubernetes/client-node'
import type { Logger } from 'pino'
import type { Clock } from '#shared/clock.ts'
import { messageOf } from '#shared/errors.ts'
import { codeOf } from '#shared/kubernetes-answer.ts'
import { outlook, readCampaignObject, readChild, type CampaignObject, type Deed } from './campaign-object.ts'
import type { Controller } from './experiment-controller.ts'
import { customObjects, watchObjects } from './custom-objects.ts'

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
  const [campaigns, experiments] = [customObjects(kubernetes, 'campaigns'), customObjects(kubernetes, 'experiments')]
  const watched = watchObjects(kubernetes, 'campaigns', { log })
  let isStopping = false

  async function reconcile({ metadata: { namespace, name } }: CampaignObject): Promise<void> {
    const object = readCampaignObject(await campaigns.read({ namespace, name }))
    if (!object || isOver(object)) return
    const children = (await experiments.list(namespace)).flatMap(item => readChild(item) ?? [])
    const { status, deeds } = outlook(object, children, clock.nowMs())
    // first what is done, then what is told: an Experiment that was made and not told of yet is found by its labels
    for (const deed of deeds) await act(object, deed)
    if (!isDeepStrictEqual(status, object.status)) await campaigns.writeStatus(object.metadata, status, ['verdict', 'completedAt', 'stopped'])
  }

  /** What is there already, or gone already, is seen at the next look. */
  async function act({ metadata: { namespace, name } }: CampaignObject, deed: Deed): Promise<void> {
    const isDone = await (deed.do === 'create' ? experiments.create(namespace, deed.body) : experiments.remove({ namespace, name: deed.name }))
    if (isDone) log.info({ campaign: `${namespace}/${name}`, experiment: deed.name }, deed.do === 'create' ? 'the next Experiment was made' : 'an Experiment was deleted')
  }

  let looking: Promise<void> | undefined
  async function lookAtAll(): Promise<void> {
    for (const item of watched.all()) {
      const object = readCampaignObject(item)
      if (!object || isOver(object) || !leads() || isStopping) continue
      await reconcile(object).catch((error: unknown) => {
        if (codeOf(error) !== 404) log.warn({ campaign: `${object.metadata.namespace}/${object.metadata.name}`, why: messageOf(error) }, 'the Campaign could not be brought up to date; tried again')
      })
    }
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

const isOver = ({ metadata: { generation }, status }: CampaignObject): boolean => status?.observedGeneration === generation && status.phase !== 'Running'
