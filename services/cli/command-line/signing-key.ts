import type { Command } from 'commander'

export const addSigningKey = (program: Command): Command => program.command('signing-key').alias('verdict-key').argument('<file>', 'where the seed goes; the public key goes beside it, with .pub added')
  .description('Make a key pair that signs verdicts, or in a cluster commands or vouchers')
  .action(async (file: string) => {
    const { newKeyCommand } = await import('../verify/new-key.ts')
    process.stdout.write(await newKeyCommand(file))
  })
