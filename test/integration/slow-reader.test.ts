import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { startNats } from '../parts/nats.ts'
import { apiToken, quietExperiment, serveScheduler } from '../parts/served-scheduler.ts'
import { until } from '../parts/until.ts'

const facts = 60
const factBytes = 500_000
/** What two sockets and the kernel between them may hold is more than that, and is not the scheduler's. */
const mostHeldBytes = 4 * factBytes

/** A scheduler over HTTP, with a run of thirty megabytes. `held`: what it has in memory for whoever does not read, in bytes. */
async function stage() {
  await using made = new AsyncDisposableStack()
  const nats = made.use(await startNats())
  const { bus, scheduler, api, url: listening } = made.use(await serveScheduler(nats))
  const sockets: Socket[] = []
  api.server.on('connection', socket => sockets.push(socket))
  const url = new URL(listening)
  const run = await scheduler.submit(quietExperiment('waits'))
  const writer = bus.writer('locust-bridge')
  for (let number = 1; number <= facts; number++) {
    await writer.write(run, 'load.stats', { stats: { state: 'stopped', text: number === facts ? 'the last' : 'x'.repeat(factBytes) }, atMs: number })
  }
  const owned = made.move()
  return {
    url, run, held: () => sockets.map(socket => socket.writableLength),
    open(): Socket {
      const socket = connect(Number(url.port), url.hostname)
      owned.defer(() => void socket.destroy())
      socket.write(`GET /api/v1/runs/${run}/events HTTP/1.1\r\nhost: ${url.host}\r\nauthorization: Bearer ${apiToken}\r\n\r\n`)
      return socket
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function readToTheLast(socket: Socket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  let end = ''
  socket.on('data', (chunk: Buffer) => {
    end = `${end}${chunk.toString('latin1')}`.slice(-2_000)
    if (end.includes('the last')) resolve()
  })
  return promise
}

test('a run that is streamed to who does not read does not pile up in the scheduler, holds up nobody else, and comes whole when it is read', { timeout: 120_000 }, async () => {
  await using here = await stage()
  const slow = here.open().pause()
  await once(slow, 'connect')
  await until('it is being sent', () => (here.held()[0] ?? 0) > 0, 30_000)
  await readToTheLast(here.open()) // opened later, and all of it was sent to this one
  const [heldForSlow = 0] = here.held()
  assert.ok(heldForSlow < mostHeldBytes, `${heldForSlow} bytes are held for who does not read`)
  const whole = readToTheLast(slow)
  slow.resume()
  await whole
})
