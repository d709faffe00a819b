import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { Bus } from '#shared/bus.ts'
import { messageOf } from '#shared/errors.ts'
import { duration } from '#shared/units.ts'
import { readAuditRecord } from './audit-record.ts'
import { RecordUnread } from './stream-record.ts'

/** The stream keeps 90 days. */
const longestMs = 90 * 24 * 3_600_000
const query = z.strictObject({ since: duration({ minMs: 1_000, maxMs: longestMs }).default(24 * 3_600_000) })
const mostEntries = 5_000
/** The command waits for 15 s. */
const readingTimeoutMs = 10_000

/**
 *   GET /api/v1/audit?since=24h   200 {entries, leftOut, unreadable} who asked for what, oldest first (audit-record.ts); any scheduler answers | 400 | 503
 */
export function auditRoutes(api: FastifyInstance, bus: Bus): void {
  api.get('/api/v1/audit', async (request, reply) => {
    const asked = query.safeParse(request.query)
    if (!asked.success) return reply.code(400).send({ error: asked.error.issues.map(({ path, message }) => `${path.join('.') || 'query'}: ${message}`).join('; ') })
    try {
      return await readAuditRecord(bus, { sinceMs: Date.now() - asked.data.since, most: mostEntries, timeoutMs: readingTimeoutMs })
    } catch (error) {
      if (error instanceof RecordUnread) return reply.code(503).send({ error: messageOf(error) })
      throw error
    }
  })
}
