import type { Command } from 'commander'
import type { InitOptions } from '../init/init-command.ts'

export const addInit = (program: Command): Command => program.command('init').argument('[folder]', 'where its files go: experiment.yaml and locustfile.py', '.')
  .description('Begin with a service of your own: write a first experiment and its load, for you to run and to change; overwrites nothing')
  .requiredOption('--host <url>', 'where the service answers, such as http://127.0.0.1:8000')
  .option('--path <path...>', 'paths that the users GET', ['/'])
  .option('--allow <pid>', 'the process that is stopped for five seconds, as PID or NAME=PID; without it there is no fault, and the load alone is judged')
  .action(async (folder: string, options: InitOptions) => {
    const { initCommand } = await import('../init/init-command.ts')
    process.stdout.write(await initCommand(folder, options))
  })
