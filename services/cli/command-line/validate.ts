import type { Command } from 'commander'

export const addValidate = (program: Command): Command => program.command('validate').argument('<files...>', 'experiment, campaign and policy files')
  .description('Check experiment, campaign and policy files: prints every problem, with its line and what may be meant (not the validation campaign: that is npm run validate)')
  .option('--json', 'print the problems as JSON')
  .action(async (files: string[], options: { json?: boolean }) => {
    const { validate } = await import('../validate.ts')
    const { exitCode, output } = await validate(files, { json: options.json ?? false })
    process.stdout.write(output.endsWith('\n') ? output : `${output}\n`)
    process.exitCode = exitCode
  })
