import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { RecordedChange } from './recorded-change.ts'
import type { Scheduler } from './service.ts'

/**
 * The safety lever.
 *
 *   GET  /api/v1/halt            {halted, by?, why?, sinceMs?}
 *   POST /api/v1/halt {why?}     aborts every run, and has every new one refused, until
 *   POST /api/v1/resume          which takes an admin
 */
export function haltRoutes(api: FastifyInstance, { halt }: Pick<Scheduler, 'halt'>, change: RecordedChange): void {
  api.get('/api/v1/halt', () => halt.state())
  api.post('/api/v1/halt', async (request, reply) => {
    const body = z.strictObject({ why: z.string().max(1_000).default('') }).safeParse(request.body ?? {})
    if (!body.success) return reply.code(400).send({ error: 'expected {"why": "some text"}, or nothing' })
    const { why } = body.data
    return change(request, reply, { about: why, body: { why }, here: by => halt.set(by, why) })
  })
  api.post('/api/v1/resume', (request, reply) => change(request, reply, { here: by => halt.release(by) }))
}
