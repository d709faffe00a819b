import type { Command } from 'commander'
import type { RunCommandOptions } from '../run-command.ts'
import type { ClusterChoice } from './options.ts'
import { runExitCodes, runFile, withRunOptions } from './run.ts'

export const addGate = (program: Command): Command => withRunOptions(program.command('gate').argument('<file>', 'experiment file')
  .description(`Judge the gates of every experiment of a file without its faults, under its load or the traffic that is there, until a gate is breached or the time is over.\n${runExitCodes}`)
  .option('--for <duration>', 'how long, such as 5m (default: as long as the experiment holds its faults)'))
  .action(async (file: string, { for: time, ...options }: RunCommandOptions & ClusterChoice & { for?: string }) => {
    const { parseGateFor } = await import('../experiments-to-run.ts')
    process.exitCode = await runFile(file, { ...options, gate: parseGateFor(time) })
  })
