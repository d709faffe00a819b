import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { listenAddress, runService } from '#shared/main.ts'
import { freePort } from '../cli/parts/free-port.ts'
import { locustProcessPlan, startLocustProcess } from './locust-process.ts'
import { startLocustBridge } from './service.ts'
import type { SpawnLocust } from './generator.ts'

await runService('locust-bridge', async ({ config, ...context }) => {
  const locustUrl = config.get('locust.url')
  const common = { ...context, token: config.need('api.token'), listen: listenAddress(config) }
  if (locustUrl !== undefined) return await startLocustBridge({ ...common, locustUrl })

  const folder = await mkdtemp(join(tmpdir(), 'faultline-locust-'))
  const spawnLocust: SpawnLocust = async (env, locustfile, host) => await startLocustProcess(locustProcessPlan({ env, locustfile, host, port: await freePort(), folder }))
  const bridge = await startLocustBridge({ ...common, spawnLocust })
  return {
    async stop() {
      await bridge.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}, { health: false })
