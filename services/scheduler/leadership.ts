import { NatsError, type JetStreamClient, type JetStreamManager } from 'nats'
import type { Logger } from 'pino'
import type { Clock } from '#shared/clock.ts'
import { messageOf, NatsUnreachable } from '#shared/errors.ts'
import type { Epoch } from '#shared/epoch.ts'
import { connectNats } from '#shared/nats-connection.ts'
import type { NatsLogin } from '#shared/nats-login.ts'
import { ensureEpochBucket, epochStream, epochSubject } from './epoch.ts'
import { beginLease, leaderOf, leads, leaseRecordSchema, step, type Candidate, type LeaseEffect, type LeaseInput, type LeaseState } from './lease.ts'

/** Whether this scheduler may act, and who may if not. */
export interface Leadership {
  /** Begins to ask for the lease; whoever can act at once may. Resolves as soon as it is known who leads. */
  campaign(): Promise<void>
  /** Asked before each deed: undefined on standby, and when the lease was not renewed lately. */
  epoch(): Epoch | undefined
  /** As last seen; it may be gone. */
  leader(): Candidate | undefined
  /** Gives the lease back. */
  stop(): Promise<void>
}

/** Of a scheduler beside which there is no other. */
export const soleLeader = (epoch: Epoch): Leadership => ({
  campaign: () => Promise.resolve(), epoch: () => epoch, leader: () => undefined, stop: () => Promise.resolve(),
})

export interface LeadershipOptions {
  nats: NatsLogin
  /** On how many NATS servers the lease is kept. */
  replicas: number
  /** One start of one scheduler. */
  holder: string
  /** Where it answers, once it does. */
  address: () => string | undefined
  clock: Clock
  log: Logger
}

const tickMs = 50
const answerWithinMs = 500
/** JetStream's own numbers (jetstream/errors.json). */
const noMessage = 10037
const streamNotFound = 10059
const wrongRevision = 10071

/** The lease of lease.ts in NATS, on a connection of its own, so that a flood of facts cannot delay a renewal. Throws NatsUnreachable. */
export async function joinLeadership({ nats, replicas, holder, address, clock, log }: LeadershipOptions): Promise<Leadership> {
  const connection = await connectNats(nats, 'faultline-scheduler-lease').catch((cause: unknown) => { throw new NatsUnreachable(`the lease cannot be asked for: ${messageOf(cause)}`, { cause }) })
  const manager: JetStreamManager = await connection.jetstreamManager({ timeout: answerWithinMs, checkAPI: false })
  const jetStream: JetStreamClient = connection.jetstream({ timeout: answerWithinMs })
  const bucketIsThere = async () => ensureEpochBucket(await connection.jetstreamManager({ checkAPI: false }), replicas) // made slowly where several servers keep it
  let bucketCreatedMs = await bucketIsThere()
  let state: LeaseState = beginLease({ holder, address: address() })
  let wasLeading = false
  let ticking: NodeJS.Timeout | undefined
  let underWay: Promise<void> = Promise.resolve()
  const known = Promise.withResolvers<void>()
  const isLeading = () => leads(state, clock.monotonicMs())

  function take(input: LeaseInput): void {
    const next = step(state, input, clock.monotonicMs())
    state = next.state
    if (state.seen?.record || isLeading()) known.resolve()
    tellChanges()
    for (const effect of next.effects) underWay = perform(effect).then(take)
  }

  function tellChanges(): void {
    const nowLeading = isLeading()
    if (nowLeading === wasLeading) return
    wasLeading = nowLeading
    if (nowLeading) log.info({ epoch: state.held?.epoch }, 'leading')
    else log.warn({ leader: leaderOf(state)?.holder }, 'no longer leading')
  }

  async function perform(effect: LeaseEffect): Promise<LeaseInput> {
    try {
      if (effect.effect === 'read') return await read()
      const { revision: lastSubjectSequence, emptyAt: lastSequence } = effect.over
      const { seq: revision } = await jetStream.publish(epochSubject, JSON.stringify(effect.record), { expect: { lastSubjectSequence, ...(lastSequence !== undefined && { lastSequence }) } })
      if (effect.record.epoch === undefined) await dateBucket()
      return { is: 'written', revision }
    } catch (error) {
      const code = codeOf(error)
      if (code === wrongRevision) return { is: 'refused' }
      log.warn({ why: messageOf(error), asked: effect.effect }, 'the lease could not be asked for')
      if (code === streamNotFound) await bucketIsThere().catch(() => undefined) // NATS came back without its disk
      return { is: 'failed' }
    }
  }

  async function read(): Promise<LeaseInput> {
    const found = await manager.streams.getMessage(epochStream, { last_by_subj: epochSubject }).catch((error: unknown) => {
      if (codeOf(error) !== noMessage) throw error
    })
    if (!found) return { is: 'read', revision: 0, emptyAt: (await manager.streams.info(epochStream)).state.last_seq } // who writes meanwhile is not overwritten: the revision is compared as well
    const record = readRecord(found.data)
    if (record?.holder === holder) await dateBucket()
    return { is: 'read', revision: found.seq, record }
  }

  /** Somebody else may have made the bucket anew. */
  async function dateBucket(): Promise<void> {
    bucketCreatedMs = Date.parse((await manager.streams.info(epochStream)).created)
  }

  return {
    campaign() {
      ticking ??= setInterval(() => take({ is: 'tick', address: address() }), tickMs)
      return known.promise
    },
    epoch: () => state.held && isLeading() ? { bucketCreatedMs, revision: state.held.epoch } : undefined,
    leader: () => leaderOf(state),
    async stop() {
      clearInterval(ticking)
      take({ is: 'resign' })
      while (state.asked) await underWay
      await connection.close()
    },
  }
}

const codeOf = (error: unknown): number | undefined => error instanceof NatsError ? error.api_error?.err_code : undefined

/** What lies there may be no lease: a scheduler that was the only one writes nothing. */
function readRecord(data: Uint8Array) {
  try {
    return leaseRecordSchema.safeParse(JSON.parse(new TextDecoder().decode(data))).data
  } catch {
    return undefined
  }
}
