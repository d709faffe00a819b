/** Locust in the cluster of the current context; its image is on the nodes (`npm run images -- --load ...`). */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { deploy } from '../../../services/cli/deploy/deploy.ts'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { parts } from '../../../services/cli/deploy/parts.ts'
import { locustApi } from '../../../services/locust-bridge/locust-api.ts'
import { forwardPort } from '../../parts/port-forward.ts'
import { until } from '../../parts/until.ts'

const owned = new AsyncDisposableStack()
let url: string

const ask = (...words: string[]) => kubectl(['--namespace', 'locust', ...words])
const secret = (key: string) => ask('get', 'secret', 'locust-web', '--output', `go-template={{.data.${key} | base64decode}}`)

before(async () => {
  await deploy(parts.locust, {}, () => {})
  url = owned.use(await forwardPort('locust', 'locust-web', 8089)).url
})
after(() => owned.disposeAsync())

test('the web interface is on port 30089 of each node, and asks for a login', async () => {
  assert.equal(await ask('get', 'service', 'locust-web', '--output', 'jsonpath={.spec.ports[0].nodePort}'), '30089')
  assert.match((await fetch(url, { redirect: 'manual' })).headers.get('location') ?? 'none', /\/login/)
  const unasked = await fetch(`${url}/swarm`, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ user_count: '1', spawn_rate: '1' }) })
  assert.match(unasked.headers.get('location') ?? 'none', /\/login/)
  const entered = await fetch(`${url}/login/check`, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ username: await secret('user'), password: await secret('password') }) })
  assert.equal(entered.headers.get('location'), '/')
})

test('the master has three workers, and a load that is asked for with the token reaches the shop', async t => {
  await deploy(parts.shop, {}, () => {})
  const token = await secret('token')
  const workers = async () => z.array(z.unknown()).parse((await locustApi(url, { token }).stats())['workers'])
  await until('the master has three workers', async () => (await workers()).length === 3, 60_000, { lookMs: 500 })
  const pods = (await ask('get', 'pods', '--selector', 'app.kubernetes.io/name=locust-worker', '--output', 'jsonpath={.items[*].metadata.name}')).split(' ')
  const get = 'import http.client; shop = http.client.HTTPConnection("shop.jewelry-shop", timeout=3); shop.request("GET", "/readyz"); shop.getresponse()'
  const reachTheShop = async () => (await Promise.all(pods.map(pod => ask('exec', pod, '--', 'python3', '-c', get).then(() => true, () => false)))).every(Boolean)
  await until('each of them is led to the shop', reachTheShop, 30_000, { lookMs: 200 }) // a node hears of a pod behind a Service a second or two after the pod is ready

  const api = locustApi(url, { token })
  await api.swarm({ users: 30, spawnRate: 30, host: 'http://shop.jewelry-shop', parameters: {} })
  await delay(20_000) // think times are seconds
  await api.stop()
  await delay(3_000) // workers report every 3 s
  const sum = (await api.stats()).stats.find(({ name }) => name === 'Aggregated')
  t.diagnostic(`${sum?.num_requests} requests, ${sum?.num_failures} failed`)
  assert.ok((sum?.num_requests ?? 0) > 30)
  assert.equal(sum?.num_failures, 0)
})
