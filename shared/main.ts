import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { Bus } from '#shared/bus.ts'
import { connectBus } from '#shared/bus-nats.ts'
import { systemClock, type Clock } from '#shared/clock.ts'
import { readConfig, SettingInvalid, type Config } from '#shared/config.ts'
import { FaultlineError, messageOf } from '#shared/errors.ts'
import type { Service } from '#shared/events.ts'
import { createLog } from '#shared/log.ts'
import { configuredNats } from '#shared/nats-login.ts'
import { configuredRedactor } from '#shared/redaction.ts'
import { rotatingSigner, rotatingVerifier } from '#shared/rotating-keys.ts'
import { createMetrics, serveHealth, showConnection } from '#shared/service.ts'

export interface ServiceContext { bus: Bus; clock: Clock; log: Logger; metrics: Registry; config: Config }

export interface RunningService {
  ready?(): boolean
  stop(): Promise<void>
}

/**
 * One service as a process of its own: reads the configuration, connects, starts, and on SIGTERM or SIGINT lets what is under way
 * finish. A second signal ends it at once. A start that fails ends the process. `health: false` for a service that serves /healthz, /readyz and /metrics itself. `lagEveryMs`: as `createMetrics` takes it.
 */
export async function runService(name: Service, start: (context: ServiceContext) => Promise<RunningService>, { health = true, lagEveryMs }: { health?: boolean; lagEveryMs?: number } = {}): Promise<void> {
  try {
    const config = readConfig()
    const log = createLog(name, { level: config.need('log.level') })
    const metrics = createMetrics(name, { lagEveryMs })
    const [listen, metricsToken] = [listenAddress(config), config.get('metrics.token')]
    const bus = await connectBus({
      ...configuredNats(config, log), service: name, log, replicas: Number(config.need('nats.replicas')), waitMs: Number(config.need('nats.waitSeconds')) * 1_000,
      ...(config.get('commands.signingSeed') !== undefined && { signer: rotatingSigner(config, 'commands.signingSeed', { log }) }),
      ...(config.get('commands.publicKey') !== undefined && { verify: rotatingVerifier(config, 'commands.publicKey', { log }) }),
    })
    showConnection(metrics, bus)
    const service = await start({ bus, clock: systemClock, log, metrics, config })
    const server = health ? await serveHealth({ ...listen, metrics, metricsToken, ready: () => bus.connected && (service.ready?.() ?? true) }) : undefined
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
    process.stderr.write(configuredRedactor()(`${error instanceof FaultlineError ? `${error.name}: ${error.message}` : String(error)}\n`))
    process.exit(error instanceof FaultlineError ? error.exitCode : 4) // at once: a connection that is open by then would keep a process that does nothing, and nobody would start it anew
  }
}

/** Whoever can reach a service from outside its machine shows a token, for its metrics too. Throws SettingInvalid. */
export function listenAddress(config: Config): { host: string; port: number } {
  const host = config.need('http.host')
  if (!isLoopback(host) && config.get('metrics.token') === undefined) {
    throw new SettingInvalid(`http.host is ${host}, which is not loopback, so /metrics needs a token; set metrics.token (FAULTLINE_METRICS_TOKEN)`)
  }
  return { host, port: Number(config.need('http.port')) }
}

const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host)
