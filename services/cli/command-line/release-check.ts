import { Option, type Command } from 'commander'
import type { ReleaseOptions } from '../release/release-command.ts'
import { cluster, context, namespace, several } from './options.ts'

export const addReleaseCheck = (program: Command): Command => program.command('release-check')
  .description('May this version go out? Only if every required experiment passed on it, lately. Whatever is not known blocks.\nExit codes: 0 it may, 1 it must not, 3 invalid input, 4 the scheduler could not be asked, for 10 s.')
  .requiredOption('--app <name>', 'the service, as NAME or NAMESPACE/NAME')
  .requiredOption('--version <version>', 'its version: the label app.kubernetes.io/version, or the tag or digest of its image')
  .option('--within <duration>', 'how long ago the runs may have ended', '24h')
  .option('--require <name...>', 'experiments that must have passed')
  .option('--from <file...>', 'files with experiments that must have passed exactly as they stand there')
  .option('--results <folder>', 'where the results folders of runs on this machine are', 'results')
  .addOption(new Option('--public-key <key>', 'a public key, or a file that holds one or several, one a line: only runs count whose record such a key has signed (default: setting verdicts.publicKey). A scheduler that is asked has its own')
    .argParser(several).conflicts(['cluster', 'context', 'url']))
  .addOption(cluster())
  .addOption(context())
  .addOption(namespace())
  .addOption(new Option('--url <url>', 'the scheduler to ask').conflicts(['cluster', 'context']))
  .option('--token-file <file>', 'a file that holds its token (default: setting release.token)')
  .option('--junit <file>', 'write the decision as JUnit XML')
  .option('--markdown <file>', 'write it as Markdown, for a pull request')
  .option('--json', 'print it as JSON')
  .action(async (options: ReleaseOptions) => {
    const { releaseCommand } = await import('../release/release-command.ts')
    process.exitCode = await releaseCommand(options)
  })
