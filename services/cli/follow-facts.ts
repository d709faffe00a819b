import { setTimeout as delay } from 'node:timers/promises'
import type { StoredFact } from '#shared/events.ts'
import { SchedulerUnreachable, type ApiClient } from './api-client.ts'

const pauseMs = 500

/**
 * Every fact of a run once, from its first to its verdict. A stream that breaks off is asked for again for as long as `patienceMs` after the
 * last fact: in a cluster the scheduler may be replaced in mid-run. Throws SchedulerUnreachable, RequestRefused.
 */
export async function* followFacts(client: Pick<ApiClient, 'facts'>, run: string, { signal, patienceMs }: { signal: AbortSignal; patienceMs: number }): AsyncGenerator<StoredFact> {
  let heardMs = performance.now()
  let last = -1
  for (;;) {
    try {
      for await (const stored of client.facts(run, signal)) {
        heardMs = performance.now()
        if (stored.stream <= last) continue
        last = stored.stream
        yield stored
        if (stored.kind === 'run.judged') return
      }
      throw new SchedulerUnreachable('the scheduler ended the stream of its facts')
    } catch (error) {
      if (signal.aborted || performance.now() - heardMs >= patienceMs) throw error
      await delay(pauseMs, undefined, { signal })
    }
  }
}
