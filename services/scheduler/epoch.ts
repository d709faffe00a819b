import { connect, DiscardPolicy, StorageType, type JetStreamManager } from 'nats'
import type { Epoch } from '#shared/events.ts'
import { loginOptions, type NatsLogin } from '#shared/nats-login.ts'

/** Name of the key-value bucket, and its one key: its revisions count the epochs, and it holds the leader's lease. */
export const epochBucket = 'FAULTLINE_EPOCH'
export const epochKey = 'scheduler'
/** JetStream's names for them (ADR-8). */
export const epochStream = `KV_${epochBucket}`
export const epochSubject = `$KV.${epochBucket}.${epochKey}`

/**
 * Makes the bucket unless it is there; gives its creation time (Unix epoch, milliseconds), which comes first in an epoch, because a bucket that was lost
 * and made again starts at revision 1. Made as a stream, because buckets that a client makes may answer from a server that lags behind.
 */
export async function ensureEpochBucket(manager: JetStreamManager, replicas: number): Promise<number> {
  const { created } = await manager.streams.add({
    name: epochStream, subjects: [`$KV.${epochBucket}.>`], storage: StorageType.File, num_replicas: replicas, max_msgs_per_subject: 1,
    discard: DiscardPolicy.New, allow_rollup_hdrs: true, deny_delete: true, allow_direct: false,
  }).catch(async (error: unknown) => { // made with other settings: by an older version, or by the operator
    return manager.streams.info(epochStream).catch(() => { throw error })
  })
  return Date.parse(created)
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
