/** The jewelry shop in the cluster of the current context; its images are on the nodes (`npm run images -- --load ...`). */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { deploy } from '../../../services/cli/deploy/deploy.ts'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { parts } from '../../../services/cli/deploy/parts.ts'
import { OrderLedger } from '../../parts/order-ledger.ts'
import { forwardPort } from '../../parts/port-forward.ts'
import { Visitor } from '../../parts/shop.ts'

const backWithinMs = 30_000
const owned = new AsyncDisposableStack()
let url: string

const ask = (...words: string[]) => kubectl(['--namespace', 'jewelry-shop', ...words])

before(async () => {
  await deploy(parts.shop, {}, () => {})
  const forward = owned.use(await forwardPort('jewelry-shop', 'shop', 80))
  url = forward.url
})
after(() => owned.disposeAsync())

async function until<T>(what: string, look: () => Promise<T | undefined | false>, timeoutMs = 90_000): Promise<T> {
  const givenUpMs = performance.now() + timeoutMs
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (performance.now() > givenUpMs) assert.fail(`not within ${timeoutMs} ms: ${what}`)
    await delay(200)
  }
}

const podsOf = z.object({ items: z.array(z.object({ metadata: z.object({ name: z.string(), uid: z.string() }), status: z.object({ podIP: z.string().optional() }) })) })
const pods = async (selector: string) => podsOf.parse(JSON.parse(await ask('get', 'pods', '--selector', selector, '--output', 'json'))).items
const primary = async () => (await pods('app.kubernetes.io/name=postgres,role=primary'))[0]?.metadata
/** Forced, without a grace period: what is lost when a node's kubelet is told to give a pod up at once. */
const forceDelete = (pod: string) => ask('delete', 'pod', pod, '--grace-period=0', '--force', '--wait=false')
const membersReady = async (set: string) => (await ask('get', 'statefulset', set, '--output', 'jsonpath={.status.readyReplicas}')) === '3'

test('the shop is up, three times, and takes an order', async () => {
  assert.equal((await fetch(`${url}/readyz`)).status, 200)
  assert.ok((await pods('app.kubernetes.io/name=shop')).length >= 3)
  await using ledger = recording(url, 1)
  await until('an order', () => Promise.resolve(ledger.book.acknowledged().length > 0))
  await ledger.book.stop()
  assert.deepEqual(await ledger.book.missing(), [])
})

test('the autoscaler goes from 3 to 10 by CPU, and sees it', async () => {
  const { spec } = z.object({
    spec: z.object({
      minReplicas: z.number(), maxReplicas: z.number(),
      metrics: z.tuple([z.object({ resource: z.object({ name: z.literal('cpu'), target: z.object({ averageUtilization: z.number() }) }) })]),
    }),
  }).parse(JSON.parse(await ask('get', 'hpa', 'shop', '--output', 'json')))
  assert.deepEqual([spec.minReplicas, spec.maxReplicas], [3, 10])
  const share = spec.metrics[0].resource.target.averageUtilization
  assert.ok(share >= 50 && share <= 80, String(share))
  await until('a measured CPU', async () => (await ask('get', 'hpa', 'shop', '--output', 'jsonpath={.status.conditions[?(@.type=="ScalingActive")].status}')) === 'True')
})

test('the primary of PostgreSQL is force-deleted under orders: none that was acknowledged is lost, and orders are taken again within 30 s', async t => {
  await until('three members', () => membersReady('postgres'))
  await using ledger = recording(url, 4)
  await until('orders flow', () => Promise.resolve(ledger.book.acknowledged().length > 20))
  const former = await primary() ?? assert.fail('no primary')
  const deletedMs = performance.now()
  await forceDelete(former.name)
  await until('another primary', async () => {
    const now = await primary()
    return now !== undefined && now.uid !== former.uid
  })
  await until('orders flow again', () => Promise.resolve(ledger.book.acknowledged(deletedMs + 1_000).length > 20))
  await ledger.book.stop()
  const outageMs = ledger.book.outageMs(deletedMs)
  t.diagnostic(`orders were away for ${(outageMs / 1000).toFixed(1)} s; ${ledger.book.acknowledged().length} of ${ledger.book.attempts} acknowledged`)
  assert.deepEqual(await ledger.book.missing(), [])
  assert.ok(outageMs < backWithinMs, `${outageMs} ms`)
  await until('three members again', () => membersReady('postgres'))
})

test('the master of Redis is force-deleted: carts are back within 30 s, with what was in them', async t => {
  await until('three members', () => membersReady('redis'))
  const person = await new Visitor(url).logIn('customer50@example.test', 'customer')
  assert.equal((await person.post('/cart/add', { product: '5', quantity: '2' })).status, 302)
  const named = await ask('exec', 'redis-0', '--container', 'sentinel', '--', 'redis-cli', '-p', '26379', 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'shop')
  const address = named.split('\n')[0]
  const master = (await pods('app.kubernetes.io/name=redis')).find(pod => pod.status.podIP === address) ?? assert.fail(`no pod has ${address}`)
  const deletedMs = performance.now()
  await forceDelete(master.metadata.name)
  const works = async () => {
    try {
      const added = await person.post('/cart/add', { product: '6' })
      return added.status === 302 ? await person.get('/cart') : undefined
    } catch {
      return undefined // no answer
    }
  }
  // the first second may still be the old master's
  await delay(1_000)
  const { status, text } = await until('carts', works)
  const awayMs = performance.now() - deletedMs
  t.diagnostic(`carts were back after ${(awayMs / 1000).toFixed(1)} s`)
  assert.equal(status, 200)
  assert.match(text, /\/product\/5"/, 'what was in the cart still is')
  assert.ok(awayMs < backWithinMs, `${awayMs} ms`)
  await until('three members again', () => membersReady('redis'))
})

test('a Sentinel that was told of a dead master, as one is that starts during a failover, is led to the master and meets the others', async t => {
  await until('three members', () => membersReady('redis'))
  const sentinel = (pod: string, ...commands: string[]) => ask('exec', pod, '--container', 'sentinel', '--', 'sh', '-ec', `export REDISCLI_AUTH="$REDIS_PASSWORD"\n${commands.map(command => `redis-cli -p 26379 --user sentinel SENTINEL ${command}`).join('\n')}`)
  /** After these commands, in the same breath. */
  const known = async (pod: string, ...commands: string[]) => {
    const fields = (await sentinel(pod, ...commands, 'MASTER shop')).split('\n')
    return Object.fromEntries(['ip', 'num-other-sentinels'].map(field => [field, fields[fields.indexOf(field) + 1]]))
  }
  const master = await until('all agree', async () => {
    const [first, ...others] = await Promise.all(['redis-0', 'redis-1', 'redis-2'].map(pod => known(pod)))
    return others.every(other => other['ip'] === first?.['ip']) && first?.['ip']
  })
  const led = { ip: master, 'num-other-sentinels': '2' }
  const dead = '192.0.2.1' // nobody has it (RFC 5737)
  await sentinel('redis-1', 'REMOVE shop')
  for (const other of ['redis-0', 'redis-2']) await sentinel(other, 'RESET shop') // as if redis-1 had another address: they tell whom they know
  const told = await known('redis-1', `MONITOR shop ${dead} 6379 2`) // at once: who leads it to the master looks every two seconds
  const toldMs = performance.now()
  assert.deepEqual(told, { ip: dead, 'num-other-sentinels': '0' })
  await until('it names the master', async () => isDeepStrictEqual(await known('redis-1'), led), 30_000)
  t.diagnostic(`after ${((performance.now() - toldMs) / 1000).toFixed(1)} s`)
  // the others hear of it through the master's channel, where each speaks every two seconds
  await until('all three know each other', async () => isDeepStrictEqual(await Promise.all(['redis-0', 'redis-1', 'redis-2'].map(pod => known(pod))), [led, led, led]), 30_000)
})

/** A ledger that stops when its test ends, passed or not. */
function recording(url: string, customers: number): AsyncDisposable & { book: OrderLedger } {
  const book = new OrderLedger(url, customers)
  return { book, [Symbol.asyncDispose]: () => book.stop() }
}
