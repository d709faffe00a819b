import type { FastifyReply, FastifyRequest } from 'fastify'
import { AuditUnwritten, type AuditLog } from './audit-log.ts'
import type { Leadership } from './leadership.ts'
import { printCaller } from './roles.ts'
import { callerOf, stops } from './route-access.ts'
import { throughLeader } from './through-leader.ts'

export interface ChangeDeed {
  /** What it is done to, for the audit: a run, a policy. */
  about?: string
  /** As it is passed on to the leader. */
  body?: unknown
  /** `by`: who asked, in words for facts. */
  here(by: string): Promise<unknown>
}

/** Does what a request asks for, on the leader, with who asked in the audit log: before it is done, unless it stops something. 503 when it cannot be put there. */
export type RecordedChange = (request: FastifyRequest, reply: FastifyReply, deed: ChangeDeed) => Promise<unknown>

export function recordedChanges({ leadership, audit }: { leadership: Leadership; audit: AuditLog }): RecordedChange {
  return (request, reply, { about, body, here }) => {
    const caller = callerOf(request)
    let isRecorded = false
    return throughLeader(leadership, request, reply, {
      body,
      async here() {
        if (!isRecorded) {
          const asked = { request, caller, about, outcome: 'allowed' } as const
          if (stops(request)) audit.beside(asked)
          else {
            try {
              await audit.before(asked)
            } catch (error) {
              if (error instanceof AuditUnwritten) return reply.code(503).send({ error: error.message })
              throw error
            }
          }
          isRecorded = true // it may have to be done again, by a leader who lost the lead meanwhile
        }
        return here(printCaller(caller))
      },
    })
  }
}
