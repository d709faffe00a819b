import { connect, StorageType } from 'nats'
import type { Epoch } from '#shared/events.ts'
import { loginOptions, type NatsLogin } from '#shared/nats-login.ts'

/** Name of the key-value bucket, and its one key. */
export const epochBucket = 'FAULTLINE_EPOCH'
export const epochKey = 'scheduler'

/**
 * Takes the next epoch: commands of a scheduler that has been followed by another are refused by the agents. The bucket's creation time
 * comes first, because a bucket that was lost and made again starts at revision 1. Leadership among several comes with its own lease.
 */
export async function takeEpoch(login: NatsLogin, { replicas = 1 } = {}): Promise<Epoch> {
  const connection = await connect({ ...loginOptions(login), timeout: 3_000 })
  try {
    const bucket = await connection.jetstream().views.kv(epochBucket, { storage: StorageType.File, history: 1, replicas })
    const revision = await bucket.put(epochKey, new Uint8Array())
    const { created } = (await (await connection.jetstreamManager()).streams.info(`KV_${epochBucket}`))
    return { bucketCreatedMs: Date.parse(created), revision }
  } finally {
    await connection.close()
  }
}
