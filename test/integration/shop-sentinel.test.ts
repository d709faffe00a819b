import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { startPostgres } from '../parts/postgres.ts'
import { startReplicatedRedis, type ReplicatedRedis } from '../parts/replicated-redis.ts'
import { startShop, Visitor, type Shop } from '../parts/shop.ts'

/** Sentinels call a master down after 2 s, and agree within another second or two; on a busy machine later. */
const failoverWithinMs = 30_000

const owned = new AsyncDisposableStack()
let redis: ReplicatedRedis
let shop: Shop

before(async () => {
  const postgres = owned.use(await startPostgres())
  redis = owned.use(await startReplicatedRedis())
  const env = { REDIS_SENTINELS: redis.sentinels, REDIS_MASTER: redis.masterName, REDIS_PASSWORD: redis.password }
  shop = owned.use(await startShop({ databaseUrl: postgres.url, workers: 1, threads: 8, env }))
})
after(() => owned.disposeAsync())

const shopper = async (number: number) => {
  const person = await new Visitor(shop.url).logIn(`customer${number}@example.test`, 'customer')
  assert.equal((await person.post('/cart/add', { product: '5', quantity: '2' })).status, 302)
  return person
}

test('the Sentinels say which Redis carts and cache are in', async () => {
  const person = await shopper(1)
  await person.get('/catalogue')
  const master = await redis.master()
  assert.equal(await redis.ask(master, 'HGET', `cart:${person.cookie('cart')}`, '5'), '2')
  assert.match(await redis.ask(master, 'KEYS', 'shop:*'), /sessions/)
  assert.equal((await fetch(`${shop.url}/readyz`)).status, 200)
})

test('when the master is killed the catalogue goes on, carts are back within seconds with what was in them, and orders are taken', async t => {
  const person = await shopper(2)
  const former = await redis.master()
  assert.ok(Number(await redis.ask(former, 'WAIT', '2', '1000')) >= 1)
  await redis.kill(former)
  const killedAtMs = performance.now()
  for (let given = 0; ; given++) {
    assert.equal((await new Visitor(shop.url).get('/catalogue')).status, 200)
    const { status, text } = await person.get('/cart')
    if (status === 200) {
      assert.match(text, /value="2"/, 'what was acknowledged is still in the cart')
      break
    }
    assert.equal(status, 503)
    assert.ok(performance.now() - killedAtMs < failoverWithinMs, `carts are not back after ${given} tries`)
    await delay(50)
  }
  t.diagnostic(`carts were away for ${((performance.now() - killedAtMs) / 1000).toFixed(1)} s`)
  assert.notEqual(await redis.master(), former)
  const acceptsAgain = async () => (await person.post('/cart/add', { product: '6' })).status
  while (await acceptsAgain() === 503) { // the other replica is still on its way to the new master
    assert.ok(performance.now() - killedAtMs < 2 * failoverWithinMs, 'no writes')
    await delay(50)
  }
  t.diagnostic(`writes were away for ${((performance.now() - killedAtMs) / 1000).toFixed(1)} s`)
  assert.equal((await person.post('/checkout', { order_id: randomUUID() })).status, 201)
  assert.doesNotMatch(shop.child.log(), /Traceback/)
})

test('a master that has lost its last replica gives 503 for a write, and none that could be lost', async () => {
  const person = await shopper(3)
  const master = await redis.master()
  const replicas = (await redis.ask(master, 'INFO', 'replication')).matchAll(/port=(\d+),state=online/g)
  for (const [, port] of replicas) await redis.kill(Number(port))
  const givenUpAtMs = performance.now() + failoverWithinMs
  while ((await person.post('/cart/add', { product: '7' })).status !== 503) {
    assert.ok(performance.now() < givenUpAtMs, 'writes go on without a replica')
    await delay(50)
  }
  assert.equal((await person.get('/cart')).status, 200, 'reads go on')
  assert.equal((await person.get('/catalogue')).status, 200)
  assert.doesNotMatch(shop.child.log(), /Traceback/)
})
