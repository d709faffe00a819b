import type { FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import type { Bus } from '#shared/bus.ts'
import { FaultlineError, messageOf } from '#shared/errors.ts'
import type { FactData } from '#shared/events.ts'
import type { Caller } from './roles.ts'
import { passedOnHeader } from './through-leader.ts'

/** What is asked for cannot be put on record, so it is not done. */
export class AuditUnwritten extends FaultlineError {
  readonly code = 'audit_unwritten'
}

export interface Asked { request: FastifyRequest; caller: Caller; about?: string | undefined; outcome: 'allowed' | 'refused'; why?: string }

/** Who asked for what, as facts on a stream of their own (`audit.request`, shared/events.ts). The token is in none. */
export interface AuditLog {
  /** Resolves once it is stored. Throws AuditUnwritten. */
  before(asked: Asked): Promise<void>
  /** Stores it meanwhile: what is asked for does not wait. */
  beside(asked: Asked): void
}

/** In place of a run's name, in the subject of its facts. */
export const auditSubject = 'audit'
/** Whoever asked is still waiting. */
const beforeWithinMs = 3_000
/** NATS may come back. */
const besideWithinMs = 60_000
const longestText = 1_000
/** Without NATS they would pile up. */
const mostWaiting = 1_000

export function openAuditLog({ bus, log }: { bus: Bus; log: Pick<Logger, 'error'> }): AuditLog {
  // a writer stores one after another: what must be on record first does not wait for what need not
  const [first, meanwhile] = [bus.writer('scheduler'), bus.writer('scheduler')]
  let waiting = 0

  async function store(entry: AuditEntry): Promise<void> {
    if (waiting >= mostWaiting) throw new AuditUnwritten(`${waiting} others wait for NATS`)
    waiting += 1
    await meanwhile.write(auditSubject, 'audit.request', entry, { deadlineMs: besideWithinMs }).finally(() => { waiting -= 1 })
  }

  return {
    async before(asked) {
      try {
        await first.write(auditSubject, 'audit.request', entryOf(asked, Date.now()), { deadlineMs: beforeWithinMs })
      } catch (cause) {
        log.error({ why: messageOf(cause) }, 'the audit log could not be written; what was asked for is not done')
        throw new AuditUnwritten('nothing was done: who asked for it could not be put into the audit log; is NATS there?', { cause })
      }
    },
    beside(asked) {
      const entry = entryOf(asked, Date.now())
      store(entry).catch((error: unknown) => log.error({ audit: entry, why: messageOf(error) }, 'the audit log lacks this entry'))
    },
  }
}

export type AuditEntry = FactData<'audit.request'>

function entryOf({ request, caller, about, outcome, why }: Asked, atMs: number): AuditEntry {
  const passedOnFor = request.headers[passedOnHeader]
  return {
    who: caller.name, role: caller.role, address: request.ip, request: `${request.method} ${request.routeOptions.url ?? ''}`, outcome, atMs,
    ...(typeof passedOnFor === 'string' && { passedOnFor: passedOnFor.slice(0, longestText) }),
    ...(about !== undefined && about !== '' && { about: about.slice(0, longestText) }), ...(why !== undefined && { why }),
  }
}
