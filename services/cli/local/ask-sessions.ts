import { messageOf } from '#shared/errors.ts'
import { ApiClient } from '../api-client.ts'
import type { SessionAddress } from './folder.ts'

/** `session`: what it is called before people. */
export type AskSession<T> = (client: ApiClient, session: string) => Promise<T>

/** `deaf`: how many gave no answer, or refused. */
export interface SessionsAnswer<T> { answers: T[]; deaf: number }

/** Asks one local session after another. Why one gives no answer is told on stderr, and keeps nobody from asking the next. */
export async function askSessions<T>(sessions: readonly SessionAddress[], ask: AskSession<T>): Promise<SessionsAnswer<T>> {
  const all: SessionsAnswer<T> = { answers: [], deaf: 0 }
  for (const address of sessions) {
    const session = `the session of process ${address.pid}`
    try {
      all.answers.push(await ask(new ApiClient(address), session))
    } catch (error) {
      process.stderr.write(`${session}: ${messageOf(error)}\n`)
      all.deaf += 1
    }
  }
  return all
}
