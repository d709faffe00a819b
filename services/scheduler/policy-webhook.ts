import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import { messageOf } from '#shared/errors.ts'

/** Where people are told: a POST of {text} in JSON, which Slack's incoming webhooks and those made like them take. */
export interface Webhook {
  /** Resolves when it was taken, or given up; never rejects. */
  tell(text: string): Promise<void>
  /** Gives up what is under way. */
  stop(): void
}

export interface WebhookOptions {
  /** The operator's, never a policy's: whoever may write a policy cannot have the cluster's inside asked for what they like. It holds a secret and is not logged. */
  url: string
  log: Logger
  /** Before the second try; doubled before each that follows. */
  pauseMs?: number
}

const tries = 6
const timeoutMs = 5_000

export function openWebhook({ url, log, pauseMs = 1_000 }: WebhookOptions): Webhook {
  const stopping = new AbortController()
  return {
    async tell(text) {
      for (let count = 1; ; count++) {
        const failed = await post(url, text, stopping.signal)
        if (!failed) return
        if (!failed.again || count === tries || stopping.signal.aborted) {
          log.error({ why: failed.why, tries: count }, 'the webhook could not be told')
          return
        }
        await delay(pauseMs * 2 ** (count - 1), undefined, { signal: stopping.signal }).catch(() => undefined)
      }
    },
    stop: () => stopping.abort(),
  }
}

/** Undefined when it was taken. `again`: it may be taken later. */
async function post(url: string, text: string, signal: AbortSignal): Promise<{ why: string; again: boolean } | undefined> {
  try {
    const answer = await fetch(url, {
      method: 'POST', redirect: 'error', signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      headers: { 'content-type': 'application/json' }, body: JSON.stringify({ text }),
    })
    await answer.body?.cancel()
    return answer.ok ? undefined : { why: `it answered ${answer.status}`, again: answer.status >= 500 || answer.status === 429 }
  } catch (error) {
    return { why: messageOf(error), again: true }
  }
}
