import { InvalidInput } from '#shared/errors.ts'
import { duration } from '#shared/units.ts'
import { ApiClient, type AuditRecord } from './api-client.ts'
import { connectScheduler, type ClusterOptions } from './cluster/scheduler.ts'
import { inColumns } from './columns.ts'
import { askSessions } from './local/ask-sessions.ts'
import { localSessions } from './local/folder.ts'

/** As given on the command line. */
export interface AuditOptions { since: string; json?: boolean }

class AuditOptionInvalid extends InvalidInput {
  readonly code = 'audit_option_invalid'
}

interface Asked extends AuditRecord { scheduler: string }

/** `faultline audit`: of a cluster, or of every local session. Exit code 4 when one of them could not be asked. Throws AuditOptionInvalid, RoleTooLow. */
export async function auditCommand({ since, json = false }: AuditOptions, cluster?: ClusterOptions): Promise<0 | 4> {
  const parsed = duration({ minMs: 1_000, maxMs: 90 * 24 * 3_600_000 }).safeParse(since)
  if (!parsed.success) throw new AuditOptionInvalid(`--since: expected ${parsed.error.issues.map(({ message }) => message).join('; ')}`)
  if (cluster) {
    await using scheduler = await connectScheduler(cluster)
    print([{ scheduler: scheduler.name, ...await new ApiClient(scheduler).audit(since) }], json)
    return 0
  }
  const sessions = localSessions()
  if (sessions.length === 0) throw new AuditOptionInvalid('no local session is under way, and each keeps its own; with --cluster it is the cluster that is meant')
  const { answers, deaf } = await askSessions(sessions, async (client, scheduler) => ({ scheduler, ...await client.audit(since) }))
  print(answers, json)
  return deaf > 0 ? 4 : 0
}

function print(found: readonly Asked[], json: boolean): void {
  process.stdout.write(json ? `${JSON.stringify({ audit: found }, null, 2)}\n` : found.map(renderAudit).join('\n'))
}

/** One line an entry. Names and reasons are others' words: control characters are taken out. Pure. */
export function renderAudit({ scheduler, entries, leftOut, unreadable }: Asked): string {
  const rows = entries.map(({ atMs, who, role, address, passedOnFor, request, about, outcome, why }) => [
    new Date(atMs).toISOString().replace(/\.\d+Z$/, 'Z'), outcome, `${who} (${role})`, passedOnFor === undefined ? address : `${passedOnFor} by ${address}`, request, [about, why].filter(Boolean).join(': '),
  ].map(plain))
  return [
    `${plain(scheduler)}: ${entries.length === 0 ? 'nobody asked for anything' : `${entries.length} ${entries.length === 1 ? 'entry' : 'entries'}`}`,
    ...inColumns(rows).map(line => `  ${line}`),
    ...leftOut > 0 ? [`  ${leftOut} older ones are left out: they were too many; ask for less with --since`] : [],
    ...unreadable > 0 ? [`  ${unreadable} cannot be read by this version`] : [],
  ].map(line => `${line}\n`).join('')
}

const plain = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
