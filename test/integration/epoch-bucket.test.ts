/** Many schedulers that start at once, each to make the bucket of epochs in a real NATS cluster, which takes a moment. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectNats } from '#shared/nats-connection.ts'
import { ensureEpochBucket, epochStream } from '../../services/scheduler/epoch.ts'
import { startNatsCluster } from '../parts/nats-cluster.ts'
import { until } from '../parts/until.ts'

const rounds = 2

test('of schedulers that make it at once all get the same one, and none is refused', async () => {
  await using nats = await startNatsCluster()
  await using made = new AsyncDisposableStack()
  const managers = await Promise.all(nats.login.servers.split(',').flatMap(servers => [servers, servers]).map(async servers => {
    const connection = made.adopt(await connectNats({ ...nats.login, servers }, 'epoch-bucket'), each => each.close())
    return connection.jetstreamManager({ checkAPI: false })
  }))
  const [first] = managers
  assert.ok(first)
  await until('JetStream answers', () => first.getAccountInfo().then(() => true, () => false), 30_000)
  for (let round = 0; round < rounds; round++) {
    const dates = await Promise.all(managers.map(manager => ensureEpochBucket(manager, 3)))
    assert.deepEqual(new Set(dates).size, 1, `made anew, it is one: ${dates.join(', ')}`)
    await first.streams.delete(epochStream)
  }
})
