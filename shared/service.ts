import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { bears } from '#shared/bearer.ts'

/**
 * A registry of its own for each service: in the embedded process four of them live side by side. `lagEveryMs`: how often the event loop is asked how late it
 * is, which wakes the process; no lag that is shown is less than that.
 */
export function createMetrics(service: string, { lagEveryMs = 10 } = {}): Registry {
  const metrics = new Registry()
  metrics.setDefaultLabels({ service })
  collectDefaultMetrics({ register: metrics, eventLoopMonitoringPrecision: lagEveryMs })
  return metrics
}

/** Whether the service can say and hear anything; /metrics is answered without NATS too. */
export function showConnection(metrics: Registry, bus: { readonly connected: boolean }): void {
  new Gauge({ name: 'faultline_nats_connected', help: '1 while the service is connected to NATS; the restorer never is, and does not show it', registers: [metrics], collect() { this.set(bus.connected ? 1 : 0) } })
}

export interface HealthServer {
  url: string
  stop(): Promise<void>
}

export interface HealthOptions {
  host: string
  port: number
  ready: () => boolean
  metrics: Registry
  /** Bearer token that /metrics asks for; without it, nothing is asked. */
  metricsToken?: string | undefined
}

/** /healthz (the process answers), /readyz (it can do its work) and /metrics of a service that has no HTTP interface of its own. */
export async function serveHealth({ host, port, ready, metrics, metricsToken }: HealthOptions): Promise<HealthServer> {
  const server = createServer((request, response) => {
    const answer = (status: number, type: string, body: string) => response.writeHead(status, { 'content-type': type }).end(body)
    if (request.url === '/healthz') answer(200, 'text/plain', 'ok\n')
    else if (request.url === '/readyz') answer(ready() ? 200 : 503, 'text/plain', ready() ? 'ready\n' : 'not ready\n')
    else if (request.url === '/metrics' && metricsToken !== undefined && !bears(request.headers.authorization, metricsToken)) answer(401, 'text/plain', 'a bearer token is needed\n')
    else if (request.url === '/metrics') void metrics.metrics().then(body => answer(200, metrics.contentType, body))
    else answer(404, 'text/plain', 'not found\n')
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve))
  return { url: `http://${host}:${(server.address() as AddressInfo).port}`, stop: () => closeServer(server) }
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise(resolve => server.close(() => resolve()))
}
