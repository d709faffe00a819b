import { setTimeout as delay } from 'node:timers/promises'
import { connect, DiscardPolicy, NatsError, StorageType, type JetStreamManager, type StreamInfo } from 'nats'
import type { Epoch } from '#shared/epoch.ts'
import { loginOptions, type NatsLogin } from '#shared/nats-login.ts'

/** Name of the key-value bucket, and its one key: its revisions count the epochs, and it holds the leader's lease. */
const epochBucket = 'FAULTLINE_EPOCH'
const epochKey = 'scheduler'
/** JetStream's names for them (ADR-8). */
export const epochStream = `KV_${epochBucket}`
export const epochSubject = `$KV.${epochBucket}.${epochKey}`

/** JetStream's own number for a stream of that name with other settings (jetstream/errors.json). */
const nameInUse = 10058
const madeWithinMs = 15_000
const lookAgainMs = 100

/**
 * Makes the bucket unless it is there; gives its creation time (Unix epoch, milliseconds), which comes first in an epoch. Its revisions begin with the time of day: a bucket that was lost and
 * made again has none that the lost one had, so that no renewal of a lease in the lost one is taken for one in this, and an empty one is told from another empty one by the last sequence of its stream,
 * which is the one before the first. (Those that an older version made begin with 1, and stay.)
 * Made as a stream, because buckets that a client makes may answer from a server that lags behind.
 */
export async function ensureEpochBucket(manager: JetStreamManager, replicas: number): Promise<number> {
  const known = await manager.streams.info(epochStream).catch(() => undefined) // what is wrong with it shows below
  const { created } = known ?? await manager.streams.add({
    name: epochStream, subjects: [`$KV.${epochBucket}.>`], storage: StorageType.File, num_replicas: replicas, max_msgs_per_subject: 1,
    discard: DiscardPolicy.New, allow_rollup_hdrs: true, deny_delete: true, allow_direct: false, first_seq: Date.now(),
  }).catch((error: unknown) => madeByAnother(manager, error))
  return Date.parse(created)
}

/** Another scheduler makes it just now, with another first revision: in a cluster its name is taken a moment before anybody answers for it. `error`: why this one could not. */
async function madeByAnother(manager: JetStreamManager, error: unknown): Promise<StreamInfo> {
  const isMade = error instanceof NatsError && error.api_error?.err_code === nameInUse
  const givenUpAt = performance.now() + (isMade ? madeWithinMs : 0)
  for (;;) {
    const found = await manager.streams.info(epochStream).catch(() => undefined)
    if (found) return found
    if (performance.now() >= givenUpAt) throw error
    await delay(lookAgainMs)
  }
}

/** Takes the next epoch, of a scheduler that is the only one: commands of one that has been followed by another are refused by the agents. */
export async function takeEpoch(login: NatsLogin, { replicas = 1 } = {}): Promise<Epoch> {
  const connection = await connect({ ...loginOptions(login), timeout: 3_000 })
  try {
    const bucketCreatedMs = await ensureEpochBucket(await connection.jetstreamManager(), replicas)
    const { seq: revision } = await connection.jetstream().publish(epochSubject)
    return { bucketCreatedMs, revision }
  } finally {
    await connection.close()
  }
}
