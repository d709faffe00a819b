import type { Command } from 'commander'

export const addConfig = (program: Command): Command => program.command('config').description('Every setting: its value in force, where that came from, and its environment variable')
  .option('--json', 'print them as JSON')
  .action(async (options: { json?: boolean }) => {
    const { printConfig } = await import('../config.ts')
    process.stdout.write(printConfig(options.json ?? false))
  })
