import type { Command } from 'commander'
import type { CoverageCommandOptions } from '../coverage.ts'
import { cluster, context, namespace, type ClusterChoice } from './options.ts'

export const addCoverage = (program: Command): Command => program.command('coverage')
  .description('Which service was put through which kind of fault: the last verdict, its age, and the version tested')
  .option('--results <folder...>', 'results folders, of one run or of many, to read the runs from', ['results'])
  .addOption(cluster().conflicts('results'))
  .addOption(context())
  .addOption(namespace())
  .option('--stale-after <duration>', 'from which age on a verdict is stale', '168h')
  .option('--html <file>', 'write it as a page')
  .option('--markdown <file>', 'write it as Markdown')
  .option('--json', 'print it as JSON')
  .action(async (options: CoverageCommandOptions & ClusterChoice) => {
    const { coverageCommand } = await import('../coverage.ts')
    await using asked = options.cluster ? await (await import('../cluster/scheduler.ts')).connectScheduler(options) : undefined
    process.stdout.write(await coverageCommand(options, { width: process.stdout.columns ?? 100, colour: process.stdout.isTTY && process.stdout.hasColors(), ...(asked && { cluster: asked }) }))
  })
