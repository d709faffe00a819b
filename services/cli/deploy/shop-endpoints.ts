/** Where probes find the shop: the Secret prober-endpoints of faultline, from the shop's own Secrets. */
import { readSecret, writeSecret } from './kube-secret.ts'
import { kubectl } from './kubectl.ts'
import type { Restarted } from './locust-tokens.ts'

const shopNamespace = 'jewelry-shop'
const target = { namespace: 'faultline-system', name: 'prober-endpoints' }
const reader = 'daemonset/prober'

type Values = Readonly<Record<string, string>>

/** Every Redis of the shop has a Sentinel beside it; any of them knows the master. */
const sentinels = [0, 1, 2].map(number => `redis-${number}.redis.${shopNamespace}:26379`)

/** By name, each with its URL; those whose password is not there are left out. Pure. */
export function shopEndpoints({ shop, postgres, redis }: { shop: Values; postgres: Values; redis: Values }): Values {
  const [first, ...others] = sentinels
  return {
    ...(shop['orders-password'] !== undefined && { shop: `http://prober:${encodeURIComponent(shop['orders-password'])}@shop.${shopNamespace}` }),
    ...(postgres['prober'] !== undefined && { 'shop-database': `postgres://prober:${encodeURIComponent(postgres['prober'])}@postgres.${shopNamespace}/shop` }),
    ...(redis['password'] !== undefined && {
      'shop-redis': `redis+sentinel://:${encodeURIComponent(redis['password'])}@${first}/shop?${others.map(address => `sentinel=${address}`).join('&')}`,
    }),
  }
}

/**
 * Makes or renews them when both the shop's Secrets and faultline's namespace are there: called when either is installed, so their order does not
 * matter. Endpoints of other names are the operator's and stay. Probers that are there are restarted: a kubelet takes a minute or more to bring what has
 * changed in a Secret into a pod. Gives what is to be waited for.
 */
export async function passShopEndpoints(say: (doing: string) => void): Promise<Restarted[]> {
  const namespace = await kubectl(['get', 'namespace', target.namespace, '--ignore-not-found', '--output', 'name'])
  if (namespace.trim() === '') return []
  const [shop, postgres, redis] = [await valuesOf('shop'), await valuesOf('postgres'), await valuesOf('redis')]
  const endpoints = shopEndpoints({ shop, postgres, redis })
  if (Object.keys(endpoints).length === 0) return []
  const there = await readSecret(target)
  const data = { ...there?.data, ...Object.fromEntries(Object.entries(endpoints).map(([name, url]) => [name, Buffer.from(url).toString('base64')])) }
  if (there && Object.entries(data).every(([name, value]) => there.data[name] === value)) return []
  say(`telling the probers where the shop is: ${Object.keys(endpoints).join(', ')}`)
  await writeSecret(there ? 'replace' : 'create', { ...there, metadata: { ...target, labels: { 'app.kubernetes.io/part-of': 'faultline' } }, data })
  const present = await kubectl(['get', reader, '--namespace', target.namespace, '--ignore-not-found', '--output', 'name'])
  if (present.trim() === '') return []
  await kubectl(['rollout', 'restart', reader, '--namespace', target.namespace])
  return [{ namespace: target.namespace, workload: reader }]
}

async function valuesOf(name: string): Promise<Values> {
  const secret = await readSecret({ namespace: shopNamespace, name })
  return Object.fromEntries(Object.entries(secret?.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]))
}
