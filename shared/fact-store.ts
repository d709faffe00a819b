import { setTimeout as delay } from 'node:timers/promises'
import { NatsError, type JetStreamClient, type JetStreamManager, type NatsConnection } from 'nats'
import type { WriteOptions } from '#shared/bus.ts'
import { FactAlreadyWritten, FactNotStored, messageOf } from '#shared/errors.ts'
import { factStreams, streamOf, type FactType, type StoredFact } from '#shared/events.ts'
import { readStored } from '#shared/stored-message.ts'

/** A fact on its way. */
export interface Outgoing { type: FactType; subject: string; id: string; payload: string }

const answerWithinMs = 2_000
const againMs = 50
/** JetStream's own number for it (jetstream/errors.json). */
const wrongLastSequence = 10071

export async function openFactStore(connection: NatsConnection): Promise<FactStore> {
  return new FactStore(connection, await connection.jetstreamManager({ timeout: answerWithinMs, checkAPI: false }))
}

/** Puts facts into their streams: each is stored once, however often it is tried. */
export class FactStore {
  readonly #connection: NatsConnection
  readonly #js: JetStreamClient
  readonly #reader: JetStreamManager

  constructor(connection: NatsConnection, reader: JetStreamManager) {
    this.#connection = connection
    this.#js = connection.jetstream({ timeout: answerWithinMs })
    this.#reader = reader
  }

  /**
   * Resolves with its place in the stream. Rejects with FactNotStored once the deadline is over or the connection closed, with FactAlreadyWritten. A publish that times out may have been
   * stored: the same id again is stored once (within the stream's duplicate window).
   */
  async store(fact: Outgoing, { deadlineMs, once }: Required<WriteOptions>): Promise<number> {
    const givenUpAt = performance.now() + deadlineMs
    const tryIt = once ? this.#storingOnce(fact, givenUpAt) : () => this.#publish(fact)
    for (;;) {
      try {
        return await tryIt()
      } catch (cause) {
        if (cause instanceof FactAlreadyWritten) throw cause
        if (performance.now() >= givenUpAt || this.#connection.isClosed()) {
          throw new FactNotStored(`the fact ${fact.id} could not be stored within ${deadlineMs} ms: ${messageOf(cause)}; the run's log now has a gap, so it cannot pass`, { cause })
        }
        await delay(againMs)
      }
    }
  }

  async #publish({ subject, id, payload }: Outgoing, expect: { lastSubjectSequence?: number } = {}): Promise<number> {
    return (await this.#js.publish(subject, payload, { msgID: id, expect })).seq
  }

  /**
   * Each call tries once to store it where no fact of its kind is yet. The server compares as it stores: it takes it only if nothing lies on the subject beyond the place up to which
   * all was looked at. What is no fact does not count, such as garbage: it would keep a run from its verdict for ever. Whoever could not look to the end does not
   * know, and that is thrown: it never counts as nothing there.
   */
  #storingOnce(fact: Outgoing, givenUpAt: number): () => Promise<number> {
    let lookedUpTo = 0
    return async () => {
      try {
        return await this.#publish(fact, { lastSubjectSequence: lookedUpTo })
      } catch (error) {
        const last = lastSequenceIn(error)
        if (last === undefined) throw error
        const found = await this.#firstFact(fact, last, givenUpAt)
        if (found?.fact.id === fact.id) return found.stream // stored by a try that nobody answered, and forgotten as a duplicate
        if (found) throw new FactAlreadyWritten(`${fact.subject} is on record already: ${messageOf(error)}`, { cause: error })
        lookedUpTo = last
        throw error
      }
    }
  }

  /** The first fact on its subject up to that place. The stream's leader is asked for one message after another; rejects when that place was not reached. */
  async #firstFact({ type, subject }: Outgoing, last: number, givenUpAt: number): Promise<StoredFact | undefined> {
    for (let seq = 1; seq <= last;) {
      if (performance.now() >= givenUpAt) throw new Error(`what is on ${subject} was looked at before ${seq} only, of ${last}`)
      const query = { seq, next_by_subj: subject } // the client's type has the second for direct gets alone; the server takes it here too
      const message = await this.#reader.streams.getMessage(factStreams[streamOf(type)].name, query)
      const next = readStored(message.string(), message)
      if (next.is === 'fact') return next.stored
      seq = message.seq + 1
    }
    return undefined
  }
}

/** Of the subject, when JetStream refuses a message because another came before. */
function lastSequenceIn(error: unknown): number | undefined {
  if (!(error instanceof NatsError) || error.api_error?.err_code !== wrongLastSequence) return undefined
  const [, last] = /wrong last sequence: (\d+)/.exec(error.message) ?? []
  return last === undefined ? undefined : Number(last)
}
