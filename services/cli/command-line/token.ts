import type { Command } from 'commander'

export const addToken = (program: Command): Command => program.command('token').argument('<name>', 'whose it is, for the audit').argument('<role>', 'viewer, operator, admin, release or metrics')
  .description('Make a token: printed once for its owner, and as the line for the tokens file (setting access.tokensFile), which does not tell it')
  .action(async (name: string, role: string) => {
    const { makeToken } = await import('../token.ts')
    process.stdout.write(makeToken(name, role))
  })
