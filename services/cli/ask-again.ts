import { setTimeout as delay } from 'node:timers/promises'

/** `afterwards`: what becomes of it after that time, in words that end the line. */
export interface Patience { patienceMs: number; againMs: number; afterwards?: string }

/**
 * Asks whoever may be away for a moment until nothing speaks against the answer, or the time is over; gives the last answer. What speaks against the first one is told on
 * standard error, and how long it is asked again.
 */
export async function askAgain<T>(ask: () => Promise<T>, whyNot: (answer: T) => string | undefined, { patienceMs, againMs, afterwards = '' }: Patience): Promise<T> {
  const givenUpAt = performance.now() + patienceMs
  for (let tried = 1; ; tried++) {
    const answer = await ask()
    const why = whyNot(answer)
    if (why === undefined || performance.now() + againMs > givenUpAt) return answer
    if (tried === 1) process.stderr.write(`${why}\nit is asked again for up to ${patienceMs / 1_000} s${afterwards}\n`)
    await delay(againMs)
  }
}
