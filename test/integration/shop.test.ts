import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { venvProgram } from '../parts/locust.ts'
import { startPostgres, type Postgres } from '../parts/postgres.ts'
import { startRedis } from '../parts/redis.ts'
import { startShop, sumOf, Visitor, type Shop } from '../parts/shop.ts'

const threads = 8
const shopFolder = join(import.meta.dirname, '../../k8s/shop')
const owned = new AsyncDisposableStack()
let postgres: Postgres
let shop: Shop

before(async () => {
  postgres = owned.use(await startPostgres())
  shop = owned.use(await startShop({ databaseUrl: postgres.url, workers: 2, threads }))
})
after(() => owned.disposeAsync())
afterEach(async context => {
  const { passed } = context as { passed?: boolean } // which its types do not know yet
  if (!passed) console.log(`the shop, after a failure: workers ${shop.workers().join(', ')}; ${await metrics().then(text => `${sumOf(text, 'shop_requests_in_progress')} in progress`, String)}\n${shop.child.log().slice(-5_000)}`)
})

const visitor = () => new Visitor(shop.url)
const customer = (number: number) => visitor().logIn(`customer${number}@example.test`, 'customer')
const admin = () => visitor().logIn('admin@example.test', 'admin')
const metrics = async () => (await fetch(shop.metricsUrl)).text()
const accept = { accept: 'application/json' }
const csrfField = (html: string) => /name="csrfmiddlewaretoken" value="(\w+)"/.exec(html)?.[1] ?? assert.fail('no token in the page')
const stockOf = async (product: number) => Number(/(\d+) left/.exec((await visitor().get(`/product/${product}`)).text)?.[1])

async function setStock(product: number, stock: number): Promise<void> {
  const staff = await admin()
  const { text } = await staff.get(`/admin/stock/${product}`)
  const field = (name: string) => new RegExp(`name="${name}" value="([^"]*)"`).exec(text)?.[1] ?? assert.fail(`no ${name}`)
  const changed = { name: field('name'), price_cents: field('price_cents'), stock: String(stock), 'initial-stock': field('initial-stock') }
  assert.equal((await staff.post(`/admin/stock/${product}`, changed)).status, 302)
}

/** A customer with these products in a cart, ready to check out. */
async function shopper(number: number, products: number[]): Promise<Visitor> {
  const person = await customer(number)
  for (const product of products) assert.equal((await person.post('/cart/add', { product: String(product) })).status, 302)
  return person
}

async function until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs = 30_000): Promise<void> {
  const givenUpAt = performance.now() + timeoutMs
  while (!await holds()) {
    if (performance.now() > givenUpAt) assert.fail(`not within ${timeoutMs} ms: ${what}`)
    await delay(20)
  }
}

interface Traffic extends AsyncDisposable {
  count(): number
  /** Waits for the requests in flight; how each ended: its status, or `lost`. */
  stop(): Promise<string[]>
}

/** Asks for a page by `clients` at once, again and again, until it is stopped. */
function traffic(path: string, clients: number): Traffic {
  const endings: string[] = []
  const stopped = new AbortController()
  const ask = () => fetch(shop.url + path).then(async response => {
    await response.text()
    return String(response.status)
  }).catch(() => 'lost') // before the answer or in the middle of it
  const all = Array.from({ length: clients }, async () => {
    while (!stopped.signal.aborted) endings.push(await ask())
  })
  const stop = async () => {
    stopped.abort()
    await Promise.all(all)
    return endings
  }
  return { count: () => endings.length, stop, [Symbol.asyncDispose]: async () => void await stop() }
}

test('a visitor without an account sees every public page, and the login page instead of any other', async () => {
  const person = visitor()
  for (const path of ['/', '/catalogue', '/catalogue?page=2', '/catalogue?page=none', '/category/rings', '/search', '/search?q=gold+ring', '/product/1', '/product/1/reviews', '/cart', '/login', '/register']) {
    const { status, text } = await person.get(path)
    assert.equal(status, 200, path)
    assert.match(text, /<\/html>/, path)
  }
  for (const path of ['/orders', '/account', '/wishlist', '/checkout', '/admin/dashboard', '/admin/stock', '/admin/orders', `/orders/${randomUUID()}`]) {
    const { status, headers } = await person.get(path)
    assert.equal(status, 302, path)
    assert.equal(headers.get('location'), `/login?next=${path}`)
  }
  for (const path of ['/product/99999', '/category/shoes', '/nothing', '/api/orders/not-an-id', `/api/orders/${randomUUID()}`]) assert.equal((await person.get(path)).status, 404, path)
})

test('the catalogue pages through all products once, and search finds words in any form', async () => {
  const ids = new Set<string>()
  let page: string | undefined = '/catalogue'
  while (page !== undefined) {
    const { text } = await visitor().get(page)
    for (const [, id = ''] of text.matchAll(/\/product\/(\d+)/g)) ids.add(id)
    const next: string | undefined = /rel="next" href="([^"]+)"/.exec(text)?.[1]
    page = next && `/catalogue${next}`
  }
  assert.equal(ids.size, 500)
  const names = (text: string) => [...text.matchAll(/\/product\/\d+">([^<]+)/g)].map(([, name = '']) => name)
  const found = names((await visitor().get('/search?q=rubies')).text)
  assert.ok(found.length > 5 && found.every(name => name.includes('ruby')), found.join())
  assert.match((await visitor().get('/search?q=%00%27%22%3Cb%3E')).text, /Nothing found/)
})

test('a customer registers, shops, orders, reviews, wishes, changes the profile and logs out', async () => {
  const person = visitor()
  const email = `${randomUUID()}@example.test`
  assert.equal((await person.post('/register', { email, name: 'Ada', password: '12345678' })).status, 400, 'a password of digits is refused')
  assert.equal((await person.post('/register', { email, name: 'Ada', password: 'correct horse' })).status, 302)
  assert.equal((await visitor().post('/register', { email, name: 'Eve', password: 'correct horse' })).status, 400, 'one account for an address')

  await person.post('/cart/add', { product: '11', quantity: '2' })
  await person.post('/cart/add', { product: '12' })
  await person.post('/cart/update', { product: '11', quantity: '3' })
  await person.post('/cart/remove', { product: '12' })
  const cart = (await person.get('/cart')).text
  assert.match(cart, /value="3"/)
  assert.doesNotMatch(cart, /\/product\/12"/)
  assert.equal((await person.post('/cart/add', { product: '11', quantity: '0' })).status, 400)
  assert.equal((await person.post('/cart/add', { product: '99999' })).status, 400)

  const form = (await person.get('/checkout')).text
  const orderId = /name="order_id" value="([^"]+)"/.exec(form)?.[1] ?? assert.fail('no order id offered')
  const placed = await person.post('/checkout', { order_id: orderId, name: 'Ada', address: 'Main Street 1' })
  assert.equal(placed.status, 201)
  assert.match(placed.text, new RegExp(orderId))
  assert.match((await person.get('/cart')).text, /empty/)
  assert.match((await person.get('/orders')).text, new RegExp(orderId))
  assert.match((await person.get(`/orders/${orderId}`)).text, /Main Street 1/)
  assert.equal((await (await customer(1)).get(`/orders/${orderId}`)).status, 404, "another customer's order")

  await person.post('/product/499/reviews', { rating: '5', text: 'Lovely & <shiny>' })
  await person.post('/product/499/reviews', { rating: '3', text: 'Less <shiny> now' })
  const reviews = (await person.get('/product/499/reviews')).text
  assert.match(reviews, /3\.0 \(1\)/, 'the second review replaces the first')
  assert.match(reviews, /Less &lt;shiny&gt; now/)
  assert.equal((await person.post('/product/499/reviews', { rating: '6' })).status, 400)

  await person.post('/wishlist/add', { product: '7' })
  await person.post('/wishlist/add', { product: '7' })
  assert.equal([...(await person.get('/wishlist')).text.matchAll(/\/product\/7"/g)].length, 1)
  await person.post('/wishlist/remove', { product: '7' })
  assert.match((await person.get('/wishlist')).text, /Nothing wished for/)

  await person.post('/account', { name: 'Ada L.', address: 'Side Street 2' })
  assert.match((await person.get('/account')).text, /Side Street 2/)
  assert.equal((await person.get('/admin/dashboard')).status, 403)
  assert.equal((await person.post('/logout', {})).status, 302)
  assert.equal((await person.get('/account')).status, 302)
  assert.equal((await visitor().post('/login', { email, password: 'wrong' })).status, 401)
})

test('staff see sales, change price and stock, and a cancelled order gives its goods back once', async () => {
  const person = await shopper(2, [21])
  const orderId = randomUUID()
  await setStock(21, 100)
  assert.equal((await person.post('/checkout', { order_id: orderId })).status, 201)
  assert.equal(await stockOf(21), 99)
  const staff = await admin()
  for (const path of ['/admin/dashboard', '/admin/stock', '/admin/stock?page=3', '/admin/orders', `/admin/orders/${orderId}`]) assert.equal((await staff.get(path)).status, 200, path)
  assert.match((await staff.get('/admin/orders')).text, new RegExp(orderId))
  assert.equal((await staff.post(`/admin/orders/${orderId}`, { status: 'shipped' })).status, 302)
  assert.match((await person.get(`/orders/${orderId}`)).text, /Shipped/)
  await staff.post(`/admin/orders/${orderId}`, { status: 'cancelled' })
  await staff.post(`/admin/orders/${orderId}`, { status: 'cancelled' })
  assert.equal(await stockOf(21), 100)
  assert.equal((await person.post(`/admin/orders/${orderId}`, { status: 'paid' })).status, 403)
})

test('a price changed in a form opened before a sale leaves the stock as the sale left it', async () => {
  const staff = await admin()
  const { text } = await staff.get('/admin/stock/22')
  const field = (name: string) => new RegExp(`name="${name}" value="([^"]*)"`).exec(text)?.[1] ?? ''
  assert.equal((await (await shopper(3, [22])).post('/checkout', { order_id: randomUUID() })).status, 201)
  const left = await stockOf(22)
  await staff.post('/admin/stock/22', { name: field('name'), price_cents: '4242', stock: field('stock'), 'initial-stock': field('initial-stock') })
  assert.equal(await stockOf(22), left)
  assert.match((await staff.get('/product/22')).text, /\$42\.42/)
})

test('a form without the token, or with a foreign one, is refused and changes nothing', async () => {
  const person = await customer(4)
  const { text } = await person.get('/product/31')
  for (const headers of [{ 'x-csrftoken': '' }, { 'x-csrftoken': 'a'.repeat(32) }]) assert.equal((await person.post('/wishlist/add', { product: '31' }, headers)).status, 403)
  assert.doesNotMatch((await person.get('/wishlist')).text, /\/product\/31"/)
  assert.equal((await person.post('/wishlist/add', { product: '31', csrfmiddlewaretoken: csrfField(text) }, { 'x-csrftoken': '' })).status, 302)
  assert.equal((await person.post('/wishlist/remove', { product: '31' }, { origin: 'http://elsewhere.test' })).status, 403)
})

test('the same order id from the same customer is the same order, from another customer a conflict, and a lost one is 404', async () => {
  const person = await shopper(5, [41, 42])
  await setStock(41, 50)
  const orderId = randomUUID()
  const first = await person.post('/checkout', { order_id: orderId }, accept)
  await person.post('/cart/add', { product: '43' })
  const again = await person.post('/checkout', { order_id: orderId }, accept)
  assert.deepEqual([first.status, again.status], [201, 200])
  assert.deepEqual(JSON.parse(again.text), JSON.parse(first.text))
  assert.equal(await stockOf(41), 49)
  assert.match((await person.get('/cart')).text, /\/product\/43"/, 'the repeated order leaves a new cart alone')

  const taken = await (await shopper(6, [41])).post('/checkout', { order_id: orderId }, accept)
  assert.deepEqual([taken.status, JSON.parse(taken.text).error], [409, 'order_id_taken'])
  const receipt = await visitor().get(`/api/orders/${orderId}`)
  assert.equal(receipt.status, 200)
  assert.deepEqual((({ order_id, items, status }) => ({ order_id, items, status }))(JSON.parse(receipt.text)), { order_id: orderId, items: 2, status: 'placed' })
  assert.doesNotMatch(receipt.text, /customer5|Market Street/)
  assert.equal((await visitor().get(`/api/orders/${randomUUID()}`)).status, 404)
})

test('nobody orders without a login, with an empty cart, or with something that is no id', async () => {
  const stranger = visitor()
  await stranger.post('/cart/add', { product: '44' })
  const orderId = randomUUID()
  assert.equal((await stranger.post('/checkout', { order_id: orderId })).status, 401)
  assert.equal((await visitor().get(`/api/orders/${orderId}`)).status, 404)
  const person = await customer(7)
  const empty = await person.post('/checkout', { order_id: orderId }, accept)
  assert.deepEqual([empty.status, JSON.parse(empty.text).error], [400, 'cart_empty'])
  assert.equal((await person.post('/checkout', { order_id: 'mine' }, accept)).status, 400)
})

test('one order id sent eight times at once is one order', async () => {
  const person = await shopper(8, [51])
  await setStock(51, 50)
  const orderId = randomUUID()
  const answers = await Promise.all(Array.from({ length: 8 }, () => person.post('/checkout', { order_id: orderId }, accept)))
  assert.deepEqual(answers.map(answer => answer.status).toSorted((a, b) => a - b), [200, 200, 200, 200, 200, 200, 200, 201], answers.map(answer => answer.text).join('\n'))
  assert.equal(await stockOf(51), 49)
})

test('ten customers at once get the last three of two products, in whatever order their carts hold them, and none is oversold', async () => {
  const people = await Promise.all(Array.from({ length: 10 }, (_, n) => shopper(10 + n, n % 2 === 0 ? [61, 62] : [62, 61])))
  await setStock(61, 3)
  await setStock(62, 3)
  const answers = await Promise.all(people.map(person => person.post('/checkout', { order_id: randomUUID() }, accept)))
  const statuses = answers.map(answer => answer.status)
  assert.equal(statuses.filter(status => status === 201).length, 3, statuses.join())
  assert.equal(statuses.filter(status => status === 409).length, 7, statuses.join())
  assert.deepEqual([await stockOf(61), await stockOf(62)], [0, 0])
  assert.match((await visitor().get('/product/61')).text, /0 left/)
})

/** Queries that a page takes, by its path; each is asked for once before, so that what is kept is there. */
const countQueries = `
import json, sys, django
django.setup()
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
counts = {}
for path in sys.argv[1:]:
    Client().get(path)
    with CaptureQueriesContext(connection) as queries:
        Client().get(path)
    counts[path] = len(queries)
print(json.dumps(counts))`

test('a page of many reviews, products or categories takes as few queries as one of none', async () => {
  for (const number of [11, 12, 13]) {
    assert.equal((await (await customer(number)).post('/product/77/reviews', { rating: '4', text: 'Fine.' })).status, 302)
  }
  const { stdout } = await promisify(execFile)(venvProgram('python'), ['-c', countQueries, '/product/77', '/product/77/reviews', '/catalogue', '/category/rings'], {
    cwd: shopFolder, env: { ...process.env, DATABASE_URL: postgres.url, SHOP_SECRET_KEY: 'a-test', DJANGO_SETTINGS_MODULE: 'jewelry.settings', PYTHONDONTWRITEBYTECODE: '1' },
  })
  assert.deepEqual(JSON.parse(stdout), { '/product/77': 2, '/product/77/reviews': 2, '/catalogue': 1, '/category/rings': 1 })
})

test('seeding again adds nothing', async () => {
  const count = async () => (await (await admin()).get('/admin/dashboard')).text.match(/(\d+) customers/)?.[1]
  const accounts = await count()
  assert.match(await shop.seed(), new RegExp(`^500 products, ${accounts} accounts`))
})

test('metrics count each request once by view, method and status, and leave out probes and scrapes', async () => {
  const served = (text: string) => sumOf(text, 'shop_requests_total', { view: 'category', method: 'GET', status: '200' })
  const earlier = await metrics()
  for (let n = 0; n < 7; n++) await visitor().get('/category/watches')
  await visitor().get('/no/such/page')
  for (const path of ['/healthz', '/readyz', '/metrics']) assert.equal((await fetch(shop.url + path)).status, 200)
  const later = await metrics()
  assert.equal(served(later) - served(earlier), 7)
  assert.equal(sumOf(later, 'shop_requests_total', { view: 'unmatched', status: '404' }) - sumOf(earlier, 'shop_requests_total', { view: 'unmatched', status: '404' }), 1)
  assert.doesNotMatch(later, /view="(healthz|readyz|metrics)"/)
  assert.match(later, /^shop_errors_total 0\.0$/m)
  for (const bound of ['0.05', '0.1', '0.2', '0.25', '0.3', '0.4', '0.5', '0.75', '1.0', '1.5', '2.0', '3.0', '5.0', '10.0', '+Inf']) {
    assert.ok(later.includes(`shop_request_duration_seconds_bucket{le="${bound}",view="category"}`), bound)
  }
  assert.equal(sumOf(await (await fetch(`${shop.url}/metrics`)).text(), 'shop_requests_total', { view: 'category' }), sumOf(later, 'shop_requests_total', { view: 'category' }))
})

test('a worker killed under load costs no more than the requests it was working on, and no counts', async () => {
  const counted = async () => sumOf(await metrics(), 'shop_requests_total', { view: 'catalogue', status: '200' })
  const killed: number[] = []
  const lostBefore = await counted()
  await using load = traffic('/catalogue', 6)
  for (let round = 0; round < 3; round++) {
    const victim = shop.workers()[0] ?? assert.fail('no worker')
    const soFar = load.count()
    await until('traffic flows', () => load.count() > soFar + 30)
    process.kill(victim, 'SIGKILL')
    killed.push(victim)
    await until('a new worker', () => shop.workers().length === 2 && !shop.workers().includes(victim))
  }
  const soFar = load.count()
  await until('traffic flows', () => load.count() > soFar + 30)
  const endings = await load.stop()
  const lost = endings.filter(ending => ending === 'lost').length
  assert.ok(lost <= killed.length * 6, `${lost} lost`)
  assert.equal(endings.length - lost, endings.filter(ending => ending === '200').length, 'whoever got an answer got the page')
  const difference = await counted() - lostBefore - (endings.length - lost)
  assert.ok(Math.abs(difference) <= lost, `counted ${difference} more than were answered, with ${lost} lost`)
  assert.equal(sumOf(await metrics(), 'shop_requests_in_progress'), 0, 'a killed worker leaves nothing in progress')
})

test('while the database is stopped requests stall, metrics answer even with all threads stuck, and afterwards every request is served', async () => {
  const everyThread = 2 * threads
  const resume = postgres.pause()
  try {
    const stalled = Array.from({ length: everyThread }, () => visitor().get('/catalogue'))
    await until('all threads are busy', async () => sumOf(await metrics(), 'shop_requests_in_progress') === everyThread)
    assert.equal((await fetch(new URL('/healthz', shop.metricsUrl))).status, 200, 'busy is not sick')
    resume()
    assert.deepEqual((await Promise.all(stalled)).filter(page => page.status !== 200), [])
  } finally {
    resume()
  }
})

test('while the database is stopped and threads are left, the shop is alive but not ready, and is ready again afterwards', async () => {
  const resume = postgres.pause()
  try {
    const stalled = Array.from({ length: 6 }, () => visitor().get('/catalogue'))
    await until('six requests are in progress', async () => sumOf(await metrics(), 'shop_requests_in_progress') === 6)
    for (let n = 0; n < 4; n++) assert.equal((await fetch(`${shop.url}/healthz`, { signal: AbortSignal.timeout(10_000) })).status, 200)
    const ready = await fetch(`${shop.url}/readyz`, { signal: AbortSignal.timeout(10_000) })
    assert.equal(ready.status, 503)
    assert.match(await ready.text(), /"database": "no answer within 1 s"/)
    assert.equal(sumOf(await metrics(), 'shop_requests_in_progress'), 6, 'none was given up')
    resume()
    assert.deepEqual((await Promise.all(stalled)).map(page => page.status), [200, 200, 200, 200, 200, 200])
  } finally {
    resume()
  }
  await until('ready again', async () => (await fetch(`${shop.url}/readyz`)).status === 200)
})

test('without a database pages are 503 at once and counted as errors, and when it is back no request fails', async () => {
  const person = await customer(9)
  const errorsBefore = sumOf(await metrics(), 'shop_errors_total')
  await postgres.kill()
  const startedMs = performance.now()
  for (const path of ['/catalogue', '/product/1', '/cart', '/orders', `/api/orders/${randomUUID()}`]) {
    const { status, headers } = await person.get(path)
    assert.deepEqual([status, headers.get('retry-after')], [503, '2'], path)
  }
  assert.ok(performance.now() - startedMs < 6_000, 'refused connections are no reason to wait, as two seconds for each page')
  assert.equal((await fetch(`${shop.url}/healthz`)).status, 200)
  assert.equal((await fetch(`${shop.url}/readyz`)).status, 503)
  assert.equal(sumOf(await metrics(), 'shop_errors_total') - errorsBefore, 5)
  assert.equal(sumOf(await metrics(), 'shop_requests_total', { view: 'catalogue', status: '503' }), 1)
  assert.doesNotMatch(shop.child.log(), /Traceback/)

  await postgres.restart()
  const pages = await Promise.all(Array.from({ length: 40 }, () => person.get('/orders')))
  assert.deepEqual(pages.filter(page => page.status !== 200), [], 'old connections are found out and replaced')
})

test('with Redis the cart and the cache are in it; without it the catalogue and logins go on, and carts are 503', async () => {
  await using redis = await startRedis()
  await using withRedis = await startShop({ databaseUrl: postgres.url, redisUrl: redis.url, workers: 1, threads: 4 })
  const person = await new Visitor(withRedis.url).logIn('customer30@example.test', 'customer')
  await person.post('/cart/add', { product: '5', quantity: '2' })
  await person.post('/cart/add', { product: '5', quantity: '98' })
  await person.get('/catalogue')
  const key = `cart:${person.cookie('cart')}`
  assert.equal(await redis.ask('HGET', key, '5'), '99')
  assert.ok(Number(await redis.ask('TTL', key)) > 0)
  assert.match(await redis.ask('KEYS', 'shop:*'), /session/)
  assert.match((await person.get('/cart')).text, /value="99"/)
  assert.equal((await person.post('/checkout', { order_id: randomUUID() })).status, 201)
  assert.equal(await redis.ask('EXISTS', key), '0')
  await person.post('/cart/add', { product: '5' })

  const resume = redis.pause()
  try {
    const startedMs = performance.now()
    for (let n = 0; n < 40; n++) assert.equal((await person.get('/catalogue')).status, 200)
    assert.ok(performance.now() - startedMs < 15_000, 'a Redis that does not answer costs one question a second, not every page its time-out of half a second')
    assert.equal((await person.get('/cart')).status, 503)
  } finally {
    resume()
  }
  await until('carts are back', async () => (await person.get('/cart')).status === 200)

  await redis.kill()
  assert.equal((await person.get('/catalogue')).status, 200)
  assert.equal((await person.get('/orders')).status, 200, 'still logged in')
  assert.equal((await person.get('/cart')).status, 503)
  const ready = await fetch(`${withRedis.url}/readyz`)
  assert.deepEqual([ready.status, Object.keys(JSON.parse(await ready.text()).troubles)], [503, ['redis']])
})
