/** The API server's audit log (audit.k8s.io/v1): who asked for which change, and when. */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { z } from 'zod'

/** What this project reads of an entry; the API server writes more. */
const auditEntrySchema = z.object({
  auditID: z.string(),
  stage: z.string(),
  verb: z.string(),
  /** Nobody, where the request was refused because it could not be told who asked. */
  user: z.object({ username: z.string().default('') }),
  userAgent: z.string().optional(),
  objectRef: z.object({
    resource: z.string(), apiGroup: z.string().optional(), namespace: z.string().optional(), name: z.string().optional(), subresource: z.string().optional(),
  }).optional(),
  responseStatus: z.object({ code: z.number().optional() }).optional(),
  requestReceivedTimestamp: z.string(),
})
export type AuditEntry = z.output<typeof auditEntrySchema>

export interface AuditSpan { fromMs: number; toMs: number }

/** One line. Throws zod's error, or a SyntaxError. */
export const parseAuditLine = (line: string): AuditEntry => auditEntrySchema.parse(JSON.parse(line))

/** Entries whose request came within the span, oldest first; a last line that is still being written is not one yet. Throws what reading throws. */
export async function readAuditSpan(file: string, { fromMs, toMs }: AuditSpan): Promise<AuditEntry[]> {
  const entries: AuditEntry[] = []
  let pending: string | undefined
  const take = (line: string) => {
    const entry = parseAuditLine(line)
    const atMs = Date.parse(entry.requestReceivedTimestamp)
    if (atMs >= fromMs && atMs <= toMs) entries.push(entry)
  }
  for await (const line of createInterface({ input: createReadStream(file, 'utf8') })) {
    if (pending !== undefined && pending !== '') take(pending)
    pending = line
  }
  if (pending !== undefined && isWhole(pending)) take(pending)
  return entries
}

function isWhole(line: string): boolean {
  try {
    parseAuditLine(line)
    return true
  } catch {
    return false
  }
}
