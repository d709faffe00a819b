import { z } from 'zod'
import { FaultlineError, messageOf } from '#shared/errors.ts'
import type { LoadSpec } from '#shared/experiment.ts'
import { withoutLogin } from '#shared/redaction.ts'

/** Locust's web API gave no usable answer in time. */
export class LocustUnanswered extends FaultlineError {
  readonly code = 'locust_unanswered'

  /** Nobody is at its address, yet or any more. */
  get isNobodyThere(): boolean {
    return this.cause instanceof TypeError && this.cause.cause instanceof Error && 'code' in this.cause.cause && nobodyThere.has(this.cause.cause.code)
  }
}
const nobodyThere: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'])

/** Locust has understood, and will not. */
export class LocustRefused extends FaultlineError {
  readonly code = 'locust_refused'
}

const doneSchema = z.looseObject({ success: z.boolean(), message: z.string() })
const statsSchema = z.looseObject({
  /** ready, spawning, running, cleanup, stopping, stopped, missing. */
  state: z.string(),
  user_count: z.int().nonnegative(),
  /** One entry for each name, and `Aggregated` for all. */
  stats: z.array(z.looseObject({ name: z.string(), num_requests: z.int().nonnegative(), num_failures: z.int().nonnegative() })),
  /** Of a master only. Without any it accepts a test, and does nothing (Locust logs a warning). */
  workers: z.array(z.looseObject({ state: z.string() })).optional(),
})
export type LocustStats = z.output<typeof statsSchema>

/** The three things that are asked of Locust (2.47). All throw LocustUnanswered, or LocustRefused. */
export interface LocustApi {
  /** `parameters`: the locustfile's own arguments; one that it does not have is refused by k8s/locust/faultline_listeners.py. */
  swarm(load: Pick<LoadSpec, 'users' | 'spawnRate' | 'host' | 'parameters'>): Promise<void>
  /** Ends the test, not Locust. Answered when all users of this process have been stopped. Repeatable. */
  stop(): Promise<void>
  /** Locust answers from a cache for 2 s. */
  stats(): Promise<LocustStats>
}

/** fetch says only that it failed, and keeps why for its cause. */
function whyOf(error: unknown): string {
  if (error instanceof z.ZodError) return `its answer is not in the shape that Locust's API has (${error.issues[0]?.path.join('.') || 'all of it'}: ${error.issues[0]?.message})`
  return withoutLogin(error instanceof TypeError && error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : messageOf(error))
}

/** A thousand different names of requests, with their histograms, are some megabytes. */
const mostBytes = 32 * 1_048_576

/** The body, unless there is more of it than any answer has: what is at the address may not be a Locust at all. */
async function limitedText({ body }: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength
    if (bytes > mostBytes) throw new Error(`the answer is longer than ${mostBytes} bytes`)
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

/** `url`: base URL of Locust's web interface; `token` for one behind k8s/locust/web_login.py. */
export function locustApi(url: string, { timeoutMs = 3_000, token }: { timeoutMs?: number; token?: string | undefined } = {}): LocustApi {
  const base = url.replace(/\/$/, '')
  const told = withoutLogin(base)

  async function ask<T extends z.ZodType>(path: string, schema: T, form?: Record<string, string>): Promise<z.output<T>> {
    try {
      const response = await fetch(base + path, {
        signal: AbortSignal.timeout(timeoutMs), redirect: 'error', // a redirect is its login page
        ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
        ...(form && { method: 'POST', body: new URLSearchParams(form) }),
      })
      if (!response.ok) throw new Error(`HTTP ${response.status}`)
      return schema.parse(JSON.parse(await limitedText(response)))
    } catch (cause) {
      throw new LocustUnanswered(`Locust at ${told} gave no usable answer to ${path} within ${timeoutMs} ms: ${whyOf(cause)}; see its log, or check locust.url and locust.token`, { cause })
    }
  }

  async function demand(path: string, form: Record<string, string>): Promise<void> {
    const { success, message } = await ask(path, doneSchema, form)
    if (!success) throw new LocustRefused(`Locust at ${told} refused ${path}: ${message.slice(0, 500)}`)
  }

  return {
    swarm: ({ users, spawnRate, host, parameters }) => demand('/swarm', {
      ...Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, String(value)])),
      faultline_parameters: Object.keys(parameters).join(','),
      user_count: String(users), spawn_rate: String(spawnRate), host,
    }),
    stop: () => demand('/stop', {}),
    stats: () => ask('/stats/requests', statsSchema),
  }
}
