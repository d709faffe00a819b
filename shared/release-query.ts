import { z } from 'zod'
import type { Requirement } from '#shared/release-check.ts'
import { dnsLabel, duration } from '#shared/units.ts'

/** How a release check is asked for: as a query in a URL, and as the metadata of a webhook. */

const appPattern = /^(?:[a-z0-9](?:[-a-z0-9]*[a-z0-9])?\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/
/** `checkout@e3b0c4…`: the experiment of that name and of that identity (shared/release-run.ts), no other. */
const requirementPattern = /^([^@]*)@([0-9a-f]{64})$/

/** Names in one text are separated by commas; a name that is left out of a list is none. */
const requirements = z.union([z.string(), z.array(z.string()).max(100)]).transform((given, context): Requirement[] => {
  const words = [given].flat().flatMap(text => text.split(',')).map(word => word.trim())
  return words.flatMap(word => {
    const [, experiment = word, hash] = requirementPattern.exec(word) ?? []
    if (dnsLabel().safeParse(experiment).success) return [{ experiment, hash }]
    context.addIssue({ code: 'custom', message: `names of experiments, or NAME@SHA-256, separated by commas; found ${JSON.stringify(word)}` })
    return []
  })
})

const hoursMs = 3_600_000

export const releaseQuerySchema = z.strictObject({
  app: z.string().max(317).regex(appPattern, 'the name of a service, such as shop, or with its namespace, jewelry/shop'),
  version: z.string().min(1).max(256).regex(/^[^\s\p{C}]+$/u, 'a version, such as 1.2.3: its label, or the tag or digest of its image'),
  within: duration({ minMs: 1_000, maxMs: 30 * 24 * hoursMs }).prefault('24h'),
  require: requirements.optional(),
})
/** `require` is undefined when what is required was left to whoever is asked. */
export type ReleaseQuery = z.output<typeof releaseQuerySchema>

export const printRequirement = ({ experiment, hash }: Requirement): string => hash === undefined ? experiment : `${experiment}@${hash}`
