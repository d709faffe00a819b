import { join } from 'node:path'
import { pino } from 'pino'
import { connectBus, newCommandKeys } from '#shared/bus-nats.ts'
import type { Bus } from '#shared/bus.ts'
import type { SettingName } from '#shared/config.ts'
import type { FactType, Service, StoredFact } from '#shared/events.ts'
import type { Child } from '#shared/process/children.ts'
import { onFreePort } from '../../services/cli/local/on-free-port.ts'
import { servicePlan } from '../../services/cli/local/service-processes.ts'
import { natsServerPlan } from '../../services/cli/parts/nats-server.ts'
import { benchChildren, type BenchChildren } from './children.ts'

/** One service of faultline at a time, as a process of its own, with a real nats-server and this process in the scheduler's place. */
export interface Stage extends BenchChildren {
  bus: Bus
  /** Resolves when it can do its work. `port`: where it listens, if that must be known before. */
  start(service: Service, settings: Partial<Record<SettingName, string>>, port?: number): Promise<Child & { url: string }>
}

/** What a run's commands bear; there is no other scheduler. */
export const epoch = { bucketCreatedMs: 1, revision: 1 }
const natsToken = 'bench'

export async function startStage(): Promise<Stage> {
  await using made = new AsyncDisposableStack()
  const owned = made.use(benchChildren())
  const { folder, children } = owned
  const servers = await onFreePort(async port => {
    await children.start(natsServerPlan({ folder, port, token: natsToken }))
    return `127.0.0.1:${port}`
  })
  const { signingSeed, commandKey } = newCommandKeys()
  const bus = await connectBus({ servers, token: natsToken, service: 'scheduler', log: pino({ level: 'silent' }), signingSeed, commandKey })
  made.defer(() => bus.close())
  const start = async (service: Service, settings: Partial<Record<SettingName, string>>, port: number) => {
    const common = { 'nats.url': servers, 'nats.token': natsToken, 'commands.publicKey': commandKey, 'http.port': String(port), 'halt.files': join(folder, 'halt') }
    return { ...await children.start(servicePlan(service, folder, port, { ...common, ...settings })), url: `http://127.0.0.1:${port}` }
  }
  const all = made.move()
  return {
    ...owned, bus,
    start: (service, settings, port) => port === undefined ? onFreePort(free => start(service, settings, free)) : start(service, settings, port),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

/** The run's facts of these types as they come, from its first. Ends only with the signal, and throws its reason. */
export async function* factsOf(bus: Bus, run: string, types: readonly FactType[], signal: AbortSignal): AsyncGenerator<StoredFact> {
  signal.throwIfAborted()
  await using following = bus.follow({ run, types })
  const stop = () => void following.stop()
  signal.addEventListener('abort', stop)
  try {
    for await (const next of following) if (next.is === 'fact') yield next.stored
  } finally {
    signal.removeEventListener('abort', stop)
  }
  signal.throwIfAborted()
}
