import type { Command } from 'commander'
import { cluster, context, namespace, type ClusterChoice } from './options.ts'

export const addAbort = (program: Command): Command => program.command('abort').argument('[run]', 'name of the run; leave it out with --all')
  .description('Abort a run of a local session, or of a cluster: its faults are reverted, and it ends as inconclusive')
  .option('--all', 'every run of every local session, or of the cluster')
  .addOption(cluster())
  .addOption(context())
  .addOption(namespace())
  .action(async (run: string | undefined, options: { all?: boolean } & ClusterChoice) => {
    const { abortCommand } = await import('../abort.ts')
    process.exitCode = await abortCommand(run, options.all ?? false, options.cluster ? options : undefined)
  })
