import type { Command } from 'commander'
import { cluster, context, namespace, type ClusterChoice } from './options.ts'

export const addResume = (program: Command): Command => program.command('resume')
  .description('Take runs again after a halt, whichever way it was made')
  .addOption(cluster())
  .addOption(context())
  .addOption(namespace())
  .action(async (options: ClusterChoice) => {
    const { resumeCommand } = await import('../halt.ts')
    process.exitCode = await resumeCommand(options.cluster ? options : undefined)
  })
