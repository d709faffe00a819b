import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { haltFiles, haltPaths } from '#shared/halt-file.ts'
import { listenAddress, runService } from '#shared/main.ts'
import { Children } from '#shared/process/children.ts'
import { spawnLocustIn } from './locust-process.ts'
import { startLocustBridge } from './service.ts'

await runService('locust-bridge', async ({ config, ...context }) => {
  const locustUrl = config.get('locust.url')
  const common = { ...context, findHalt: haltFiles(haltPaths(config)), token: config.need('api.token'), metricsToken: config.get('metrics.token'), listen: listenAddress(config) }
  if (locustUrl !== undefined) return await startLocustBridge({ ...common, locustUrl, locustToken: config.get('locust.token') })

  const folder = await mkdtemp(join(tmpdir(), 'faultline-locust-'))
  const children = new Children(folder) // its keeper ends Locust and removes the folder, however this process ends
  const bridge = await startLocustBridge({ ...common, spawnLocust: spawnLocustIn(children, folder) })
  return {
    async stop() {
      await bridge.stop()
      await children.close()
    },
  }
}, { health: false })
