import type { Command } from 'commander'
import type { VerifyOptions } from '../verify/verify-command.ts'
import { several } from './options.ts'

export const addVerify = (program: Command): Command => program.command('verify').argument('<results>', 'results folder of a run, or its events.jsonl')
  .description('Check a run\'s record offline: its chain of facts, its signature, and its verdict, which is computed again.\nExit codes: 0 everything holds and a trusted key has signed it, 1 something is wrong, 2 nothing is wrong, but no trusted key has signed it, 3 invalid input.')
  .option('--public-key <key>', 'a public key that is trusted, or a file that holds one or several, one a line; may be given several times (default: setting verdicts.publicKey)', several)
  .option('--json', 'print it as JSON')
  .action(async (results: string, options: VerifyOptions) => {
    const { verifyCommand } = await import('../verify/verify-command.ts')
    const { exitCode, output } = await verifyCommand(results, options)
    process.stdout.write(output)
    process.exitCode = exitCode
  })
