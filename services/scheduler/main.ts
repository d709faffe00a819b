import { listenAddress, runService } from '#shared/main.ts'
import { schedulerApi } from './api.ts'
import { takeEpoch } from './epoch.ts'
import { startScheduler } from './service.ts'

await runService('scheduler', async ({ bus, clock, log, metrics, config }) => {
  const natsToken = config.get('nats.token')
  const epoch = await takeEpoch({ servers: config.need('nats.url'), ...(natsToken !== undefined && { token: natsToken }) })
  const scheduler = await startScheduler({ bus, clock, log, epoch, metrics })
  const api = schedulerApi({ scheduler, bus, token: config.need('api.token'), metrics })
  log.info({ url: await api.listen(listenAddress(config)) }, 'listening')
  return {
    ready: () => scheduler.ready(),
    async stop() {
      await api.close()
      await scheduler.stop()
    },
  }
}, { health: false })
