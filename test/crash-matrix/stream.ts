import { setTimeout as delay } from 'node:timers/promises'
import { DeliverPolicy } from 'nats'
import { messageOf } from '#shared/errors.ts'
import { factStreams, factSubject, parseFact, type StoredFact } from '#shared/events.ts'
import { connectNats } from '#shared/nats-connection.ts'
import type { NatsLogin } from '#shared/nats-login.ts'

const stream = factStreams.runs.name
const answerWithinMs = 2_000
const againMs = 250
/** NATS may have been disturbed a moment ago. */
const patienceMs = 30_000

/** The stream of facts as it lies on the servers' disks, read past the services and their wires. */
export interface FactStream extends AsyncDisposable {
  /** Name of the server that leads it. */
  leader(): Promise<string>
  /** Its leader gives way to that server, or to any other. */
  stepDown(to?: string): Promise<void>
  /** `created`: a stream that was made anew is another one, whatever is in it. */
  end(): Promise<{ place: number; created: string }>
  /** Every fact from this place on. */
  read(from: number): Promise<StoredFact[]>
  /** The verdict of a run, if it is stored. Undefined too while nobody answers. */
  verdict(run: string): Promise<string | undefined>
}

export async function openFactStream(login: NatsLogin): Promise<FactStream> {
  const connection = await connectNats(login, 'crash-matrix')
  const manager = await connection.jetstreamManager({ timeout: answerWithinMs, checkAPI: false })

  const end = () => insist('where the stream ends', async () => {
    const { created, state } = await manager.streams.info(stream)
    return { place: state.last_seq, created }
  })

  async function read(from: number): Promise<StoredFact[]> {
    const { place: last } = await end()
    if (last < from) return []
    const consumer = await connection.jetstream({ timeout: answerWithinMs }).consumers.get(stream, { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: from })
    const messages = await consumer.consume({ max_messages: 1_000, expires: 2_000, idle_heartbeat: 500 })
    const late = setTimeout(() => void messages.close(), patienceMs)
    const found: StoredFact[] = []
    try {
      for await (const message of messages) {
        found.push(parseFact(message.json(), message.seq))
        if (message.seq >= last) return found
      }
    } finally {
      clearTimeout(late)
      await messages.close()
    }
    throw new Error(`only ${found.length} facts were to be read from place ${from} on, and the stream ends at ${last}`)
  }

  return {
    end,
    leader: () => insist('who leads the stream', async () => {
      const leader = (await manager.streams.info(stream)).cluster?.leader
      if (!leader) throw new Error('nobody')
      return leader
    }),
    async stepDown(to) {
      const asked = to === undefined ? {} : { placement: { preferred: to } }
      await connection.request(`$JS.API.STREAM.LEADER.STEPDOWN.${stream}`, JSON.stringify(asked), { timeout: answerWithinMs })
    },
    read: from => insist('the facts', () => read(from)),
    async verdict(run) {
      try {
        const { data } = await manager.streams.getMessage(stream, { last_by_subj: factSubject(run, 'run.judged') })
        const judged = parseFact(JSON.parse(new TextDecoder().decode(data)), 0)
        return judged.kind === 'run.judged' ? judged.fact.data.verdict : undefined
      } catch {
        return undefined // not there yet, or nobody answers yet
      }
    },
    async [Symbol.asyncDispose]() { await connection.close() },
  }
}

/** Asks again until there is an answer. */
async function insist<T>(what: string, ask: () => Promise<T>): Promise<T> {
  const givenUpAt = performance.now() + patienceMs
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (performance.now() > givenUpAt) throw new Error(`NATS did not say ${what} within ${patienceMs} ms: ${messageOf(error)}`, { cause: error })
      await delay(againMs)
    }
  }
}
