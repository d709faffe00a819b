import { listenAddress, runService } from '#shared/main.ts'
import { configuredNats } from '#shared/nats-login.ts'
import { schedulerApi } from './api.ts'
import { takeEpoch } from './epoch.ts'
import { startScheduler } from './service.ts'

await runService('scheduler', async ({ bus, clock, log, metrics, config }) => {
  const epoch = await takeEpoch(configuredNats(config), { replicas: Number(config.need('nats.replicas')) })
  const scheduler = await startScheduler({ bus, clock, log, epoch, metrics })
  const api = schedulerApi({ scheduler, bus, token: config.need('api.token'), metricsToken: config.get('metrics.token'), metrics })
  log.info({ url: await api.listen(listenAddress(config)) }, 'listening')
  return {
    ready: () => scheduler.ready(),
    async stop() {
      await api.close()
      await scheduler.stop()
    },
  }
}, { health: false })
