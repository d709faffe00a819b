import { NotAllowed, NotThere, TokenRefused, type Client } from './client.ts'
import type { ServerEvent } from './event-stream.ts'

export interface Followed {
  /** A stream has begun anew; what comes first in it is all that there is. */
  onBegin(): void
  onEvent(event: ServerEvent): void
  onLost(): void
  /** It will not be tried again. */
  onEnd(how: 'over' | 'token refused' | 'not there'): void
}

const firstPauseMs = 300
const longestPauseMs = 5_000

/** Keeps one stream of the API open until `signal` aborts or the stream comes to its end. `isOver`: whether its end was meant. */
export async function follow(client: Client, path: string, signal: AbortSignal, isOver: () => boolean, on: Followed): Promise<void> {
  let pauseMs = firstPauseMs
  while (!signal.aborted) {
    try {
      let isFirst = true
      for await (const event of client.events(path, signal)) {
        if (signal.aborted) return
        if (isFirst) on.onBegin()
        isFirst = false
        pauseMs = firstPauseMs
        on.onEvent(event)
      }
      if (isOver()) return on.onEnd('over')
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof TokenRefused || error instanceof NotAllowed) return on.onEnd('token refused')
      if (error instanceof NotThere) return on.onEnd('not there')
    }
    if (signal.aborted) return
    on.onLost()
    await new Promise(then => { setTimeout(then, pauseMs) })
    pauseMs = Math.min(longestPauseMs, pauseMs * 2)
  }
}
