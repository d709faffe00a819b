import type { Command } from 'commander'

export const addReplay = (program: Command): Command => program.command('replay').argument('<folder>', 'results folder of a run')
  .description('Compute the verdict again from a run\'s events.jsonl, and compare it with verdict.json, byte for byte.\nExit codes: 0 passed, 1 failed, 2 inconclusive, 3 invalid input, 4 not what verdict.json says, or a revert that was not confirmed.')
  .option('--json', 'print the judgement as JSON')
  .action(async (folder: string, options: { json?: boolean }) => {
    const { replay } = await import('../replay.ts')
    const { judgement, identical, problems } = await replay(folder)
    for (const problem of problems) process.stderr.write(`${problem}\n`)
    process.stdout.write(options.json ? `${JSON.stringify(judgement, null, 2)}\n` : `${judgement.verdict}: ${identical ? 'byte-identical to verdict.json' : 'NOT what verdict.json says'}\n`)
    process.exitCode = identical ? judgement.exitCode : 4
  })
