import type { Logger } from 'pino'
import type { Bus } from '#shared/bus.ts'
import { systemClock } from '#shared/clock.ts'
import { createMetrics } from '#shared/service.ts'
import type { TestedService } from '#shared/tested-service.ts'
import { kindsDoneBy } from '../../services/injector/driver.ts'
import { FaultRefused } from '../../services/injector/fault-refused.ts'
import { startInjector } from '../../services/injector/service.ts'

export interface ApiSideAgent {
  /** What the Kubernetes API would say is there: a pod of each. */
  services: TestedService[]
  /** Why it says nothing, while that is set. */
  refuses: string | undefined
  /** How often it was asked which services are there. */
  asked: number
  stop(): Promise<void>
}

/** The real agent as the API-side one, where there is no cluster: only the answers of the Kubernetes API are made up. */
export async function startApiSideAgent({ bus, stateFolder, log, services }: { bus: Bus; stateFolder: string; log: Logger; services: TestedService[] }): Promise<ApiSideAgent> {
  const agent: Pick<ApiSideAgent, 'services' | 'refuses' | 'asked'> = { services, refuses: undefined, asked: 0 }
  const injector = await startInjector({
    bus, node: 'cluster', stateFolder, clock: systemClock, log, metrics: createMetrics('injector'),
    driver: {
      kinds: kindsDoneBy('cluster'),
      plan: () => Promise.resolve([]),
      resolve: ({ spec: { target: { pods } } }) => Promise.resolve({
        peers: [],
        targets: agent.services.filter(({ namespace, app }) => namespace === pods?.namespace && app === pods.labels?.['app']).map((service, index) => ({
          agent: 'cluster', voucher: '',
          target: { id: `pod:${service.app}-${index}`, pod: { namespace: service.namespace, name: `${service.app}-${index}`, uid: `${service.app}-${index}`, node: 'n1' }, services: [service], description: service.app },
        })),
      }),
      discover() {
        agent.asked += 1
        return agent.refuses === undefined ? Promise.resolve([...agent.services]) : Promise.reject(new FaultRefused(agent.refuses))
      },
      prepare: ({ targets }) => Promise.resolve(targets.map(() => ({ undo: { undo: 'nothing' as const }, act: () => Promise.resolve({ verified: true, readBack: ['gone'] }) }))),
    },
  })
  return Object.assign(agent, { stop: () => injector.stop() })
}
