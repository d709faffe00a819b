import { z } from 'zod'
import { kubectl } from './kubectl.ts'

const secretSchema = z.looseObject({
  metadata: z.looseObject({ annotations: z.record(z.string(), z.string()).default({}) }),
  data: z.record(z.string(), z.string()).default({}),
})
/** As the API has it; `data` is in base64. */
export type KubeSecret = z.output<typeof secretSchema>

/** Undefined when there is none. Rejects with KubectlFailed. */
export async function readSecret({ namespace, name }: { namespace: string; name: string }): Promise<KubeSecret | undefined> {
  const printed = await kubectl(['get', 'secret', name, '--namespace', namespace, '--ignore-not-found', '--output', 'json'])
  return printed.trim() === '' ? undefined : secretSchema.parse(JSON.parse(printed))
}

/** `metadata` names it. Through standard input: arguments can be read by every process of this machine. Rejects with KubectlFailed. */
export async function writeSecret(how: 'create' | 'replace', secret: { metadata: object; data: Readonly<Record<string, string>> }): Promise<void> {
  await kubectl([how, '--filename', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'Secret', ...secret }))
}
