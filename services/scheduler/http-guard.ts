import { isIP } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { isDeeper } from '#shared/json-depth.ts'
import { TokenGuesses } from './token-guesses.ts'

export interface HttpGuardOptions {
  /** Names by which the API is reached, beside addresses and names that nobody outside can own; setting `http.hosts`. */
  hosts: readonly string[]
  /** Whether an Authorization header bears a token that opens anything. */
  knows(authorization: string | undefined): boolean
}

/** An experiment file is nested 50 deep at most, and is wrapped in a body. */
export const mostLevels = 64

/** For what sets none of its own: JSON and text, which no browser is to show, frame, cache or guess the type of. */
const usualHeaders = {
  'content-security-policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY', 'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin', 'cross-origin-opener-policy': 'same-origin', 'cache-control': 'no-store',
}

/**
 * What holds for every request to the scheduler, before its route is asked and its body read. Call it before routes are added.
 *
 * - Host: an address (Prometheus scrapes and kubelets probe by the pod's), a name without a dot or one of the cluster's, or one of `hosts`; otherwise 421.
 *   Such names cannot be a stranger's, so no web page can have its own name point here (DNS rebinding).
 * - Origin, which browsers send with whatever changes something: the same as Host, or one of `hosts`; otherwise 403. Programs send none. Tokens are no
 *   cookies, so a page of another site has none to misuse; this holds even if that changes.
 * - Bodies: JSON alone, which a page of another site cannot send without being asked first (CORS), nested at most `mostLevels` deep; otherwise 415, 400.
 * - Wrong tokens: 429 after many from one address (token-guesses.ts).
 */
export function guardHttp(api: FastifyInstance, { hosts, knows }: HttpGuardOptions): void {
  const guesses = new TokenGuesses()
  const names = hosts.map(host => host.toLowerCase())

  api.addHook('onRequest', async (request, reply) => {
    for (const [name, value] of Object.entries(usualHeaders)) reply.raw.setHeader(name, value) // under what the reply sets, and for streams too
    const { host, origin } = request.headers
    const asked = hostname(host)
    if (asked === undefined || !isOurs(asked, names)) return reply.code(421).send({ error: `this scheduler is not called ${JSON.stringify(host ?? '')}; ask it by its address, or set http.hosts to the name` })
    if (origin !== undefined && !isSame(origin, host, names)) return reply.code(403).send({ error: `asked by a page of ${JSON.stringify(origin)}, which is another site than ${host}; set http.hosts if it is not` })
    const waitMs = guesses.waitMs(request.ip, performance.now())
    if (waitMs > 0) return reply.code(429).header('retry-after', Math.ceil(waitMs / 1_000)).send({ error: 'too many wrong tokens came from this address' })
  })
  api.addHook('onResponse', async (request, reply) => {
    if (request.headers.authorization === undefined) return // who shows none has not guessed
    if (reply.statusCode === 401) guesses.wrong(request.ip, performance.now())
    else if (knows(request.headers.authorization)) guesses.right(request.ip, performance.now())
  })

  const parse = api.getDefaultJsonParser('error', 'error') // refuses __proto__ and constructor.prototype
  api.removeAllContentTypeParsers()
  api.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (isDeeper(body, mostLevels)) done(Object.assign(new Error(`the body is nested more than ${mostLevels} levels deep`), { statusCode: 400 }))
    else void parse(request, body, done)
  })
}

/** Without its port; undefined for what is no host. Brackets of IPv6 stay. */
function hostname(host: string | undefined): string | undefined {
  if (host === undefined || !/^[\w.:[\]-]+$/.test(host)) return undefined
  return URL.parse(`http://${host}`)?.hostname.replace(/\.$/, '')
}

function isOurs(name: string, names: readonly string[]): boolean {
  return isIP(name.replace(/^\[|\]$/g, '')) !== 0 || !name.includes('.') || /\.(?:localhost|svc|cluster\.local)$/.test(name) || names.includes(name)
}

function isSame(origin: string, host: string | undefined, names: readonly string[]): boolean {
  const from = URL.parse(origin) // "null" is none
  return from !== null && (from.host === host?.toLowerCase() || names.includes(from.hostname))
}
