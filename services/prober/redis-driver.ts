import { Redis } from 'ioredis'
import type { ProbePlan } from '#shared/probe.ts'
import { Connections, reasonOf, within, type Outcome, type ProbeDriver } from './driver.ts'

const keyOf = (id: string) => `faultline:ledger:${id}`
/** What a prober that was killed has left behind is gone after a day. */
const keptForS = 86_400
/** WAIT answers a little before the attempt's own time is over, so that it is known to be unconfirmed, not just unanswered. */
const answerMarginMs = 50

export function redisDriver(url: URL, { ledger, replicas }: Extract<ProbePlan, { by: 'redis' }>, timeoutMs: number): ProbeDriver {
  const connections = new Connections<Redis>(async signal => {
    const redis = openRedis(url, timeoutMs)
    redis.on('error', () => {}) // the command that waits for it fails
    try {
      await within(redis.connect(), signal)
      return redis
    } catch (error) {
      redis.disconnect()
      throw error
    }
  }, redis => redis.disconnect())

  async function write(redis: Redis, id: string, onTaken: () => void): Promise<Outcome> {
    await redis.set(keyOf(id), '1', 'EX', keptForS)
    onTaken()
    if (replicas === 0) return { is: 'ok' }
    const having = await redis.wait(replicas, Math.max(1, timeoutMs - answerMarginMs))
    return having >= replicas ? { is: 'ok' } : { is: 'unconfirmed', why: `${having} of ${replicas} replicas had it in time` }
  }
  return {
    async attempt(id, signal) {
      let taken = false
      try {
        return await connections.use(signal, async (redis): Promise<Outcome> => {
          if (ledger) return await write(redis, id, () => { taken = true })
          await redis.ping()
          return { is: 'ok' }
        })
      } catch (error) {
        return { is: taken ? 'unconfirmed' : 'failed', why: reasonOf(error, signal) }
      }
    },
    async find(ids, signal) {
      const values = await connections.use(signal, redis => redis.mget(ids.map(keyOf)))
      return new Set(ids.filter((_, index) => values[index] !== null && values[index] !== undefined))
    },
    async clear(ids, signal) {
      await connections.use(signal, redis => redis.unlink(ids.map(keyOf)))
    },
    [Symbol.asyncDispose]: () => connections[Symbol.asyncDispose](),
  }
}

/** One connection, which is never mended: a new one asks anew who the master is. */
function openRedis(url: URL, timeoutMs: number): Redis {
  const password = url.password === '' ? {} : { password: decodeURIComponent(url.password) }
  const user = url.username === '' ? {} : { username: decodeURIComponent(url.username) }
  const once = { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0, enableOfflineQueue: false, connectTimeout: timeoutMs, ...password, ...user } as const
  if (url.protocol !== 'redis+sentinel:') {
    const database = Number(url.pathname.slice(1) || 0)
    return new Redis({ ...once, host: url.hostname, port: Number(url.port || 6379), db: database, ...(url.protocol === 'rediss:' && { tls: {} }) })
  }
  const more = url.searchParams.getAll('sentinel').map(address => new URL(`redis://${address}`)) // ?sentinel=host:port, each
  return new Redis({
    ...once, name: url.pathname.slice(1), sentinelRetryStrategy: () => null, sentinelCommandTimeout: timeoutMs,
    sentinels: [url, ...more].map(({ hostname, port }) => ({ host: hostname, port: Number(port || 26_379) })),
  })
}
