import type { Command } from 'commander'
import { cluster, context, namespace, type ClusterChoice } from './options.ts'

export const addHalt = (program: Command): Command => program.command('halt').argument('[why...]', 'the reason, for people to read')
  .description('Stop everything at once: every run is aborted and its faults reverted, and new runs are refused until `faultline resume`')
  .option('--file', 'halt by a file, which needs no answer from anybody and lasts across sessions; with --cluster by a ConfigMap. Without --file, this is done when the session or the scheduler does not answer')
  .addOption(cluster())
  .addOption(context())
  .addOption(namespace())
  .action(async (why: string[], { file = false, ...options }: ClusterChoice & { file?: boolean }) => {
    const { haltCommand } = await import('../halt.ts')
    process.exitCode = await haltCommand({ why: why.join(' '), byFile: file }, options.cluster ? options : undefined)
  })
