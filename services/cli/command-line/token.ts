import type { Command } from 'commander'

export const addToken = (program: Command): Command => program.command('token').argument('<name>', 'whose it is, for the audit').argument('<role>', 'viewer, operator, admin, release or metrics')
  .description('Make a token. It is printed once, for its owner, and after it the line for the tokens file (setting access.tokensFile), from which nobody can read the token')
  .action(async (name: string, role: string) => {
    const { makeToken } = await import('../token.ts')
    process.stdout.write(makeToken(name, role))
  })
