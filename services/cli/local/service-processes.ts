import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { newCommandKeys } from '#shared/bus-nats.ts'
import { environmentName, type SettingName } from '#shared/config.ts'
import { compileCache } from '#shared/compile-cache.ts'
import type { Service } from '#shared/events.ts'
import type { ChildPlan } from '#shared/process/child-plan.ts'
import type { Child, Children } from '#shared/process/children.ts'
import { agentEnvironment, agentFlags } from '../../injector/node-flags.ts'
import { onFreePort } from './on-free-port.ts'
import { journalFolder, type LocalServices, type ServicesOptions } from './services.ts'

const programOf = (service: Service) => fileURLToPath(new URL(`../../${service}/main.ts`, import.meta.url))

/** The services as processes of their own, which share NATS and nothing else. */
export async function startServiceProcesses({ folder, nats, parents, endpointsFolder, token, verdictSeed, haltFiles, children, watch }: ServicesOptions & { children: Children; watch: (name: string, child: Child) => void }): Promise<LocalServices> {
  const keys = newCommandKeys()
  const started: Child[] = []

  /** Starts one and waits until it can do its work; gives where it listens. */
  const start = (service: Service, own: Partial<Record<SettingName, string>>): Promise<string> => onFreePort(async port => {
    const settings: Partial<Record<SettingName, string>> = {
      'nats.url': nats.servers, 'nats.token': nats.token, 'commands.publicKey': keys.commandKey, 'http.port': String(port), 'halt.files': haltFiles.join(','), ...own,
    }
    const child = await children.start(servicePlan(service, folder, port, settings))
    started.push(child)
    watch(service, child)
    return `127.0.0.1:${port}`
  })

  const stateFolder = join(folder, journalFolder)
  mkdirSync(stateFolder, { recursive: true })
  const injector = await start('injector', { 'injector.stateFolder': stateFolder, 'injector.parents': parents.map(({ name, pid }) => `${name}=${pid}`).join(',') })
  const bridge = await start('locust-bridge', { 'api.token': token })
  const prober = await start('prober', { 'probes.endpointsFolder': endpointsFolder })
  const scheduler = await start('scheduler', { 'api.token': token, 'commands.signingSeed': keys.signingSeed })
  return {
    apiUrl: `http://${scheduler}`,
    loadMetricsUrl: `http://${bridge}/metrics`,
    scrape: [
      { job: 'injector', address: injector }, { job: 'locust-bridge', address: bridge }, { job: 'prober', address: prober }, { job: 'scheduler', address: scheduler, bearerToken: token },
    ],
    async startEvaluator({ url, bearerToken, tokenFile, caFile, orgId }) {
      await start('slo-evaluator', {
        'verdicts.signingSeed': verdictSeed, 'prometheus.url': url, ...(bearerToken !== undefined && { 'prometheus.bearerToken': bearerToken }), ...(tokenFile !== undefined && { 'prometheus.tokenFile': tokenFile }),
        ...(caFile !== undefined && { 'prometheus.caFile': caFile }), ...(orgId !== undefined && { 'prometheus.orgId': orgId }),
      })
    },
    async [Symbol.asyncDispose]() {
      for (const child of started.toReversed()) await child.stop() // SIGTERM: each drains, the scheduler before the agent
    },
  }
}

/** A service that listens on this port. */
export function servicePlan(service: Service, folder: string, port: number, settings: Partial<Record<SettingName, string>>): ChildPlan {
  const given = Object.fromEntries(Object.entries(settings).map(([name, value]) => [environmentName(name as SettingName), value]))
  return {
    name: service,
    argv: [process.execPath, ...service === 'injector' ? agentFlags : [], programOf(service)],
    // no settings file of the user's: the session decides; temporary files go where they end with the session
    env: { ...given, FAULTLINE_CONFIG: '/dev/null', TMPDIR: folder, ...compileCache(), ...service === 'injector' && agentEnvironment },
    cwd: folder,
    ready: { kind: 'http', url: `http://127.0.0.1:${port}/readyz` },
  }
}
