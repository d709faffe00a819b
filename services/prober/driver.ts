import { messageOf } from '#shared/errors.ts'

/** How one attempt came out. `unconfirmed`: taken, but not seen where it has to be in time. */
export type Outcome = { is: 'ok' } | { is: 'failed'; why: string } | { is: 'unconfirmed'; why: string }

/** What is done for one kind of probe. Nothing in it throws or waits longer than `signal`. */
export interface ProbeDriver extends AsyncDisposable {
  /** One attempt; with a ledger, the write of this id. */
  attempt(id: string, signal: AbortSignal): Promise<Outcome>
  /** Of these ids, those that are there. Rejects when that cannot be found out now. */
  find(ids: readonly string[], signal: AbortSignal): Promise<ReadonlySet<string>>
  /** Takes away what the attempts have written. Rejects when it cannot. */
  clear(ids: readonly string[], signal: AbortSignal): Promise<void>
}

/** A short reason, of which there are few different ones, and in which no address or password stands. */
export function reasonOf(error: unknown, signal?: AbortSignal): string {
  if (signal?.aborted) return 'no answer in time'
  const code = (error as { code?: unknown } | undefined)?.code
  return typeof code === 'string' ? code : messageOf(error).split('\n', 1)[0]?.slice(0, 120) ?? 'failed'
}

/** Settles with the promise, or rejects when the signal does. */
export async function within<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const late = Promise.withResolvers<never>()
  const abort = () => late.reject(new Error('no answer in time'))
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([work, late.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** Connections that are used by one attempt at a time; one that has failed is given up at once, since it may lead to what is gone. */
export class Connections<T> implements AsyncDisposable {
  readonly #open: (signal: AbortSignal) => Promise<T>
  readonly #close: (connection: T) => void
  readonly #idle: T[] = []

  constructor(open: (signal: AbortSignal) => Promise<T>, close: (connection: T) => void) {
    this.#open = open
    this.#close = close
  }

  async use<R>(signal: AbortSignal, work: (connection: T) => Promise<R>): Promise<R> {
    const connection = this.#idle.pop() ?? await this.#open(signal)
    try {
      const result = await within(work(connection), signal)
      this.#idle.push(connection)
      return result
    } catch (error) {
      this.#close(connection)
      this.#dropIdle() // those that wait lead to the same place
      throw error
    }
  }

  #dropIdle(): void {
    for (const connection of this.#idle.splice(0)) this.#close(connection)
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#dropIdle()
    return Promise.resolve()
  }
}
