import type { Command } from 'commander'
import type { RunCommandOptions } from '../run-command.ts'
import { allow, allowed, cluster, context, embedded, namespace, processes, within, type ClusterChoice } from './options.ts'

export const runExitCodes = 'Exit codes: 0 passed, 1 failed, 2 inconclusive, 3 invalid input, 4 infrastructure, or a revert that was not confirmed.'

export const addRun = (program: Command): Command => withRunOptions(program.command('run').argument('<file>', 'experiment file'))
  .description(`Run every experiment of a file, one after another. Starts nats-server, Prometheus and Locust for it.\n${runExitCodes}`)
  .action(async (file: string, options: RunCommandOptions & ClusterChoice) => {
    process.exitCode = await runFile(file, options)
  })

export const withRunOptions = (command: Command): Command => command
  .addOption(allow())
  .addOption(within())
  .option('--host <url>', 'system under test, in place of the file\'s load.host')
  .option('--prometheus <url>', 'a Prometheus that runs already, in place of one of the session\'s own')
  .option('--endpoints <folder>', 'folder of the probes\' endpoints: one file for each, which holds its URL (default: setting probes.endpointsFolder)')
  .option('--scrape <target...>', 'what the session\'s own Prometheus scrapes: HOST:PORT, which is asked at /metrics, or a URL')
  .option('--tests <app=version...>', 'the services that the run is about, in their versions, for coverage and release checks (with --cluster they are found out)')
  .option('--results <folder>', 'where a new folder is made for each run', 'results')
  .addOption(embedded())
  .addOption(processes())
  .addOption(cluster().conflicts(['allow', 'prometheus', 'scrape', 'endpoints', 'tests', 'embedded', 'processes']))
  .addOption(context())
  .addOption(namespace())
  .option('--json', 'print the judgement as JSON, and no progress')

/** On this machine or in a cluster; gives the exit code. */
export async function runFile(file: string, options: RunCommandOptions & ClusterChoice & { within?: string[] }): Promise<number> {
  if (options.cluster) {
    const { runInCluster } = await import('../run-in-cluster.ts')
    return runInCluster(file, options)
  }
  const { runCommand } = await import('../run-command.ts')
  return runCommand(file, { ...options, allow: allowed(options) })
}
