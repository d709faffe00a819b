import type { Command } from 'commander'
import { cluster, context, namespace, type ClusterChoice } from './options.ts'

export const addPage = (program: Command): Command => program.command('page')
  .description('Print the address of the live page, with the token that opens it: of every local session, or of a cluster (until Ctrl-C)')
  .addOption(cluster())
  .addOption(context())
  .addOption(namespace())
  .action(async (options: ClusterChoice) => {
    const { pageCommand } = await import('../page.ts')
    process.exitCode = await pageCommand(options.cluster ? options : undefined)
  })
