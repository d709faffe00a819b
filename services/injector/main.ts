import { InvalidInput } from '#shared/errors.ts'
import { haltFiles, haltPaths } from '#shared/halt-file.ts'
import { runService, type ServiceContext } from '#shared/main.ts'
import { readProcess } from '#shared/process/process-table.ts'
import { rotatingSigner, rotatingVerifier } from '#shared/rotating-keys.ts'
import type { Driver } from './driver.ts'
import { tellingOfHalts } from './halt-telling.ts'
import type { DeclaredParent } from './process-targets.ts'
import { startInjector } from './service.ts'

class ParentsInvalid extends InvalidInput {
  readonly code = 'parents_invalid'
}

class DriverUnknown extends InvalidInput {
  readonly code = 'driver_unknown'
}

await runService('injector', async ({ bus, clock, log, metrics, config }) => {
  const node = config.need('injector.node')
  const findHalt = tellingOfHalts({ bus, clock, node, findHalt: haltFiles(haltPaths(config)) })
  return startInjector({ bus, node, stateFolder: config.need('injector.stateFolder'), findHalt, driver: await configuredDriver({ config, node, clock, log }), clock, log, metrics })
}, { lagEveryMs: 100 }) // there is one on every node, and a third of what it took while idle was to ask ten times as often

/** Only the driver that is configured is loaded: the client of the Kubernetes API alone would double what the agent of a node has in memory. */
async function configuredDriver({ config, node, clock, log }: Pick<ServiceContext, 'config' | 'clock' | 'log'> & { node: string }): Promise<Driver> {
  const kind = config.need('injector.driver')
  switch (kind) {
    case 'local': {
      const { localDriver } = await import('./local-driver.ts')
      const parents = parseParents(config.get('injector.parents') ?? '')
      return localDriver(() => parents)
    }
    case 'node': {
      const { nodeDriver } = await import('./node-driver.ts')
      return nodeDriver({
        node, clock, verifyVoucher: rotatingVerifier(config, 'vouchers.publicKey', { log }),
        podLogsFolder: config.need('injector.podLogsFolder'), containerLogsFolder: config.need('injector.containerLogsFolder'),
      })
    }
    case 'cluster': {
      const [{ clusterDriver }, { connectKubernetes }, { configuredPower }, { voucherIssuer }] = await Promise.all([
        import('./cluster-driver.ts'), import('./cluster/kubernetes.ts'), import('./cluster/power.ts'), import('./voucher.ts'),
      ])
      const sentinel = { service: config.need('sentinel.service'), master: config.get('sentinel.master'), user: config.get('sentinel.user'), password: config.get('sentinel.password') }
      return clusterDriver({
        world: { kubernetes: await connectKubernetes(), sentinel }, power: configuredPower(config),
        vouchers: voucherIssuer(rotatingSigner(config, 'vouchers.signingSeed', { log })), agent: node, clock,
      })
    }
    default: throw new DriverUnknown(`injector.driver is ${JSON.stringify(kind)}; it can be local, node or cluster`)
  }
}

/** `shop=1234,database=1300` */
function parseParents(text: string): DeclaredParent[] {
  return text.split(',').filter(Boolean).map(part => {
    const [, name, pid] = /^([^=]+)=(\d+)$/.exec(part.trim()) ?? []
    if (name === undefined || pid === undefined) throw new ParentsInvalid(`injector.parents: ${JSON.stringify(part)} is not NAME=PID`)
    const startTicks = readProcess(Number(pid))?.startTicks // the one that is there now, and none that gets its PID later
    if (startTicks === undefined) throw new ParentsInvalid(`injector.parents: ${part.trim()}: there is no such process`)
    return { name, pid: Number(pid), startTicks }
  })
}
