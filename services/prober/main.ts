import { haltFiles, haltPaths } from '#shared/halt-file.ts'
import { runService } from '#shared/main.ts'
import { startProber } from './service.ts'

await runService('prober', async ({ bus, clock, log, metrics, config }) => {
  const endpointsFolder = config.get('probes.endpointsFolder')
  return await startProber({ bus, clock, log, metrics, node: config.need('prober.node'), findHalt: haltFiles(haltPaths(config)), ...(endpointsFolder !== undefined && { endpointsFolder }) })
})
