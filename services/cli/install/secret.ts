/** The one Secret of faultline in a cluster: made at its installation, and in no repository. */
import { randomBytes } from 'node:crypto'
import { newCommandKeys } from '#shared/bus-nats.ts'
import { readSecret, writeSecret } from '../deploy/kube-secret.ts'
import { natsUsers } from '../nats-authorization.ts'

export const namespace = 'faultline-system'
export const secretName = 'faultline'

/** 192 bits, in characters that neither a URL nor a settings file takes for anything else; never a number. */
const random = (): string => `p${randomBytes(24).toString('base64url').replaceAll(/[-_]/g, '0')}`

function keyPair(name: string): Record<string, string> {
  const { signingSeed, commandKey } = newCommandKeys()
  return { [`${name}-signing-seed`]: signingSeed, [`${name}-public-key`]: commandKey }
}

/** Values that belong together are made together, or kept together. */
const made: readonly { keys: readonly string[]; make: () => Record<string, string> }[] = [
  ...[...Object.keys(natsUsers).map(user => `nats-${user}`), 'nats-route', 'api-token', 'samples-token', 'metrics-token', 'release-token', 'prometheus-password']
    .map(key => ({ keys: [key], make: () => ({ [key]: random() }) })),
  ...['commands', 'vouchers', 'verdicts'].map(name => ({ keys: [`${name}-signing-seed`, `${name}-public-key`], make: () => keyPair(name) })),
]

/** What is missing, in base64. What is there stays, because running services use it. Pure but for the dice. */
export function missingValues(present: Readonly<Record<string, string>>): Record<string, string> {
  const values = Object.assign({}, ...made.filter(({ keys }) => keys.some(key => !(key in present))).map(({ make }) => make())) as Record<string, string>
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')]))
}

/** Makes the Secret, or adds what an older one lacks; `given` is set, whatever was there. Gives the names of what was made or changed. */
export async function provideSecret(given: Readonly<Record<string, string>> = {}): Promise<string[]> {
  const present = await readSecret({ namespace, name: secretName })
  const changed = Object.entries(given).map(([key, value]) => [key, Buffer.from(value).toString('base64')] as const).filter(([key, value]) => present?.data[key] !== value)
  const missing = { ...missingValues(present?.data ?? {}), ...Object.fromEntries(changed) }
  if (Object.keys(missing).length === 0) return []
  const secret = present ?? { metadata: { name: secretName, namespace, labels: { 'app.kubernetes.io/part-of': 'faultline' } } }
  await writeSecret(present ? 'replace' : 'create', { ...secret, data: { ...present?.data, ...missing } })
  return Object.keys(missing)
}
