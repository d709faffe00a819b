import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'

/** Waits for what sends no event, such as another process's state; gives how long it took. Fails, with what it is now, when time is over. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs: number, { lookMs = 10, now = () => '' }: { lookMs?: number; now?: () => string } = {}): Promise<number> {
  const startedMs = performance.now()
  while (!await holds()) {
    if (performance.now() - startedMs > timeoutMs) assert.fail(`not within ${timeoutMs} ms: ${what}${now() && `; now: ${now()}`}`)
    await delay(lookMs)
  }
  return performance.now() - startedMs
}
