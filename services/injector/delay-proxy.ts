/**
 * Passes connections on, what the target sends into them later by a delay, as if it had stayed that much longer on the way. A connection is made
 * a delay after it was asked for. Says on which ports it listens, one a route. Its life is told in worker-life.ts.
 */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { beginLife } from './worker-life.ts'

/** The rules let connections from these ports pass, which no program is given by itself: else the proxy's own would be led back to it. */
const ownPorts = { first: 61_000, count: 4_500 } as const
const mostQueuedBytes = 4 * 2 ** 20

interface Settings { delayMs: number; jitterMs: number; routes: { host?: string; port: number }[] }
const { settings, liveOn } = beginLife()
const { delayMs, jitterMs, routes } = JSON.parse(settings) as Settings

const servers = await Promise.all(routes.map(async route => {
  const server: Server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, client => pass(client, route))
  server.listen(0)
  await once(server, 'listening')
  return server
}))
process.stdout.write(`${JSON.stringify(servers.map(server => (server.address() as AddressInfo).port))}\n`)
liveOn()

function pass(client: Socket, { host, port }: Settings['routes'][number]): void {
  client.on('error', () => client.destroy())
  setTimeout(() => {
    const address = host ?? client.localAddress?.replace(/^::ffff:/, '') ?? ''
    const server = connect({ host: address, port, noDelay: true, allowHalfOpen: true, ...(host !== undefined && { localPort: ownPorts.first + Math.floor(Math.random() * ownPorts.count) }) })
    for (const [one, other] of [[client, server], [server, client]] as const) {
      one.on('error', () => other.resetAndDestroy())
      one.on('close', isWithError => { if (isWithError) other.resetAndDestroy() })
    }
    const [target, peer] = host === undefined ? [server, client] : [client, server]
    peer.pipe(target)
    passLater(target, peer)
  }, delayed())
}

/** Chunks keep their order, whatever the jitter. Reading stops while much is under way. */
function passLater(from: Socket, to: Socket): void {
  let underWay = 0
  let lastDueMs = 0
  const later = (deed: () => void): void => {
    lastDueMs = Math.max(lastDueMs, performance.now() + delayed())
    setTimeout(deed, lastDueMs - performance.now())
  }
  from.on('data', (chunk: Buffer) => {
    underWay += chunk.length
    if (underWay > mostQueuedBytes) from.pause()
    later(() => {
      underWay -= chunk.length
      const goOn = () => { if (underWay <= mostQueuedBytes) from.resume() }
      if (to.write(chunk)) goOn()
      else to.once('drain', goOn)
    })
  })
  from.on('end', () => later(() => to.end()))
  from.resume() // it was paused until it had somewhere to go
}

/** Uniform around the delay, as netem's. */
function delayed(): number {
  return Math.max(0, delayMs + (Math.random() * 2 - 1) * jitterMs)
}
