import assert from 'node:assert/strict'
import { EventEmitter, on, once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { z } from 'zod'

const count = z.number().int().nonnegative()
const histogram = z.record(z.string().regex(/^\d+$/), z.number().int().positive())

/** Body of POST /samples, as k8s/locust/README.md has it. */
export const sampleSchema = z.strictObject({
  version: z.literal(1), worker: z.string(), index: count, startMs: count, endMs: count, bootId: z.string().nullable(), users: count,
  ok: histogram, failed: histogram, unanswered: histogram.optional(), inFlight: histogram, inFlightTotal: count, lateMs: count, dropped: count,
})
export type Sample = z.output<typeof sampleSchema>

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** A real HTTP server on 127.0.0.1; without a port on a free one. */
export async function serve(handler: Handler, port = 0): Promise<{ url: string; close: () => Promise<void> } & AsyncDisposable> {
  const server: Server = createServer(handler).listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  const close = async (): Promise<void> => {
    if (!server.listening) return
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
  return { url: `http://127.0.0.1:${address.port}`, close, [Symbol.asyncDispose]: close }
}

/** What a bridge does with a sample it has read: acknowledge it, answer with a status, hang up, or say nothing for ever. */
export type Reply = number | 'hang-up' | 'silence'

/**
 * The bridge's end of the listeners' contract, which it records and holds every body against. `reply` decides on each post;
 * without it each sample is acknowledged.
 */
export async function startBridge({ reply = (): Reply => 204, port = 0 }: { reply?: (sample: Sample) => Reply; port?: number } = {}) {
  const bodies: string[] = []
  const acknowledged: Sample[] = []
  const authorizations = new Set<string | undefined>()
  const arrivals = new EventEmitter()
  async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readAll(request)
    const sample = sampleSchema.parse(JSON.parse(body))
    assert.equal(`${request.method} ${request.url}`, 'POST /samples')
    bodies.push(body)
    authorizations.add(request.headers.authorization)
    const answer = reply(sample)
    if (answer === 'silence') return
    if (answer === 'hang-up') {
      request.socket.destroy()
      return
    }
    response.writeHead(answer).end()
    if (answer < 300) acknowledged.push(sample)
    arrivals.emit('sample', sample)
  }
  const server = await serve((request, response) => { void receive(request, response) }, port)

  /** The first sample from now on (or any earlier one, `since` 0) of which `wanted` holds. */
  async function until(what: string, wanted: (sample: Sample) => boolean, since = acknowledged.length): Promise<Sample> {
    const past = acknowledged.slice(since).find(wanted)
    if (past) return past
    const signal = AbortSignal.timeout(60_000)
    try {
      for await (const [sample] of on(arrivals, 'sample', { signal })) {
        const parsed = sampleSchema.parse(sample)
        if (wanted(parsed)) return parsed
      }
    } catch (error) {
      throw new Error(`no sample within 60 s: ${what}; the last one is ${JSON.stringify(acknowledged.at(-1))}`, { cause: error })
    }
    throw new Error('unreachable: the arrivals never end')
  }
  return { ...server, bodies, acknowledged, authorizations, until }
}

async function readAll(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}
