/** The API server's audit log: who asked for which change, and when. Later, calls made by hand are counted from it. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { paths } from './paths.ts'

/** Metadata alone (no bodies, so no secrets), written when the answer is known. Reading is left out; entering a container is not reading. */
export const auditPolicy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [
    { level: 'Metadata', verbs: ['create', 'update', 'patch', 'delete', 'deletecollection'] },
    // a websocket begins with GET, so these would pass as reading
    { level: 'Metadata', resources: [{ group: '', resources: ['pods/exec', 'pods/attach', 'pods/portforward', 'pods/proxy', 'services/proxy', 'nodes/proxy'] }] },
    { level: 'None' },
  ],
} as const

/** What this project reads of an entry; the API server writes more (audit.k8s.io/v1, Event). */
const auditEntrySchema = z.object({
  auditID: z.string(),
  stage: z.string(),
  verb: z.string(),
  user: z.object({ username: z.string() }),
  userAgent: z.string().optional(),
  objectRef: z.object({ resource: z.string(), namespace: z.string().optional(), name: z.string().optional(), subresource: z.string().optional() }).optional(),
  responseStatus: z.object({ code: z.number().optional() }).optional(),
  requestReceivedTimestamp: z.string(),
})
export type AuditEntry = z.output<typeof auditEntrySchema>

/** Every entry so far, oldest first; a line that is still being written is not one yet. */
export function readAuditLog(file = paths.auditLog): AuditEntry[] {
  return readFileSync(file, 'utf8').split('\n').slice(0, -1).map(line => auditEntrySchema.parse(JSON.parse(line)))
}
