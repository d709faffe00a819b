import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { duration } from '#shared/units.ts'
import type { Scheduler } from './service.ts'

const yearMs = 366 * 24 * 3_600_000
const query = z.strictObject({ staleAfter: duration({ minMs: 1_000, maxMs: yearMs }).optional() })

/**
 *   GET /api/v1/coverage?staleAfter=168h   200 services x kinds of faults with the last verdict of each (shared/coverage.ts); any scheduler answers | 400
 */
export function coverageRoutes(guarded: FastifyInstance, { coverage }: Pick<Scheduler, 'coverage'>): void {
  guarded.get('/api/v1/coverage', async (request, reply) => {
    const asked = query.safeParse(request.query)
    if (asked.success) return coverage(asked.data.staleAfter)
    return reply.code(400).send({ error: asked.error.issues.map(({ path, message }) => `${path.join('.') || 'query'}: ${message}`).join('; ') })
  })
}
