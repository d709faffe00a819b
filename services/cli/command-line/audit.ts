import type { Command } from 'commander'
import type { AuditOptions } from '../audit.ts'
import { cluster, context, namespace, type ClusterChoice } from './options.ts'

export const addAudit = (program: Command): Command => program.command('audit')
  .description('Who asked for what, in every local session or in a cluster: runs, aborts, halts, policies, and what was refused; takes an admin\'s token')
  .option('--since <duration>', 'how far back', '24h')
  .addOption(cluster())
  .addOption(context())
  .addOption(namespace())
  .option('--json', 'print it as JSON')
  .action(async (options: AuditOptions & ClusterChoice) => {
    const { auditCommand } = await import('../audit.ts')
    process.exitCode = await auditCommand(options, options.cluster ? options : undefined)
  })
