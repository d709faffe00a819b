/** The two tokens with which faultline's bridge and Locust know each other, passed across their namespaces: no pod may read another's Secrets. */
import { readSecret, writeSecret, type KubeSecret } from './kube-secret.ts'
import { kubectl } from './kubectl.ts'

interface Place { namespace: string; name: string; key: string }
interface Copy { from: Place; to: Place; reader: string }

/** `reader`: the workload that reads the copy, in the copy's namespace, and reads it at its start only. */
const copies: readonly Copy[] = [
  { // what Locust's web API asks of the bridge
    from: { namespace: 'locust', name: 'locust-web', key: 'token' },
    to: { namespace: 'faultline-system', name: 'locust-web', key: 'token' },
    reader: 'deployment/locust-bridge',
  },
  { // what the bridge asks of the workers that post samples
    from: { namespace: 'faultline-system', name: 'faultline', key: 'samples-token' },
    to: { namespace: 'locust', name: 'locust-bridge', key: 'token' },
    reader: 'deployment/locust-worker',
  },
]

/** Names the source in what was copied. A Secret without it was made by somebody, and is theirs. */
const sourceAnnotation = 'faultline.dev/copied-from'
const nameOf = ({ namespace, name }: Place): string => `${namespace}/${name}`

/**
 * What is to be done about a copy. Pure. `value`: the source's, in base64. A copy of another value is one of a Locust, or of a faultline, that is no
 * more: it is written anew. What somebody else has put there stays.
 */
export function copyNeeded(value: string | undefined, there: KubeSecret | undefined, { from, to }: Pick<Copy, 'from' | 'to'>): 'none' | 'make' | 'renew' | 'not ours' {
  if (value === undefined) return 'none'
  if (!there) return 'make'
  if (there.data[to.key] === value) return 'none'
  return there.metadata.annotations[sourceAnnotation] === nameOf(from) ? 'renew' : 'not ours'
}

/** A workload that was restarted, to be waited for. */
export interface Restarted { namespace: string; workload: string }

/**
 * Passes each token to the other side as far as both sides are there, and restarts those that must read a new one. Repeatable, and the same from either
 * side: it is called when either is installed, before its own workloads are.
 */
export async function passLocustTokens(say: (doing: string) => void): Promise<Restarted[]> {
  const restarted: Restarted[] = []
  for (const { from, to, reader } of copies) {
    const namespace = await kubectl(['get', 'namespace', to.namespace, '--ignore-not-found', '--output', 'name'])
    if (namespace.trim() === '') continue
    const value = (await readSecret(from))?.data[from.key]
    const needed = copyNeeded(value, await readSecret(to), { from, to })
    if (needed === 'not ours') say(`the Secret ${nameOf(to)} was made by somebody else and holds another token than ${nameOf(from)}; left as it is`)
    if (value === undefined || needed === 'none' || needed === 'not ours') continue
    say(`passing the token of ${nameOf(from)} to ${nameOf(to)}`)
    const metadata = { name: to.name, namespace: to.namespace, annotations: { [sourceAnnotation]: nameOf(from) } }
    await writeSecret(needed === 'make' ? 'create' : 'replace', { metadata, data: { [to.key]: value } })
    const inNamespace = ['--namespace', to.namespace]
    const present = await kubectl(['get', reader, ...inNamespace, '--ignore-not-found', '--output', 'name'])
    if (present.trim() === '') continue
    say(`restarting ${reader}, which reads it at its start`)
    await kubectl(['rollout', 'restart', reader, ...inNamespace])
    restarted.push({ namespace: to.namespace, workload: reader })
  }
  return restarted
}
