import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { AuditLog } from './audit-log.ts'
import { blocked } from './release-api.ts'
import { RequestRate } from './request-rate.ts'
import { opens, possessive, type Caller, type Role } from './roles.ts'
import type { Tokens } from './tokens.ts'

/**
 * Who may ask for a route. `changes`: what it does, if it does anything. What `stops` something is done whatever else is wrong; what `begins` something, or lets
 * it go on, is not done unless it is in the audit log. `refusal`: how it is told to whoever may not, where others read it than people.
 */
export interface Access { needs: Role | 'nobody'; changes?: 'begins' | 'stops'; refusal?: (why: string) => object }

const anybody: Access = { needs: 'nobody' }
const reads: Access = { needs: 'viewer' }
const asksForRelease: Access = { needs: 'release', refusal: blocked }

/**
 * Every route of the scheduler. One that is not here cannot be registered. What an operator has begun or stopped, a policy that has paused for its failed verdict
 * too, only an admin lets go; removing a policy is among that, since applied anew it would no longer be paused.
 */
export const routeTable: Readonly<Record<string, Access>> = {
  'GET /healthz': anybody,
  'GET /readyz': anybody,
  'GET /': anybody, // the page's own files, which hold nothing; what it shows comes from the routes below
  'GET /page/*': anybody,
  'GET /metrics': { needs: 'metrics' },
  'GET /api/v1/release-check': asksForRelease,
  'POST /api/v1/release-check/flagger': asksForRelease,
  'GET /api/v1/whoami': reads,
  'GET /api/v1/runs': reads,
  'GET /api/v1/runs/:run': reads,
  'GET /api/v1/runs/:run/events': reads,
  'GET /api/v1/runs/:run/live': reads,
  'GET /api/v1/events': reads,
  'GET /api/v1/coverage': reads,
  'GET /api/v1/policies': reads,
  'GET /api/v1/halt': reads,
  'POST /api/v1/plan': reads,
  'POST /api/v1/runs': { needs: 'operator', changes: 'begins' },
  'POST /api/v1/runs/:run/abort': { needs: 'operator', changes: 'stops' },
  'POST /api/v1/abort': { needs: 'operator', changes: 'stops' },
  'POST /api/v1/halt': { needs: 'operator', changes: 'stops' },
  'PUT /api/v1/policies/:name': { needs: 'operator', changes: 'begins' },
  'DELETE /api/v1/policies/:name': { needs: 'admin', changes: 'begins' },
  'POST /api/v1/policies/:name/resume': { needs: 'admin', changes: 'begins' },
  'POST /api/v1/resume': { needs: 'admin', changes: 'begins' },
  'GET /api/v1/audit': { needs: 'admin' },
}

export interface RouteAccessOptions {
  tokens: Tokens
  audit: AuditLog
  rate?: RequestRate
}

/**
 * Asks each request for the token that its route needs, before its body is read: 401 without one, 403 with one of too little a role, which is in the audit log then,
 * and 429 for whoever asks without end, but never for an abort or a halt. Call it before routes are added: it throws for one that is not in the table.
 */
export function guardRoutes(api: FastifyInstance, { tokens, audit, rate = new RequestRate() }: RouteAccessOptions): void {
  api.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat()) if (!accessOf(one, url)) throw new Error(`${nameOf(one, url)} is not in the table of routes (services/scheduler/route-access.ts), so nobody may ask for it`)
  })
  api.addHook('onRequest', async (request, reply) => {
    const { method, routeOptions: { url }, headers } = request
    const access = accessOf(method, url)
    if (url === undefined || access?.needs === 'nobody') return // there is no such route, or it is everybody's
    const refuse = (status: number, why: string, { told = {}, ...header }: { told?: object; 'www-authenticate'?: string; 'retry-after'?: number } = {}) =>
      reply.code(status).headers(header).send({ ...access?.refusal?.(why) ?? { error: why }, ...told })
    const caller = tokens.callerOf(headers.authorization)
    if (!caller) return refuse(401, 'a bearer token is needed', { 'www-authenticate': 'Bearer' })
    const may = access !== undefined && opens(caller.role, access.needs)
    const waitMs = may && access.changes === 'stops' ? 0 : rate.take(caller.name, performance.now())
    if (waitMs > 0) return refuse(429, `too many requests came with the token ${caller.name}; wait a moment`, { 'retry-after': Math.ceil(waitMs / 1_000) })
    if (!may) {
      const why = `this token is ${possessive[caller.role]} (${caller.name}); ${routeOf(request)} takes one that is ${access ? possessive[access.needs] : 'nobody\'s'}`
      audit.beside({ request, caller, about: namedIn(request), outcome: 'refused', why })
      return refuse(403, why, { told: caller })
    }
    const { needs } = access
    opened.set(request, {
      caller,
      isStill() {
        const now = tokens.callerOf(headers.authorization)
        return now !== undefined && opens(now.role, needs)
      },
    })
  })
}

const opened = new WeakMap<FastifyRequest, { caller: Caller; isStill(): boolean }>()

/** Whose token a request bore that its route was opened to. */
export function callerOf(request: FastifyRequest): Caller {
  const to = opened.get(request)
  if (!to) throw new Error(`${routeOf(request)} needs no token, so nobody knows who asked`)
  return to.caller
}

/** Whether its route would be opened to it now, too: tokens change while it is answered. */
export const isStillOpenTo = (request: FastifyRequest): boolean => opened.get(request)?.isStill() ?? false

/** The run or the policy of its path. */
const namedIn = ({ params }: FastifyRequest): string | undefined => Object.values(params as Record<string, string>)[0]

/** `POST /api/v1/runs/:run/abort` */
export const routeOf = ({ method, routeOptions: { url } }: FastifyRequest): string => nameOf(method, url)

/** What stops something; what is not in the table does not. */
export const stops = (request: FastifyRequest): boolean => routeTable[routeOf(request)]?.changes === 'stops'

const accessOf = (method: string, url: string | undefined): Access | undefined => Object.hasOwn(routeTable, nameOf(method, url)) ? routeTable[nameOf(method, url)] : undefined

/** HEAD is a GET whose answer nobody reads; the page's files are many. */
const nameOf = (method: string, url = ''): string => `${method === 'HEAD' ? 'GET' : method} ${url.replace(/^\/page\/.*/, '/page/*')}`
