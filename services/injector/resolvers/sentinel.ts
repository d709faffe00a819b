import { createClient } from '@redis/client'
import { messageOf } from '#shared/errors.ts'
import { printLabels, type PodRole } from '#shared/target.ts'
import { ask, isRunning, type Kubernetes } from '../cluster/kubernetes.ts'
import { FaultRefused } from '../fault-refused.ts'
import type { PodResolver, SentinelSettings } from '../pod-resolver.ts'

type Role = PodRole & `redis-${string}`

const answeredWithinMs = 1_500

/** `role: redis-master` and `redis-replica`: whom the Sentinels of the namespace name now, found among the pods by address. */
export default {
  kind: 'sentinel',
  async narrow({ role }, namespace, { kubernetes, sentinel }) {
    if (role !== 'redis-master' && role !== 'redis-replica') return {}
    const addresses = await askSentinels(sentinel, await sentinelsOf(kubernetes, sentinel, namespace), namespace, role)
    return { fits: ({ status, metadata }) => [...status?.podIPs?.map(({ ip }) => ip) ?? [], metadata?.name ?? ''].some(name => addresses.has(name)) }
  },
} satisfies PodResolver

/** The pods behind the Service, by address: a name could lead to one that is gone. */
async function sentinelsOf({ core }: Kubernetes, { service }: SentinelSettings, namespace: string): Promise<string[]> {
  const [name = '', port = '26379'] = service.split(':')
  const { spec } = await ask(`the Service ${name} of the Sentinels in ${namespace} (sentinel.service)`, core.readNamespacedService({ namespace, name }))
  if (!spec?.selector) throw new FaultRefused(`the Service ${name} in ${namespace} has no selector, so that its Sentinels cannot be found`)
  const { items } = await ask(`the Sentinels of ${namespace}`, core.listNamespacedPod({ namespace, labelSelector: printLabels(spec.selector) }))
  return items.filter(isRunning).flatMap(({ status }) => status?.podIP === undefined ? [] : `${status.podIP.includes(':') ? `[${status.podIP}]` : status.podIP}:${port}`)
}

/** One after the other, until one answers: the node of any of them may be what has just been lost. Rejects with FaultRefused. */
async function askSentinels(settings: SentinelSettings, sentinels: readonly string[], namespace: string, role: Role): Promise<Set<string>> {
  const whys: string[] = []
  for (const address of sentinels) {
    try {
      return await askSentinel(settings, address, role)
    } catch (error) {
      if (error instanceof FaultRefused) throw error
      whys.push(`${address}: ${messageOf(error)}`)
    }
  }
  throw new FaultRefused(`no Sentinel of ${settings.service} in ${namespace} said who is ${role}: ${whys.join('; ') || 'none of them runs'}; sentinel.service names their Service`)
}

/** Addresses, or the first part of a host name, which for a pod of a StatefulSet is its own. */
async function askSentinel({ master, user, password }: SentinelSettings, address: string, role: Role): Promise<Set<string>> {
  const client = createClient({
    url: `redis://${address}`, ...(user !== undefined && { username: user }), ...(password !== undefined && { password }),
    disableClientInfo: true, // a Sentinel's users may seldom do more than ask
    socket: { connectTimeout: answeredWithinMs, socketTimeout: answeredWithinMs, reconnectStrategy: false },
  })
  client.on('error', () => undefined) // the command that it spoils says so
  try {
    await client.connect()
    const watched = tables(await client.sendCommand(['SENTINEL', 'MASTERS']))
    const [only, second] = watched.filter(table => master === undefined || table.get('name') === master)
    if (!only || second) throw new FaultRefused(`the Sentinel at ${address} watches ${watched.map(table => table.get('name')).join(', ') || 'nothing'}; set sentinel.master to one of them`)
    const chosen = role === 'redis-master' ? [only] : tables(await client.sendCommand(['SENTINEL', 'REPLICAS', only.get('name') ?? '']))
    return new Set(chosen.filter(isUp).flatMap(table => table.get('ip') ?? []).map(hostOf))
  } finally {
    client.destroy()
  }
}

/** A list of lists that each hold name, value, name, value (RESP 2), or of maps (RESP 3). Pure. */
export function tables(answer: unknown): Map<string, string>[] {
  if (!Array.isArray(answer)) return []
  return answer.map((row: unknown) => {
    const flat: unknown[] = Array.isArray(row) ? row : row instanceof Map ? [...row].flat() : typeof row === 'object' && row !== null ? Object.entries(row).flat() : []
    const pairs = Array.from({ length: Math.floor(flat.length / 2) }, (_, index): [string, string] => [String(flat[index * 2]), String(flat[index * 2 + 1])])
    return new Map(pairs)
  })
}

/** What a Sentinel believes to be down is nobody's master or replica now. */
const isUp = (table: ReadonlyMap<string, string>) => !(table.get('flags') ?? '').split(',').some(flag => flag === 's_down' || flag === 'o_down' || flag === 'disconnected')
const hostOf = (address: string): string => /^[\d.]+$|:/.test(address) ? address : address.split('.')[0] ?? address
