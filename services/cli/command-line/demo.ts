import type { Command } from 'commander'
import type { DemoOptions } from '../demo.ts'
import { embedded, processes } from './options.ts'

export const addDemo = (program: Command): Command => program.command('demo')
  .description('See it work, on the jewelry shop under 50 users: a web worker is killed (passes), then the database is paused (fails, as it should)')
  .option('--results <folder>', 'where a new folder is made for each run', 'results')
  .addOption(embedded())
  .addOption(processes())
  .option('--json', 'print both judgements as JSON, and no progress')
  .action(async (options: DemoOptions) => {
    const { demoCommand } = await import('../demo.ts')
    process.exitCode = await demoCommand(options)
  })
