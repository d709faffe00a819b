import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Leadership } from './leadership.ts'
import { NotLeading } from './service.ts'

/** Bears it: what another scheduler has passed on, which is not passed on again. It holds where that one was asked from, by its own word. */
export const passedOnHeader = 'faultline-passed-on'
/** Longer than a change of leaders takes, and shorter than clients wait. */
const patienceMs = 10_000
const againMs = 100

/**
 * Whatever changes something is done by the leader: here, or by passing the request on to it with the caller's own token. It may be asked for twice,
 * so `here` and `body` must mean the same deed each time. Answers 503 with the leader's name when it cannot be reached.
 */
export async function throughLeader(leadership: Leadership, request: FastifyRequest, reply: FastifyReply, { body, here }: { body?: unknown; here: () => Promise<unknown> }): Promise<unknown> {
  const givenUpAt = performance.now() + patienceMs
  const wasPassedOn = request.headers[passedOnHeader] !== undefined
  for (;;) {
    try {
      if (leadership.epoch()) return await here()
    } catch (error) {
      if (!(error instanceof NotLeading)) throw error
    }
    const answer = wasPassedOn ? undefined : await ask(leadership, request, body)
    if (answer) return reply.code(answer.status).type('application/json').send(await answer.text())
    if (wasPassedOn || performance.now() >= givenUpAt) break
    await delay(againMs)
  }
  const leader = leadership.leader()
  return reply.code(503).send({ error: `this scheduler does not lead, and ${leader ? `${leader.holder}, which does, does not answer` : 'nobody does'}; ask again`, leader: leader?.holder ?? null })
}

/** What was asked for, at the leader, whatever host the request's target names: it may be a whole URL (RFC 9112, absolute-form). */
function at(address: string, target: string): URL {
  const asked = new URL(target, address)
  const url = new URL(address)
  url.pathname = asked.pathname
  url.search = asked.search
  return url
}

/** Undefined when it does not answer, does not lead either, or is followed by another meanwhile. */
async function ask(leadership: Leadership, { method, url, headers, ip }: FastifyRequest, body: unknown): Promise<Response | undefined> {
  const leader = leadership.leader()
  if (leader?.address === undefined) return undefined
  const followed = new AbortController()
  const watching = setInterval(() => { if (leadership.leader()?.holder !== leader.holder) followed.abort() }, againMs)
  try {
    const answer = await fetch(at(leader.address, url), {
      method, redirect: 'error', signal: AbortSignal.any([followed.signal, AbortSignal.timeout(patienceMs)]),
      headers: { [passedOnHeader]: ip, authorization: headers.authorization ?? '', ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    return answer.status === 503 ? undefined : answer
  } catch {
    return undefined
  } finally {
    clearInterval(watching)
  }
}
