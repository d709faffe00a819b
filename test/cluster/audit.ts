/** The API server's audit log: who asked for which change, and when. A campaign counts the steps that people took from it. */
import { readFileSync } from 'node:fs'
import { parseAuditLine, type AuditEntry } from '../../services/cli/campaign/audit-log.ts'
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

/** Every entry so far, oldest first; a line that is still being written is not one yet. */
export function readAuditLog(file = paths.auditLog): AuditEntry[] {
  return readFileSync(file, 'utf8').split('\n').slice(0, -1).map(parseAuditLine)
}
