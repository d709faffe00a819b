import { createClient } from '@redis/client'
import { messageOf } from '#shared/errors.ts'
import { FaultRefused } from '../fault-refused.ts'
import type { PodResolver, SentinelSettings } from '../pod-resolver.ts'

const answeredWithinMs = 3_000

/** `role: redis-master` and `redis-replica`: whom the Sentinels of the namespace name now, found among the pods by address. */
export default {
  kind: 'sentinel',
  async narrow({ role }, namespace, { sentinel }) {
    if (role !== 'redis-master' && role !== 'redis-replica') return {}
    const addresses = await askSentinel(sentinel, namespace, role)
    return { fits: ({ status, metadata }) => [...status?.podIPs?.map(({ ip }) => ip) ?? [], metadata?.name ?? ''].some(name => addresses.has(name)) }
  },
} satisfies PodResolver

/** Addresses, or the first part of a host name, which for a pod of a StatefulSet is its own. Rejects with FaultRefused. */
async function askSentinel({ service, master, user, password }: SentinelSettings, namespace: string, role: 'redis-master' | 'redis-replica'): Promise<Set<string>> {
  const [name = '', port = '26379'] = service.split(':')
  const client = createClient({
    url: `redis://${name}.${namespace}.svc:${port}`, // one of the Sentinels behind it
    ...(user !== undefined && { username: user }), ...(password !== undefined && { password }),
    disableClientInfo: true, // a Sentinel's users may seldom do more than ask
    socket: { connectTimeout: answeredWithinMs, socketTimeout: answeredWithinMs, reconnectStrategy: false },
  })
  client.on('error', () => undefined) // the command that it spoils says so
  try {
    await client.connect()
    const watched = tables(await client.sendCommand(['SENTINEL', 'MASTERS']))
    const found = watched.filter(table => master === undefined || table.get('name') === master)
    const [only] = found
    if (!only || found.length > 1) {
      throw new FaultRefused(`the Sentinels at ${service} in ${namespace} watch ${watched.map(table => table.get('name')).join(', ') || 'nothing'}; set sentinel.master to one of them`)
    }
    const chosen = role === 'redis-master' ? found : tables(await client.sendCommand(['SENTINEL', 'REPLICAS', only.get('name') ?? '']))
    return new Set(chosen.filter(isUp).flatMap(table => table.get('ip') ?? []).map(hostOf))
  } catch (cause) {
    if (cause instanceof FaultRefused) throw cause
    throw new FaultRefused(`the Sentinels at ${service} in ${namespace} did not say who is ${role}: ${messageOf(cause)}; sentinel.service names their Service`, { cause })
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
