import { fastify, type FastifyInstance, type FastifyReply } from 'fastify'
import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import { z, type ZodError } from 'zod'
import type { Bus } from '#shared/bus.ts'
import { messageOf, MessageTooLarge } from '#shared/errors.ts'
import { experimentSchema } from '#shared/experiment.ts'
import { testedServiceSchema } from '#shared/tested-service.ts'
import { isUnicode } from '#shared/unicode.ts'
import { auditRoutes } from './audit-api.ts'
import { openAuditLog } from './audit-log.ts'
import type { RunState } from './core.ts'
import { coverageRoutes } from './coverage-api.ts'
import { haltRoutes } from './halt-api.ts'
import { guardHttp } from './http-guard.ts'
import { openStream, type EventStream } from './open-stream.ts'
import { pageApi } from './page-api.ts'
import { pageRoutes } from './page-routes.ts'
import type { Policies } from './policies.ts'
import { policiesApi } from './policies-api.ts'
import { recordedChanges } from './recorded-change.ts'
import { registerReleaseCheck, type ReleaseSettings } from './release-api.ts'
import type { RequestRate } from './request-rate.ts'
import { callerOf, guardRoutes } from './route-access.ts'
import { summaryOf } from './run-summary.ts'
import { Halted, LoadBusy, newRunName, NotLeading, type Scheduler } from './service.ts'
import { knownTokens, type Rotating } from './tokens.ts'
import type { HashedToken } from './tokens-file.ts'

export interface SchedulerApiOptions {
  scheduler: Scheduler
  bus: Bus
  /** Opens everything. */
  token: Rotating
  /** Opens /metrics too, and nothing else: whoever scrapes need not be able to start runs. */
  metricsToken?: Rotating
  release?: ReleaseSettings
  /** More tokens, each with a name and a role, as they are now. */
  moreTokens?: (() => readonly HashedToken[]) | undefined
  metrics: Registry
  /** Where there are any: policies-api.ts. */
  policies?: Policies | undefined
  /** Names by which it is reached, beside addresses and the cluster's own names (http-guard.ts). */
  hosts?: readonly string[]
  rate?: RequestRate
  log?: Pick<Logger, 'error'>
}

/**
 * The scheduler over HTTP. Every route but /healthz, /readyz and the live page's files asks for a bearer token, on loopback too; whose opens which is the table
 * in route-access.ts. Whatever changes something is in the audit log.
 *
 *   POST /api/v1/runs {experiment, file?, run?, services?}
 *                                          202 {run} | 400 problems | 409 the load generator is taken, or everything is halted; with `run`, a name of its own, it may be asked for again
 *   POST /api/v1/plan {experiment}         200 {faults} what a run would do now (shared/fault-preview.ts); changes nothing | 400 problems
 *   GET  /api/v1/runs, /api/v1/runs/:run   summaries
 *   GET  /api/v1/coverage                  coverage-api.ts
 *   GET  /api/v1/runs/:run/events          server-sent events: every fact of the run, from its first, then as they come
 *   POST /api/v1/runs/:run/abort, POST /api/v1/abort
 *   release checks                         release-api.ts
 *   GET  /api/v1/whoami                    {name, role} of the token; GET /api/v1/audit: audit-api.ts
 *   GET  /                                 the live page (page-routes.ts); what it reads beside these is in page-api.ts
 *
 * Of several schedulers each answers: what is read from its own fold, what changes something through the leader (503 when there is none).
 */
export function schedulerApi({ scheduler, bus, token, metricsToken, release, moreTokens, metrics, policies, hosts = [], rate, log = silent }: SchedulerApiOptions): FastifyInstance {
  const api = fastify({ bodyLimit: 1_048_576, requestTimeout: 30_000, forceCloseConnections: true, routerOptions: { maxParamLength: longestRun } })
  const tokens = knownTokens({ api: token, metrics: metricsToken, release: release?.token, more: moreTokens })
  const audit = openAuditLog({ bus, log })
  guardHttp(api, { hosts, knows: authorization => tokens.callerOf(authorization) !== undefined })
  guardRoutes(api, { tokens, audit, ...(rate && { rate }) })
  const change = recordedChanges({ leadership: scheduler.leadership, audit })

  api.get('/healthz', () => ({ status: 'ok' }))
  api.get('/readyz', (_request, reply) => scheduler.ready() ? { status: 'ready' } : reply.code(503).send({ status: 'not ready' }))
  api.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()))
  api.get('/api/v1/whoami', request => callerOf(request))
  registerReleaseCheck(api, { scheduler, bus, ...release })
  auditRoutes(api, bus)
  haltRoutes(api, scheduler, change)
  if (policies) policiesApi(api, policies, change)
  coverageRoutes(api, scheduler)
  pageApi(api, { scheduler, bus, find })
  void api.register(pageRoutes)
  api.get('/api/v1/runs', () => ({ runs: scheduler.runs().map(summaryOf) }))
  api.get<{ Params: { run: string } }>('/api/v1/runs/:run', async (request, reply) => {
    const state = await find(request.params.run)
    return state ? summaryOf(state) : unknown(reply, request.params.run)
  })
  api.post('/api/v1/runs', async (request, reply) => {
    const body = z.strictObject({ experiment: experimentDocument, file: z.string().max(1_000).optional(), run: runName.optional(), services: z.array(testedServiceSchema).max(100).optional() }).safeParse(request.body)
    if (!body.success) return reply.code(400).send({ error: 'not an experiment', problems: problems(body.error) })
    const { experiment, file, services, run = newRunName(experiment, Date.now()) } = body.data
    return change(request, reply, {
      about: run,
      body: { experiment, run, ...(file !== undefined && { file }), ...(services && { services }) },
      async here() {
        try {
          return await reply.code(202).send({ run: await scheduler.submit(experiment, { run, file, services }) })
        } catch (error) {
          if (error instanceof NotLeading) throw error
          return reply.code(error instanceof LoadBusy || error instanceof Halted ? 409 : error instanceof MessageTooLarge ? 413 : 503).send({ error: messageOf(error) })
        }
      },
    })
  })
  api.post('/api/v1/plan', async (request, reply) => {
    const body = z.strictObject({ experiment: experimentDocument }).safeParse(request.body)
    if (!body.success) return reply.code(400).send({ error: 'not an experiment', problems: problems(body.error) })
    return { faults: await scheduler.preview(body.data.experiment) }
  })
  api.get<{ Params: { run: string } }>('/api/v1/runs/:run/events', async (request, reply) => {
    if (!await find(request.params.run)) return unknown(reply, request.params.run)
    return streamFacts(bus, request.params.run, openStream(request, reply))
  })
  api.post<{ Params: { run: string } }>('/api/v1/runs/:run/abort', async (request, reply) => {
    const { run } = request.params
    if (!await find(run)) return unknown(reply, run)
    return change(request, reply, { about: run, here: async by => ({ run, aborted: await scheduler.abort(run, by) }) })
  })
  api.post('/api/v1/abort', (request, reply) => change(request, reply, {
    async here(by) {
      const active = scheduler.runs().filter(run => run.sealedAtMs === undefined)
      const aborted = await Promise.all(active.map(async ({ run }) => await scheduler.abort(run, `${by} (all runs)`) ? [run] : []))
      return { aborted: aborted.flat() }
    },
  }))
  return api

  /** A scheduler on standby hears of what the leader was told a little later. */
  async function find(run: string): Promise<RunState | undefined> {
    return scheduler.arrival(run, scheduler.leadership.epoch() ? 0 : lateMs)
  }
}

const silent = { error: () => undefined }
const lateMs = 5_000 // with three NATS servers, one of them just gone, a fact took more than two seconds to come to all
/** It is part of subjects, folders and other names. */
const longestRun = 120
const runName = z.string().max(longestRun).regex(/^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/, 'lower-case letters, digits and dashes')

/** Checked as an experiment, passed on as it was written. */
const experimentDocument = z.unknown().superRefine((written, context) => {
  if (!isUnicode(written)) context.addIssue({ code: 'custom', message: 'text in Unicode; some of it holds half of a surrogate pair' })
  for (const issue of experimentSchema.safeParse(written).error?.issues ?? []) context.addIssue({ code: 'custom', path: [...issue.path], message: issue.message })
})

const problems = (error: ZodError) => error.issues.map(issue => ({ path: issue.path.join('.'), expected: issue.message }))
const unknown = (reply: FastifyReply, run: string) => reply.code(404).send({ error: `no run ${run}` })

async function streamFacts(bus: Bus, run: string, stream: EventStream): Promise<void> {
  await using facts = bus.follow({ run })
  stream.onClose(() => void facts.stop())
  for await (const next of facts) {
    if (next.is !== 'fact') continue
    stream.send(next.stored.kind, next.stored, next.stored.stream)
    if (next.stored.kind === 'run.judged') break
    await stream.taken() // a run is megabytes, and whoever reads slowly must not have the scheduler hold them
  }
  stream.end()
}
