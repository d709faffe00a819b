import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { KubeConfig } from '@kubernetes/client-node'
import type { Logger } from 'pino'
import type { Clock } from '#shared/clock.ts'
import type { SettingName } from '#shared/config.ts'
import { haltFiles, haltPaths } from '#shared/halt-file.ts'
import { listenAddress, runService } from '#shared/main.ts'
import { configuredNats } from '#shared/nats-login.ts'
import { configuredPrometheus, connectPrometheus } from '#shared/prometheus.ts'
import { openRotatingFile } from '#shared/rotating-file.ts'
import { rotatingSetting } from '#shared/rotating-setting.ts'
import { verdictKeysNow } from '#shared/verdict-keys.ts'
import { schedulerApi } from './api.ts'
import type { Controller } from './experiment-controller.ts'
import type { HaltInKubernetes } from './halt-config-map.ts'
import { recordHalts } from './halt-record.ts'
import { joinLeadership } from './leadership.ts'
import { startPolicies, type Policies } from './policies.ts'
import { openWebhook } from './policy-webhook.ts'
import { startScheduler, type Scheduler } from './service.ts'
import type { Rotating } from './tokens.ts'
import { parseTokensFile } from './tokens-file.ts'

/** Where faultline is installed. */
const ownNamespace = 'faultline-system'

await runService('scheduler', async ({ bus, clock, log, metrics, config }) => {
  let listeningAt: string | undefined
  const leadership = await joinLeadership({
    nats: configuredNats(config, log), replicas: Number(config.need('nats.replicas')), clock, log,
    holder: `${hostname()}-${randomBytes(2).toString('hex')}`, // a pod that starts its container again has the same name
    address: () => listeningAt,
  })
  const kubernetes = config.need('scheduler.experiments') === 'kubernetes' ? await connectKubernetes(log) : undefined
  const onDisk = haltFiles(haltPaths(config))
  const findHalt = () => kubernetes?.halt.findHalt() ?? onDisk()
  const scheduler = await startScheduler({ bus, clock, log, leadership, metrics, findHalt })
  const halts = recordHalts({ bus, clock, log, leads: () => leadership.epoch() !== undefined, findHalt })
  const [asked, webhookUrl] = [configuredPrometheus(config), config.get('policy.webhookUrl')]
  const prometheus = asked && connectPrometheus(asked)
  const policies = await startPolicies({ bus, scheduler, clock, log, metrics, prometheus: () => prometheus, webhook: webhookUrl === undefined ? undefined : openWebhook({ url: webhookUrl, log }) })
  config.need('api.token')
  const token = (name: SettingName): Rotating => rotatingSetting(config, name, log) ?? config.get(name)
  const release = { token: token('release.token'), requirementsFolder: config.get('release.requirementsFolder'), trustedKeys: verdictKeysNow(config, { log }) }
  const tokensFile = config.get('access.tokensFile')
  const moreTokens = tokensFile === undefined ? undefined : openRotatingFile({ path: tokensFile, read: parseTokensFile, absent: [], log })
  const hosts = [config.get('scheduler.host') ?? [], config.get('http.hosts')?.split(',').map(host => host.trim()) ?? []].flat()
  const api = schedulerApi({ scheduler, bus, token: token('api.token'), metricsToken: token('metrics.token'), release, moreTokens, metrics, policies, hosts, log })
  const url = await api.listen(listenAddress(config))
  listeningAt = reachedAt(url, config.get('scheduler.host'))
  log.info({ url }, 'listening')
  const controllers = kubernetes && await startControllers({ kubernetes: kubernetes.config, scheduler, policies, clock, log })
  return {
    ready: () => scheduler.ready(),
    async stop() {
      await controllers?.stop()
      kubernetes?.halt.stop()
      await api.close()
      await policies.stop()
      await halts.stop()
      prometheus?.close()
      await scheduler.stop()
    },
  }
}, { health: false })

/** By the kubeconfig, or in a pod by its service account; and whether everything is halted there. The client is large, and of use in a cluster alone. */
async function connectKubernetes(log: Logger): Promise<{ config: KubeConfig; halt: HaltInKubernetes }> {
  const [{ BoundedKubeConfig }, { lookForHalt }] = await Promise.all([import('#shared/bounded-kube-config.ts'), import('./halt-config-map.ts')])
  const config = new BoundedKubeConfig()
  config.loadFromDefault()
  return { config, halt: await lookForHalt({ kubernetes: config, namespace: ownNamespace, log }) }
}

interface Controlled { kubernetes: KubeConfig; scheduler: Scheduler; policies: Policies; clock: Clock; log: Logger }

async function startControllers({ kubernetes, scheduler, policies, clock, log }: Controlled): Promise<Controller> {
  const [{ startExperimentController }, { startCampaignController }, { startPolicyController }] = await Promise.all([
    import('./experiment-controller.ts'), import('./campaign-controller.ts'), import('./policy-controller.ts'),
  ])
  const leads = () => scheduler.leadership.epoch() !== undefined
  const controllers = [
    await startExperimentController({ scheduler, clock, log, kubernetes, instance: hostname() }),
    await startCampaignController({ kubernetes, leads, clock, log }),
    await startPolicyController({ kubernetes, policies, leads, clock, log }),
  ]
  return { stop: async () => void await Promise.all(controllers.map(controller => controller.stop())) }
}

/** Where it listens may be every address of this machine, which is none for others. */
function reachedAt(listensAt: string, host: string | undefined): string {
  const url = new URL(listensAt)
  if (host !== undefined) url.hostname = host.includes(':') ? `[${host}]` : host
  return url.origin
}
