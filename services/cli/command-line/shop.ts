import type { Command } from 'commander'

export const addShop = (program: Command): Command => program.command('shop')
  .description('Start the jewelry shop on loopback until Ctrl-C, and print which experiments there are to try on it')
  .action(async () => {
    const { shopCommand } = await import('../shop.ts')
    process.exitCode = await shopCommand()
  })
