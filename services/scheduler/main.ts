import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { Logger } from 'pino'
import type { Clock } from '#shared/clock.ts'
import { listenAddress, runService } from '#shared/main.ts'
import { configuredNats } from '#shared/nats-login.ts'
import { schedulerApi } from './api.ts'
import type { Controller } from './controller.ts'
import { joinLeadership } from './leadership.ts'
import { startScheduler, type Scheduler } from './service.ts'

await runService('scheduler', async ({ bus, clock, log, metrics, config }) => {
  let listeningAt: string | undefined
  const leadership = await joinLeadership({
    nats: configuredNats(config), replicas: Number(config.need('nats.replicas')), clock, log,
    holder: `${hostname()}-${randomBytes(2).toString('hex')}`, // a pod that starts its container again has the same name
    address: () => listeningAt,
  })
  const scheduler = await startScheduler({ bus, clock, log, leadership, metrics })
  const api = schedulerApi({ scheduler, bus, token: config.need('api.token'), metricsToken: config.get('metrics.token'), metrics })
  const url = await api.listen(listenAddress(config))
  listeningAt = reachedAt(url, config.get('scheduler.host'))
  log.info({ url }, 'listening')
  const controllers = config.need('scheduler.experiments') === 'kubernetes' ? await startControllers({ scheduler, clock, log }) : undefined
  return {
    ready: () => scheduler.ready(),
    async stop() {
      await controllers?.stop()
      await api.close()
      await scheduler.stop()
    },
  }
}, { health: false })

async function startControllers({ scheduler, clock, log }: { scheduler: Scheduler; clock: Clock; log: Logger }): Promise<Controller> {
  const [{ KubeConfig }, { startController }, { startCampaignController }] = await Promise.all([
    import('@kubernetes/client-node'), import('./controller.ts'), import('./campaign-controller.ts'), // large, and of use in a cluster alone
  ])
  const kubernetes = new KubeConfig()
  kubernetes.loadFromDefault()
  const controllers = [
    await startController({ scheduler, clock, log, kubernetes, instance: hostname() }),
    await startCampaignController({ kubernetes, leads: () => scheduler.leadership.epoch() !== undefined, clock, log }),
  ]
  return { stop: async () => void await Promise.all(controllers.map(controller => controller.stop())) }
}

/** Where it listens may be every address of this machine, which is none for others. */
function reachedAt(listensAt: string, host: string | undefined): string {
  const url = new URL(listensAt)
  if (host !== undefined) url.hostname = host.includes(':') ? `[${host}]` : host
  return url.origin
}
