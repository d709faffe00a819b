import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { z } from 'zod'
import { listenersFolder, shopLocustfile, startLocust, venvProgram } from '../parts/locust.ts'
import { startPostgres } from '../parts/postgres.ts'
import { startBridge } from '../parts/sample-recorder.ts'
import { startShop } from '../parts/shop.ts'

const describeWorkload = `
import json, locustfile as shop
print(json.dumps({
    "shopTasks": sorted({task.__name__ for task in shop.JewelryShopUser.tasks}),
    "adminTasks": sorted({task.__name__ for task in shop.AdminUser.tasks}),
    "patterns": [
        {"user": user.__name__, "of": [base.__name__ for base in user.__mro__], "name": user.pattern.name, "weight": user.weight,
         "tasks": sorted({task.__name__ for task in user.tasks}), "think": user.pattern.think_s}
        for user in shop.USERS
    ],
}))`

const workload = z.object({
  shopTasks: z.array(z.string()), adminTasks: z.array(z.string()),
  patterns: z.array(z.object({
    user: z.string(), of: z.array(z.string()), name: z.string(), weight: z.number().positive(), tasks: z.array(z.string()),
    think: z.tuple([z.number().positive(), z.number().positive()]),
  })),
})

test('the shop\'s workload has 12 customer tasks, 3 administrator tasks and six patterns that use every one of them', async () => {
  const { stdout } = await promisify(execFile)(venvProgram('python'), ['-c', describeWorkload], {
    cwd: listenersFolder, env: { ...process.env, PYTHONPATH: listenersFolder, PYTHONDONTWRITEBYTECODE: '1' },
  })
  const { shopTasks, adminTasks, patterns } = workload.parse(JSON.parse(stdout))
  assert.equal(shopTasks.length, 12)
  assert.equal(adminTasks.length, 3)
  assert.deepEqual(patterns.map(pattern => pattern.name), ['window shopper', 'searcher', 'comparer', 'buyer', 'returning customer', 'administrator'])
  const customers = patterns.filter(pattern => pattern.of.includes('JewelryShopUser'))
  assert.equal(customers.length, 5)
  assert.deepEqual([...new Set(customers.flatMap(pattern => pattern.tasks))].sort(), shopTasks)
  assert.deepEqual(patterns.at(-1)?.tasks, adminTasks)
  assert.ok(patterns.every(({ think: [least, most] }) => least < most))
})

test('fifty users of all six patterns do all that the shop offers, and nothing of it fails', async () => {
  await using database = await startPostgres()
  await using shop = await startShop({ databaseUrl: database.url })
  await using bridge = await startBridge()
  await using locust = await startLocust({
    locustfile: shopLocustfile, host: shop.url, env: { FAULTLINE_BRIDGE_URL: bridge.url, SHOP_THINK_SCALE: '0.4' },
  })
  await locust.swarm(50, 25)
  const begun = await bridge.until('fifty users', sample => sample.users === 50)
  const counted = () => bridge.acknowledged.reduce((all, { ok }) => all + Object.values(ok).reduce((sum, n) => sum + n, 0), 0)
  await bridge.until('fifteen seconds of load, or more where it is slow', sample => sample.index >= begun.index + 75 && counted() > 500)
  await locust.stop()

  const { requests, failures, byName, errors } = await locust.totals()
  assert.equal(failures, 0, errors.join('\n'))
  assert.ok(requests > 400, `${requests} requests`)
  assert.deepEqual([...byName.keys()].sort(), [
    '/account', '/admin/dashboard', '/admin/orders', '/admin/stock', '/cart', '/cart/add', '/catalogue', '/category/[slug]', '/checkout',
    '/login', '/orders', '/orders/[id]', '/product/[id]', '/product/[id]/reviews', '/search', '/wishlist/add',
  ])
})
