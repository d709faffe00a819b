import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { Logger } from 'pino'
import type { Clock } from '#shared/clock.ts'
import { listenAddress, runService } from '#shared/main.ts'
import { configuredNats } from '#shared/nats-login.ts'
import { configuredPrometheus, connectPrometheus } from '#shared/prometheus.ts'
import { schedulerApi } from './api.ts'
import type { Controller } from './experiment-controller.ts'
import { joinLeadership } from './leadership.ts'
import { startPolicies, type Policies } from './policies.ts'
import { openWebhook } from './policy-webhook.ts'
import { startScheduler, type Scheduler } from './service.ts'

await runService('scheduler', async ({ bus, clock, log, metrics, config }) => {
  let listeningAt: string | undefined
  const leadership = await joinLeadership({
    nats: configuredNats(config), replicas: Number(config.need('nats.replicas')), clock, log,
    holder: `${hostname()}-${randomBytes(2).toString('hex')}`, // a pod that starts its container again has the same name
    address: () => listeningAt,
  })
  const scheduler = await startScheduler({ bus, clock, log, leadership, metrics })
  const [asked, webhookUrl] = [configuredPrometheus(config), config.get('policy.webhookUrl')]
  const prometheus = asked && connectPrometheus(asked)
  const policies = await startPolicies({ bus, scheduler, clock, log, metrics, prometheus: () => prometheus, webhook: webhookUrl === undefined ? undefined : openWebhook({ url: webhookUrl, log }) })
  const release = { token: config.get('release.token'), requirementsFolder: config.get('release.requirementsFolder') }
  const hosts = [config.get('scheduler.host') ?? [], config.get('http.hosts')?.split(',').map(host => host.trim()) ?? []].flat()
  const api = schedulerApi({ scheduler, bus, token: config.need('api.token'), metricsToken: config.get('metrics.token'), release, metrics, policies, hosts })
  const url = await api.listen(listenAddress(config))
  listeningAt = reachedAt(url, config.get('scheduler.host'))
  log.info({ url }, 'listening')
  const controllers = config.need('scheduler.experiments') === 'kubernetes' ? await startControllers({ scheduler, policies, clock, log }) : undefined
  return {
    ready: () => scheduler.ready(),
    async stop() {
      await controllers?.stop()
      await api.close()
      await policies.stop()
      prometheus?.close()
      await scheduler.stop()
    },
  }
}, { health: false })

async function startControllers({ scheduler, policies, clock, log }: { scheduler: Scheduler; policies: Policies; clock: Clock; log: Logger }): Promise<Controller> {
  const [{ KubeConfig }, { startExperimentController }, { startCampaignController }, { startPolicyController }] = await Promise.all([
    import('@kubernetes/client-node'), import('./experiment-controller.ts'), import('./campaign-controller.ts'), import('./policy-controller.ts'), // large, and of use in a cluster alone
  ])
  const kubernetes = new KubeConfig()
  kubernetes.loadFromDefault()
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
