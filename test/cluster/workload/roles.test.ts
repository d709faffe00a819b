/** Targets by role, asked of the shop's own PostgreSQL and Redis as the API-side agent asks them. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { deploy } from '../../../services/cli/deploy/deploy.ts'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { parts } from '../../../services/cli/deploy/parts.ts'
import { connectKubernetes } from '../../../services/injector/cluster/kubernetes.ts'
import { addressesOf } from '../../../services/injector/cluster/addresses.ts'
import { resolvePods } from '../../../services/injector/pod-resolver.ts'
import type { PodSelector } from '#shared/target.ts'

const namespace = 'jewelry-shop'
const inShop = (...args: string[]) => kubectl(['--namespace', namespace, ...args])
before(() => deploy(parts.shop, {}, () => undefined))

const world = { kubernetes: await connectKubernetes(), sentinel: { service: 'redis:26379' } }
const named = async (selector: PodSelector): Promise<string[]> => (await resolvePods(selector, namespace, world)).map(({ metadata }) => metadata?.name ?? '').sort()

test('the PostgreSQL primary is the pod that is no standby, the replicas are the other two', async () => {
  const [primary = ''] = await named({ role: 'postgres-primary' })
  const replicas = await named({ role: 'postgres-replica' })
  assert.deepEqual([primary, ...replicas].sort(), ['postgres-0', 'postgres-1', 'postgres-2'])
  const inRecovery = (pod: string) => inShop('exec', pod, '--container', 'postgres', '--', 'psql', '--username', 'postgres', '--tuples-only', '--no-align', '--command', 'select pg_is_in_recovery()')
  assert.deepEqual(await Promise.all([primary, ...replicas].map(async pod => (await inRecovery(pod)).trim())), ['f', 't', 't'])
})

test('the Redis master is the pod that says so itself, the replicas are the other two', async () => {
  const [master = ''] = await named({ role: 'redis-master' })
  const replicas = await named({ role: 'redis-replica' })
  assert.deepEqual([master, ...replicas].sort(), ['redis-0', 'redis-1', 'redis-2'])
  const role = (pod: string) => inShop('exec', pod, '--container', 'redis', '--', 'sh', '-c', 'REDISCLI_AUTH=$REDIS_PASSWORD redis-cli role | head -n 1')
  assert.deepEqual(await Promise.all([master, ...replicas].map(async pod => (await role(pod)).trim())), ['master', 'slave', 'slave'])
})

test('ways to name pods narrow each other; an owner\'s pods are found through its ReplicaSets', async () => {
  const [primary = ''] = await named({ role: 'postgres-primary' })
  assert.deepEqual(await named({ role: 'postgres-primary', owner: { kind: 'StatefulSet', name: 'redis' } }), [])
  assert.deepEqual(await named({ role: 'postgres-primary', owner: { kind: 'StatefulSet', name: 'postgres' } }), [primary])
  const shops = (await inShop('get', 'pods', '--selector', 'app.kubernetes.io/name=shop', '--output', 'go-template={{range .items}}{{.metadata.name}} {{end}}')).trim().split(' ').sort()
  assert.deepEqual(await named({ owner: { kind: 'Deployment', name: 'shop' } }), shops)
  const node = (await inShop('get', 'pod', primary, '--output', 'jsonpath={.spec.nodeName}')).trim()
  assert.deepEqual(await named({ role: 'postgres-primary', node }), [primary])
  assert.deepEqual(await named({ role: 'postgres-primary', node: 'nowhere' }), [])
  await assert.rejects(named({ owner: { kind: 'Deployment', name: 'nothing' } }), /Deployment jewelry-shop\/nothing: there is none/)
})

test('the standbys\' Service is cut with them, the primary\'s is not; the API server is its Service and its endpoints', async () => {
  const standbys = await addressesOf(world, [{ role: 'postgres-replica' }], namespace)
  const address = (service: string) => inShop('get', 'service', service, '--output', 'jsonpath={.spec.clusterIP}')
  assert.ok(standbys.includes(await address('postgres-replicas')))
  assert.ok(!standbys.includes(await address('postgres')))
  assert.equal(standbys.length, 3)
  const server = await addressesOf(world, [{ apiServer: true }], namespace)
  assert.ok(server.includes((await kubectl(['get', 'service', 'kubernetes', '--namespace', 'default', '--output', 'jsonpath={.spec.clusterIP}'])).trim()))
  assert.ok(server.length >= 2)
  await assert.rejects(addressesOf(world, [{ labels: { app: 'nothing' } }], namespace), /nobody is there: pods with app=nothing/)
})
