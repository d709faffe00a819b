import type { FastifyInstance, FastifyReply } from 'fastify'
import { z, type ZodError } from 'zod'
import type { Bus } from '#shared/bus.ts'
import { messageOf } from '#shared/errors.ts'
import { checkRelease, type ReleaseDecision } from '#shared/release-check.ts'
import { releaseQuerySchema, type ReleaseQuery } from '#shared/release-query.ts'
import { readReleaseRecord } from './release-record.ts'
import { RecordUnread } from './stream-record.ts'
import { readRequirements } from './release-requirements.ts'
import type { Scheduler } from './service.ts'
import type { Rotating } from './tokens.ts'

export interface ReleaseSettings {
  /** Opens the release checks and nothing else: whoever releases need not be able to start runs. */
  token?: Rotating
  /** What is required of each service when the question does not say (release-requirements.ts). */
  requirementsFolder?: string | undefined
  /** Public keys as they are now: where there are any, only verdicts count that one of them has signed. */
  trustedKeys?: (() => readonly string[]) | undefined
}

export interface ReleaseApiOptions extends Omit<ReleaseSettings, 'token'> {
  scheduler: Pick<Scheduler, 'ready'>
  bus: Bus
}

/** Argo Rollouts and Flagger wait ten seconds where nothing is said. */
const readingTimeoutMs = 5_000

/** What Flagger sends to a webhook; `metadata` is what the Canary says there. */
const flaggerPayload = z.looseObject({ metadata: z.unknown() })

/**
 * May a version go out? Each scheduler answers by itself, out of what is on record.
 *
 *   GET  /api/v1/release-check?app=shop&version=1.2.3&within=24h&require=a,b    200 ReleaseDecision, passed or not
 *   POST /api/v1/release-check/flagger {metadata: {app, version, within?, require?}}   200 ReleaseDecision when it passes, 409 when it blocks
 *   both: 400 problems | 401, 403 | 503 when the record cannot be read; only `passed: true` passes
 */
export function registerReleaseCheck(api: FastifyInstance, { scheduler, bus, requirementsFolder, trustedKeys = () => [] }: ReleaseApiOptions): void {
  api.get('/api/v1/release-check', (request, reply) => answer(reply, request.query, 200))
  api.post('/api/v1/release-check/flagger', (request, reply) => answer(reply, flaggerPayload.safeParse(request.body).data?.metadata, 409))

  async function answer(reply: FastifyReply, asked: unknown, blockedStatus: 200 | 409): Promise<unknown> {
    const query = releaseQuerySchema.safeParse(asked)
    if (!query.success) return reply.code(400).send({ ...blocked('not a release check'), problems: problems(query.error) })
    if (!scheduler.ready()) return reply.code(503).send(blocked('this scheduler is not ready, or has lost NATS: what is on record cannot be read'))
    try {
      const decision = await decide(query.data)
      return await reply.code(decision.passed ? 200 : blockedStatus).send(decision)
    } catch (error) {
      if (error instanceof RecordUnread) return reply.code(503).send(blocked(messageOf(error)))
      throw error
    }
  }

  async function decide({ app, version, within, require }: ReleaseQuery): Promise<ReleaseDecision> {
    const [{ required, problem }, { runs, unreadable }] = await Promise.all([
      require ? { required: require, problem: undefined } : readRequirements(requirementsFolder, app),
      readReleaseRecord(bus, { timeoutMs: readingTimeoutMs }),
    ])
    return checkRelease({ app, version, withinMs: within, required, runs, nowMs: Date.now(), trustedKeys: trustedKeys(), unreadable: [...problem === undefined ? [] : [problem], ...unreadable] })
  }
}

/** Whoever reads only the body must not take it for a pass either. */
export const blocked = (error: string) => ({ passed: false, decision: 'block' as const, error })
const problems = (error: ZodError) => error.issues.map(({ path, message }) => ({ path: path.join('.'), expected: message }))
