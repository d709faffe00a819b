import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { listenAddress, runService } from '#shared/main.ts'
import { configuredNats } from '#shared/nats-login.ts'
import { schedulerApi } from './api.ts'
import { joinLeadership } from './leadership.ts'
import { startScheduler } from './service.ts'

await runService('scheduler', async ({ bus, clock, log, metrics, config }) => {
  let listeningAt: string | undefined
  const leadership = await joinLeadership({
    nats: configuredNats(config), replicas: Number(config.need('nats.replicas')), clock, log, metrics,
    holder: `${hostname()}-${randomBytes(2).toString('hex')}`, // a pod that starts its container again has the same name
    address: () => listeningAt,
  })
  const scheduler = await startScheduler({ bus, clock, log, leadership, metrics })
  const api = schedulerApi({ scheduler, bus, token: config.need('api.token'), metricsToken: config.get('metrics.token'), metrics })
  const url = await api.listen(listenAddress(config))
  listeningAt = reachedAt(url, config.get('scheduler.host'))
  log.info({ url }, 'listening')
  return {
    ready: () => scheduler.ready(),
    async stop() {
      await api.close()
      await scheduler.stop()
    },
  }
}, { health: false })

/** Where it listens may be every address of this machine, which is none for others. */
function reachedAt(listensAt: string, host: string | undefined): string {
  const url = new URL(listensAt)
  if (host !== undefined) url.hostname = host.includes(':') ? `[${host}]` : host
  return url.origin
}
