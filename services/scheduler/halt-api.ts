import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { Scheduler } from './service.ts'
import { throughLeader } from './through-leader.ts'

/**
 * The safety lever, on an instance whose guard has asked for the token.
 *
 *   GET  /api/v1/halt            {halted, by?, why?, sinceMs?}
 *   POST /api/v1/halt {why?}     aborts every run, and has every new one refused, until
 *   POST /api/v1/resume
 */
export function haltRoutes(api: FastifyInstance, scheduler: Scheduler): void {
  api.get('/api/v1/halt', () => scheduler.halt.state())
  api.post('/api/v1/halt', async (request, reply) => {
    const body = z.strictObject({ why: z.string().max(1_000).default('') }).safeParse(request.body ?? {})
    if (!body.success) return reply.code(400).send({ error: 'expected {"why": "some text"}, or nothing' })
    const { why } = body.data
    return throughLeader(scheduler.leadership, request, reply, { body: { why }, here: () => scheduler.halt.set('a user', why) })
  })
  api.post('/api/v1/resume', (request, reply) => throughLeader(scheduler.leadership, request, reply, { here: () => scheduler.halt.release('a user') }))
}
