import { z } from 'zod'
import { coverageSchema, type Coverage } from '#shared/coverage.ts'
import { FaultlineError, InvalidInput, messageOf } from '#shared/errors.ts'
import { parseFact, type StoredFact } from '#shared/events.ts'
import { faultPreviewSchema, type FaultPreview } from '#shared/fault-preview.ts'
import type { TestedService } from '#shared/tested-service.ts'

/** The scheduler does not answer, or not as it should. */
export class SchedulerUnreachable extends FaultlineError {
  readonly code = 'scheduler_unreachable'
}

/** The scheduler refused what was asked. */
export class RequestRefused extends InvalidInput {
  readonly code = 'request_refused'
}

/** The token that was shown is of too little a role; the message says whose it is, and what it takes. */
export class RoleTooLow extends InvalidInput {
  readonly code = 'role_too_low'
}

const auditEntry = z.object({
  who: z.string(), role: z.string(), address: z.string(), passedOnFor: z.string().optional(), request: z.string(), about: z.string().optional(),
  outcome: z.enum(['allowed', 'refused']), why: z.string().optional(), atMs: z.number(),
})
const auditRecord = z.object({ entries: z.array(auditEntry), leftOut: z.number(), unreadable: z.number() })
export type AuditRecord = z.output<typeof auditRecord>

const policySummary = z.object({
  name: z.string(), by: z.string().optional(), state: z.string(), reason: z.string().nullable(), nextAtMs: z.number().nullable(),
  upcoming: z.array(z.object({ atMs: z.number(), experiment: z.string() })),
  recent: z.array(z.object({ atMs: z.number(), experiment: z.string(), run: z.string().nullable(), outcome: z.string() })),
  budgets: z.array(z.object({ slo: z.string(), remainingRatio: z.number().nullable(), why: z.string().nullable() })),
})
export type PolicySummary = z.output<typeof policySummary>

/** A stream of facts says every 5 s that it is alive (services/scheduler/api.ts). */
const silenceMs = 15_000
/** A plan asks each agent in turn, and each may take its time. */
const planTimeoutMs = 60_000
/** Whoever halts has another way, and no time. */
const haltTimeoutMs = 4_000
/** What `resume` says when nothing stops any more. */
export const runsAreTaken = 'runs are taken again'

/** The scheduler's API, from the outside: the command uses nothing else, whether the scheduler is in this process or far away. */
export class ApiClient {
  readonly #url: string
  readonly #token: string

  constructor({ apiUrl, token }: { apiUrl: string; token: string }) {
    this.#url = apiUrl
    this.#token = token
  }

  /** `services`: what is tested, for where nobody can find out. */
  async submit(experiment: unknown, file: string, services?: readonly TestedService[]): Promise<string> {
    return z.object({ run: z.string() }).parse(await this.#ask('POST', '/api/v1/runs', { experiment, file, services })).run
  }

  /** What a run of it would do now. Changes nothing. */
  async plan(experiment: unknown): Promise<FaultPreview[]> {
    return z.object({ faults: z.array(faultPreviewSchema) }).parse(await this.#ask('POST', '/api/v1/plan', { experiment }, planTimeoutMs)).faults
  }

  async runs(): Promise<unknown[]> {
    return z.object({ runs: z.array(z.unknown()) }).parse(await this.#ask('GET', '/api/v1/runs')).runs
  }

  /** Services x kinds of faults with the last verdict of each. */
  async coverage(staleAfter?: string): Promise<Coverage> {
    return coverageSchema.parse(await this.#ask('GET', `/api/v1/coverage${staleAfter === undefined ? '' : `?staleAfter=${encodeURIComponent(staleAfter)}`}`))
  }

  /** True when the run was under way. */
  async abort(run: string): Promise<boolean> {
    return z.object({ aborted: z.boolean() }).parse(await this.#ask('POST', `/api/v1/runs/${encodeURIComponent(run)}/abort`)).aborted
  }

  async abortAll(): Promise<string[]> {
    return z.object({ aborted: z.array(z.string()) }).parse(await this.#ask('POST', '/api/v1/abort')).aborted
  }

  /** Stops everything until `resume`. Both answer with what is so now, in words. */
  async halt(why: string): Promise<string> {
    return leverInWords(await this.#ask('POST', '/api/v1/halt', { why }, haltTimeoutMs))
  }

  async resume(): Promise<string> {
    return leverInWords(await this.#ask('POST', '/api/v1/resume'))
  }

  async policies(): Promise<PolicySummary[]> {
    return z.object({ policies: z.array(policySummary) }).parse(await this.#ask('GET', '/api/v1/policies')).policies
  }

  async setPolicy(name: string, policy: unknown): Promise<void> {
    await this.#ask('PUT', `/api/v1/policies/${encodeURIComponent(name)}`, { policy })
  }

  /** By its own name or its object's; gives its own. */
  async removePolicy(name: string): Promise<string> {
    return z.object({ policy: z.string() }).parse(await this.#ask('DELETE', `/api/v1/policies/${encodeURIComponent(name)}`)).policy
  }

  /** By its own name or its object's. `policy`: its own; `resumed`: it was paused. */
  async resumePolicy(name: string): Promise<{ policy: string; resumed: boolean }> {
    return z.object({ policy: z.string(), resumed: z.boolean() }).parse(await this.#ask('POST', `/api/v1/policies/${encodeURIComponent(name)}/resume`))
  }

  /** Who asked for what since then, such as `24h`; oldest first. Takes an admin's token. */
  async audit(since: string): Promise<AuditRecord> {
    return auditRecord.parse(await this.#ask('GET', `/api/v1/audit?since=${encodeURIComponent(since)}`))
  }

  /** Whether a version may go out (services/scheduler/release-api.ts). */
  async releaseCheck(query: URLSearchParams): Promise<unknown> {
    return this.#ask('GET', `/api/v1/release-check?${query.toString()}`)
  }

  /** Every fact of a run from its first; ends when it is judged. */
  async *facts(run: string, signal: AbortSignal): AsyncGenerator<StoredFact> {
    const silent = new AbortController()
    const silence = setTimeout(() => silent.abort(new SchedulerUnreachable(`the scheduler at ${this.#url} has said nothing for ${silenceMs / 1_000} s`)), silenceMs)
    try {
      const response = await this.#fetch('GET', `/api/v1/runs/${encodeURIComponent(run)}/events`, undefined, AbortSignal.any([signal, silent.signal]))
      let rest = ''
      for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        silence.refresh()
        const events = (rest + chunk).split('\n\n')
        rest = events.pop() ?? ''
        for (const event of events) {
          const data = event.split('\n').find(line => line.startsWith('data: '))
          if (!data) continue
          const { stream, fact } = z.object({ stream: z.int(), fact: z.unknown() }).parse(JSON.parse(data.slice('data: '.length)))
          yield parseFact(fact, stream)
        }
      }
    } finally {
      clearTimeout(silence)
    }
  }

  async #ask(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown, timeoutMs = 15_000): Promise<unknown> {
    const response = await this.#fetch(method, path, body, AbortSignal.timeout(timeoutMs))
    return response.json()
  }

  async #fetch(method: string, path: string, body: unknown, signal: AbortSignal): Promise<Response> {
    let response: Response
    try {
      response = await fetch(`${this.#url}${path}`, {
        method, signal,
        headers: { authorization: `Bearer ${this.#token}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
    } catch (cause) {
      throw new SchedulerUnreachable(`the scheduler at ${this.#url} does not answer: ${messageOf(cause)}; is it running?`, { cause })
    }
    if (response.ok) return response
    const said = await response.text()
    if (response.status >= 500) throw new SchedulerUnreachable(`the scheduler at ${this.#url} answered ${response.status}: ${said}`)
    const tooLow = response.status === 403 && roleRefusal.safeParse(parsed(said)).data
    if (tooLow) throw new RoleTooLow(`${tooLow.error}; show another (docs/access.md)`)
    throw new RequestRefused(`the scheduler at ${this.#url} refused (${response.status}): ${said}`)
  }
}

/** A 403 for another reason, such as a page of another site, tells no role. */
const roleRefusal = z.object({ error: z.string(), role: z.string() })

function parsed(said: string): unknown {
  try {
    return JSON.parse(said)
  } catch {
    return undefined
  }
}

const leverSchema = z.object({ halted: z.boolean(), by: z.string().optional(), why: z.string().optional() })

function leverInWords(answer: unknown): string {
  const { halted, by = '', why = '' } = leverSchema.parse(answer)
  return halted ? `halted by ${by}${why === '' ? '' : `: ${why}`}; nothing runs until faultline resume` : runsAreTaken
}
