import type { Command } from 'commander'

export const addValidate = (program: Command): Command => program.command('validate').argument('<files...>', 'experiment, campaign and policy files')
  .description('Check experiment, campaign and policy files: every problem, with its line and what was meant (the validation campaign itself is npm run validate)')
  .option('--json', 'print the problems as JSON')
  .action(async (files: string[], options: { json?: boolean }) => {
    const { validate } = await import('../validate.ts')
    const { exitCode, output } = await validate(files, { json: options.json ?? false })
    process.stdout.write(output.endsWith('\n') ? output : `${output}\n`)
    process.exitCode = exitCode
  })
