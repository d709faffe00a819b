/**
 * What was made on the machine outside the cluster's folder, so that `down` removes exactly that.
 *
 * A line is written before the thing is made: an `up` that is killed in between leaves a line with nothing behind it, never
 * a thing that nobody knows of. Processes need no line: they are those that live in the recorded network namespaces.
 */
import { appendFileSync, readFileSync } from 'node:fs'
import { z } from 'zod'
import { paths } from './paths.ts'

const madeSchema = z.discriminatedUnion('made', [
  z.strictObject({ made: z.literal('namespace'), name: z.string() }),
  /** The folder of network namespaces becomes a mount point with the first of them. */
  z.strictObject({ made: z.literal('namespace-folder') }),
  /** One folder in one hierarchy. */
  z.strictObject({ made: z.literal('cgroup'), path: z.string() }),
  /** Removed if nobody else put anything into it. */
  z.strictObject({ made: z.literal('folder'), path: z.string() }),
  /** Removed with all that is in it. */
  z.strictObject({ made: z.literal('file'), path: z.string() }),
  /** A setting of the kernel (sysctl), given back what it was unless somebody else has changed it since. */
  z.strictObject({ made: z.literal('setting'), path: z.string(), before: z.string(), now: z.string() }),
])
export type Made = z.output<typeof madeSchema>

export function record(made: Made): void {
  appendFileSync(paths.record, `${JSON.stringify(made)}\n`)
}

/** Everything recorded, oldest first. A line that was being written when its writer was killed stands for nothing made. */
export function recorded(): Made[] {
  return parseRecord(readIfThere())
}

export function parseRecord(text: string): Made[] {
  return text.split('\n').slice(0, -1).map(line => madeSchema.parse(JSON.parse(line)))
}

export const isRecorded = (name: string): boolean => recorded().some(made => made.made === 'namespace' && made.name === name)

function readIfThere(): string {
  try {
    return readFileSync(paths.record, 'utf8')
  } catch {
    return ''
  }
}
