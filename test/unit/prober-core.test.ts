import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextSlotMs, ProbeLog } from '../../services/prober/core.ts'
import { shopEndpoints } from '../../services/cli/deploy/shop-endpoints.ts'
import { endpointOf, parseEndpoint } from '../../services/prober/endpoints.ts'

const ok = { is: 'ok' } as const
const failed = { is: 'failed', why: 'ECONNREFUSED' } as const
const unconfirmed = { is: 'unconfirmed', why: '0 of 1 replicas had it in time' } as const

test('slots are told in the order of their starts, up to the first that has not ended', () => {
  const log = new ProbeLog({ intervalMs: 100 })
  for (const [index, id] of ['a', 'b', 'c'].entries()) log.begin(id, 100 * index)
  assert.deepEqual([log.take(), log.inFlight], [undefined, 3])
  log.end('a', ok, 4.44)
  log.end('c', failed, 1_000)
  assert.deepEqual(log.take(), { slots: [[0, 4.4, 'ok']], errors: { ECONNREFUSED: 1 } })
  assert.equal(log.take(), undefined)
  log.end('b', failed, 1_000)
  assert.deepEqual(log.take(), { slots: [[100, 1_000, 'failed'], [200, 1_000, 'failed']], errors: { ECONNREFUSED: 1 } })
  assert.equal(log.inFlight, 0)
  assert.equal(log.end('b', ok, 1), undefined, 'an attempt ends once')
})

test('a probe is up after a second without a failure, and down at the first', () => {
  const log = new ProbeLog({ intervalMs: 250 })
  const changes = [ok, ok, ok, ok, ok, failed, failed, ok, ok, ok, ok].map((outcome, index) => {
    log.begin(`${index}`, 250 * index)
    return log.end(`${index}`, outcome, 1)
  })
  assert.deepEqual(changes.flatMap((change, index) => change ? [[index, change]] : []), [
    [3, { state: 'up', atMs: 750 }], [5, { state: 'down', atMs: 1_250, why: 'ECONNREFUSED' }], [10, { state: 'up', atMs: 2_500 }],
  ])
  const slow = new ProbeLog({ intervalMs: 10_000 })
  slow.begin('a', 0)
  assert.deepEqual(slow.end('a', ok, 1), { state: 'up', atMs: 0 })
  const reasonless = new ProbeLog({ intervalMs: 100 })
  reasonless.begin('a', 0)
  assert.deepEqual(reasonless.end('a', { is: 'failed' }, 1), { state: 'down', atMs: 0, why: 'failed' })
})

test('the ledger counts what was acknowledged and is missing, and apart from that what nobody promised', () => {
  const log = new ProbeLog({ intervalMs: 100 })
  const outcomes = { a: ok, b: ok, c: ok, d: ok, e: unconfirmed, f: unconfirmed, g: failed, h: unconfirmed } as const
  for (const [index, [id, outcome]] of Object.entries(outcomes).entries()) {
    log.begin(id, 100 * index)
    log.end(id, outcome, 1)
  }
  log.begin('never ended', 900)
  assert.deepEqual(log.lookedFor, ['a', 'b', 'c', 'd', 'e', 'f', 'h'])
  assert.deepEqual(log.written, [...log.lookedFor, 'g'])
  assert.deepEqual(log.ledger(new Set(['a', 'e']), new Set(['d', 'h'])), {
    attempted: 9, acknowledged: 4, missing: 2, unread: 1, unconfirmed: 3, unconfirmedMissing: 1, oldestMissingAtMs: 100, newestMissingAtMs: 200, missingIds: ['b', 'c'],
  })
  assert.deepEqual(log.ledger(new Set(['a', 'b', 'c', 'd', 'e', 'f', 'h']), new Set()), { attempted: 9, acknowledged: 4, missing: 0, unread: 0, unconfirmed: 3, unconfirmedMissing: 0, missingIds: [] })
})

test('the next slot is on the grid, and those that were missed are not made up for', () => {
  assert.equal(nextSlotMs(1_000, 100, 1_000), 1_100)
  assert.equal(nextSlotMs(1_000, 100, 1_099.5), 1_100)
  assert.equal(nextSlotMs(1_000, 100, 1_450), 1_500)
})

test('the shop\'s endpoints are made of its passwords, as far as they are there, and a prober can read them', () => {
  const made = shopEndpoints({ shop: { 'orders-password': 'a/b' }, postgres: { prober: 'p' }, redis: { password: 'r' } })
  assert.deepEqual(made, {
    shop: 'http://prober:a%2Fb@shop.jewelry-shop',
    'shop-database': 'postgres://prober:p@postgres.jewelry-shop/shop',
    'shop-redis': 'redis+sentinel://:r@redis-0.redis.jewelry-shop:26379/shop?sentinel=redis-1.redis.jewelry-shop:26379&sentinel=redis-2.redis.jewelry-shop:26379',
  })
  const known = new Map(Object.entries(made).map(([name, url]) => [name, parseEndpoint(name, url)]))
  for (const [endpoint, by] of [['shop', 'http'], ['shop-database', 'postgres'], ['shop-redis', 'redis']] as const) {
    assert.ok(endpointOf({ endpoint, plan: { by } as never }, known) instanceof URL)
  }
  assert.deepEqual(shopEndpoints({ shop: {}, postgres: {}, redis: {} }), {})
})
