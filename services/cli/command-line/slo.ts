import type { Command } from 'commander'

export const addSlo = (program: Command): Command => program.command('slo').argument('<files...>', 'OpenSLO v1 files, whose documents may name each other')
  .description('Show the SLOs of the files as the gates that they become, with their PromQL; what cannot be a gate is named with its line')
  .option('--json', 'print them as JSON')
  .action(async (files: string[], options: { json?: boolean }) => {
    const { sloCommand } = await import('../slo.ts')
    const { exitCode, output } = await sloCommand(files, { json: options.json ?? false })
    process.stdout.write(output)
    process.exitCode = exitCode
  })
