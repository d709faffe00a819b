import type { Command } from 'commander'

export const addDoctor = (program: Command): Command => program.command('doctor').description('What is there, what is missing, and what this kernel and this user can do')
  .option('--json', 'print the checks as JSON')
  .action(async (options: { json?: boolean }) => {
    const { doctor, renderDoctor } = await import('../doctor.ts')
    const { checks, ok } = await doctor()
    process.stdout.write(options.json ? `${JSON.stringify({ ok, checks }, null, 2)}\n` : renderDoctor(checks))
    process.exitCode = ok ? 0 : 4
  })
