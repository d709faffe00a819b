import { z } from 'zod'
import { InvalidInput } from '#shared/errors.ts'
import { kubectl } from '../deploy/kubectl.ts'
import { namespace } from './secret.ts'

/** TLS is asked for, and the certificate is not there. */
export class NatsCertificateMissing extends InvalidInput {
  readonly code = 'nats_certificate_missing'
}

const secretName = 'nats-tls'
/** As cert-manager and `kubectl create secret tls` call them. */
const keys = ['tls.crt', 'tls.key', 'ca.crt'] as const
const secretSchema = z.looseObject({ data: z.record(z.string(), z.string()).default({}) })

/** Looked for before anything is applied: without it the servers would never start. Throws NatsCertificateMissing. */
export async function demandNatsCertificate(): Promise<void> {
  const missing = missingKeys(await kubectl(['get', 'secret', secretName, '--namespace', namespace, '--ignore-not-found', '--output', 'json']))
  if (missing.length > 0) throw new NatsCertificateMissing(`the Secret ${secretName} in ${namespace} lacks ${missing.join(', ')}; docs/nats-tls.md says how to make it`)
}

/** `printed`: the Secret as JSON, or nothing when there is none. Pure. */
export function missingKeys(printed: string): string[] {
  const there: Record<string, string> = printed.trim() === '' ? {} : secretSchema.parse(JSON.parse(printed)).data
  return keys.filter(key => !there[key])
}
