import { once } from 'node:events'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { isStillOpenTo } from './route-access.ts'

/** How often a stream says that it is alive: whoever hears nothing for longer asks again. */
const keepAliveMs = 5_000
/** How often its token is asked for again; the files that tokens come from are looked at as often (shared/rotating-file.ts). */
const askAgainMs = 1_000

/** Server-sent events (HTML Living Standard, "Server-sent events"). */
export interface EventStream {
  send(event: string, data: unknown, id?: number): void
  /** Whether there is more under way to who reads than should lie in memory. */
  isBehind(): boolean
  /** Resolves when that is no longer so, or nobody reads any more. */
  taken(): Promise<void>
  onClose(then: () => void): void
  end(): void
}

/**
 * Takes the reply over from fastify. The stream is cut within some two seconds when whoever opened it may do so no more: the token was taken away, is another by
 * now, or is of too little a role. Cut, not ended: what a slow reader has not taken yet is no longer theirs.
 */
export function openStream(request: FastifyRequest, reply: FastifyReply): EventStream {
  reply.hijack()
  const { raw } = reply
  raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache', 'x-content-type-options': 'nosniff' })
  const timers = [
    setInterval(() => raw.write(': still here\n\n'), keepAliveMs),
    setInterval(() => { if (!isStillOpenTo(request)) raw.destroy() }, askAgainMs),
  ]
  raw.on('close', () => { for (const timer of timers) clearInterval(timer) })
  return {
    send: (event, data, id) => void raw.write(`${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`),
    isBehind: () => raw.writableNeedDrain,
    async taken() {
      if (!raw.writableNeedDrain) return
      const over = new AbortController()
      const either = ['drain', 'close'].map(event => once(raw, event, { signal: over.signal }))
      await Promise.race(either).catch(() => undefined).finally(() => over.abort())
    },
    onClose: then => void raw.on('close', then),
    end: () => void raw.end(),
  }
}
