import type { Command } from 'commander'
import type { PowerOptions } from '../power.ts'

export const addPower = (program: Command): Command => program.command('power')
  .description('How many requests must a run have seen before it can pass?')
  .requiredOption('--budget <ratio>', 'share of bad requests that the service must stay below, such as 1% (5% for "p95 within a limit")')
  .option('--alpha <ratio>', 'how often a service at that share may pass all the same', '0.05')
  .option('--true-rate <ratio>', 'share of bad requests that the service really has', '0')
  .option('--power <ratio>', 'how often such a service must pass', '90%')
  .option('--requests-per-burst <number>', 'how many requests fail together when one does', '1')
  .option('--rps <number>', 'requests a second; with it, minutes are told too')
  .option('--json', 'print the figures as JSON')
  .action(async (options: PowerOptions) => {
    const { printPower } = await import('../power.ts')
    process.stdout.write(printPower(options))
  })
