import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { Bus } from '#shared/bus.ts'
import { connectBus } from '#shared/bus-nats.ts'
import { systemClock, type Clock } from '#shared/clock.ts'
import { readConfig, type Config } from '#shared/config.ts'
import { FaultlineError, messageOf } from '#shared/errors.ts'
import type { Service } from '#shared/events.ts'
import { createLog } from '#shared/log.ts'
import { createMetrics, serveHealth } from '#shared/service.ts'

export interface ServiceContext { bus: Bus; clock: Clock; log: Logger; metrics: Registry; config: Config }

export interface RunningService {
  ready?(): boolean
  stop(): Promise<void>
}

/**
 * One service as a process of its own: reads the configuration, connects, starts, and on SIGTERM or SIGINT lets what is under way
 * finish. A second signal ends it at once. `health: false` for a service that serves /healthz, /readyz and /metrics itself.
 */
export async function runService(name: Service, start: (context: ServiceContext) => Promise<RunningService>, { health = true } = {}): Promise<void> {
  try {
    const config = readConfig()
    const log = createLog(name, { level: config.need('log.level') })
    const metrics = createMetrics(name)
    const [token, signingSeed, commandKey] = [config.get('nats.token'), config.get('commands.signingSeed'), config.get('commands.publicKey')]
    const bus = await connectBus({
      servers: config.need('nats.url'), service: name, log,
      ...(token !== undefined && { token }), ...(signingSeed !== undefined && { signingSeed }), ...(commandKey !== undefined && { commandKey }),
    })
    const service = await start({ bus, clock: systemClock, log, metrics, config })
    const server = health ? await serveHealth({ ...listenAddress(config), metrics, ready: () => bus.connected && (service.ready?.() ?? true) }) : undefined
    if (server) log.info({ url: server.url }, 'listening')
    let stopping = false
    const stop = (signal: NodeJS.Signals) => {
      if (stopping) process.exit(1)
      stopping = true
      log.info({ signal }, 'draining')
      void (async () => {
        await service.stop()
        await bus.close()
        await server?.stop()
      })().catch((error: unknown) => {
        log.error({ why: messageOf(error) }, 'drained badly')
        process.exitCode = 1
      })
    }
    process.on('SIGTERM', stop).on('SIGINT', stop)
  } catch (error) {
    process.stderr.write(`${error instanceof FaultlineError ? `${error.name}: ${error.message}` : String(error)}\n`)
    process.exitCode = error instanceof FaultlineError ? error.exitCode : 4
  }
}

export const listenAddress = (config: Config): { host: string; port: number } => ({ host: config.need('http.host'), port: Number(config.need('http.port')) })
