import { InvalidArgumentError, type Command } from 'commander'
import { answer } from './answer.ts'
import { allow, allowed, cluster, context, namespace, within, type ClusterChoice } from './options.ts'

export const addPlan = (program: Command): Command => program.command('plan').argument('<file>', 'experiment file')
  .description('Dry run: what a run would do to which processes or pods, what undoes it, and what would be refused (exit code 2 when anything is)')
  .addOption(allow())
  .addOption(within())
  .addOption(cluster().conflicts('allow'))
  .addOption(context())
  .addOption(namespace())
  .option('--rps <number>', 'requests a second that the service gets: tells whether a run sees enough of them', requestsPerSecond)
  .option('--json', 'print the plan as JSON')
  .action(async (file: string, options: { allow?: string[]; within?: string[]; rps?: number; json?: boolean } & ClusterChoice) => {
    const { planCommand } = await import('../plan.ts')
    await using asked = options.cluster ? await (await import('../cluster/scheduler.ts')).connectScheduler(options) : undefined
    const { json = false, rps } = options
    answer(await planCommand(file, { allow: allowed(options), json, width: process.stdout.columns ?? 100, rps, ...(asked && { cluster: asked }) }), { json })
  })

function requestsPerSecond(text: string): number {
  const rps = Number(text)
  if (Number.isFinite(rps) && rps > 0) return rps
  throw new InvalidArgumentError(`expected requests a second, such as 20, found ${text}`)
}
