import type { Followed } from '#shared/bus.ts'
import { messageOf } from '#shared/errors.ts'
import { misplaced, parseFact } from '#shared/events.ts'
import { isDeeper } from '#shared/json-depth.ts'

/** An experiment is nested 50 deep at most, and is wrapped in messages. */
const mostLevels = 100

/** Throws for what is no JSON, and for what is nested too deep. */
export function parseMessage(text: string): unknown {
  if (isDeeper(text, mostLevels)) throw new Error(`JSON nested more than ${mostLevels} levels deep`)
  return JSON.parse(text)
}

/** What a message of a stream of facts is; `invalid` when it is no fact, or not the one that its subject says. */
export function readStored(raw: string, { seq, subject }: { seq: number; subject: string }): Extract<Followed, { is: 'fact' | 'invalid' }> {
  try {
    const stored = parseFact(parseMessage(raw), seq)
    const why = misplaced(subject, stored)
    return why === undefined ? { is: 'fact', stored } : { is: 'invalid', stream: seq, why }
  } catch (error) {
    return { is: 'invalid', stream: seq, why: messageOf(error) }
  }
}
