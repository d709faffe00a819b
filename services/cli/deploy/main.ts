/** `npm run deploy`: brings the jewelry shop or Locust into the cluster of the current context. */
import { Argument, Command } from 'commander'
import { runProgram } from '../run-program.ts'
import { wholeSeconds } from '../whole-seconds.ts'
import { deploy } from './deploy.ts'
import { parts, type Part } from './parts.ts'

interface Options { registry?: string; version?: string; timeout: number }

const startedMs = performance.now()
const say = (doing: string): void => console.error(`deploy: ${doing} (${((performance.now() - startedMs) / 1000).toFixed(1)} s)`)

const program = new Command('deploy')
  .description('Bring the jewelry shop, or Locust, into the cluster of kubectl\'s current context, and wait until it is there.\nMay be run again: passwords that were made stay. Exit codes: 0 done, 3 invalid input, 4 the cluster did not.')
  .addArgument(new Argument('<parts...>', 'which').choices(Object.keys(parts)))
  .option('--registry <registry>', 'where `npm run images -- --push` put the images; without it they must be on the nodes (--load)')
  .option('--version <tag>', 'as given to `npm run images`')
  .option('--timeout <seconds>', 'for each thing that is waited for', wholeSeconds, 180)
  .exitOverride()
  .showHelpAfterError('(--help shows what there is)')
  .action(async (names: Part['name'][], { registry, version, timeout }: Options) => {
    for (const name of names) {
      await deploy(parts[name], { ...(registry !== undefined && { registry }), ...(version !== undefined && { version }), patienceS: timeout }, say)
      say(`${name} is there`)
      console.log(parts[name].hint)
    }
  })

await runProgram(program)
