import { connect, StorageType } from 'nats'
import type { Epoch } from '#shared/events.ts'

/**
 * Takes the next epoch: commands of a scheduler that has been followed by another are refused by the agents. The bucket's creation time
 * comes first, because a bucket that was lost and made again starts at revision 1. Leadership among several comes with its own lease.
 */
export async function takeEpoch({ servers, token }: { servers: string; token?: string }): Promise<Epoch> {
  const connection = await connect({ servers, ...(token !== undefined && { token }), timeout: 3_000 })
  try {
    const bucket = await connection.jetstream().views.kv('FAULTLINE_EPOCH', { storage: StorageType.File, history: 1 })
    const revision = await bucket.put('scheduler', new Uint8Array())
    const { created } = (await (await connection.jetstreamManager()).streams.info('KV_FAULTLINE_EPOCH'))
    return { bucketCreatedMs: Date.parse(created), revision }
  } finally {
    await connection.close()
  }
}
