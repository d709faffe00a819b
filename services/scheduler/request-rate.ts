/**
 * Requests by whose token they bear: `burst` at once, and one more each `everyMs`. Far more than people, pages and pipelines ask for, so that it slows only
 * what has gone wild. No clock of its own; it remembers as many callers as have had a token, and those for whom all is as at the beginning, not at all.
 */
export class RequestRate {
  readonly #spent = new Map<string, { count: number; atMs: number }>()
  readonly #limits: RateLimits

  constructor(limits: Partial<RateLimits> = {}) {
    this.#limits = { burst: 600, everyMs: 20, ...limits }
  }

  /** How long the caller has to wait, in milliseconds; 0: it is listened to, and that is counted. */
  take(caller: string, nowMs: number): number {
    const { burst, everyMs } = this.#limits
    const before = this.#spent.get(caller)
    const count = before ? Math.max(0, before.count - (nowMs - before.atMs) / everyMs) : 0
    if (count > burst - 1) return Math.ceil((count - burst + 1) * everyMs)
    if (before === undefined && this.#spent.size >= mostCallers) this.#forget(nowMs)
    this.#spent.set(caller, { count: count + 1, atMs: nowMs })
    return 0
  }

  get callers(): number {
    return this.#spent.size
  }

  #forget(nowMs: number): void {
    for (const [caller, { count, atMs }] of this.#spent) if ((nowMs - atMs) / this.#limits.everyMs >= count) this.#spent.delete(caller)
    const [oldest] = this.#spent.keys()
    if (this.#spent.size >= mostCallers && oldest !== undefined) this.#spent.delete(oldest)
  }
}

/** As many as the tokens file may have, and those that are settings; more come only by rotation. */
const mostCallers = 1_003

export interface RateLimits { burst: number; everyMs: number }
