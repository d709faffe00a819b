/** `npm run cluster:*`: a real Kubernetes on one bare Linux machine. What each word means; the work is done in the file named after it. */
import { Command } from 'commander'
import { runProgram } from '../../services/cli/run-program.ts'
import { down } from './down.ts'
import { imageCommand } from './image-command.ts'
import { adminKubeconfig, mostNodes } from './paths.ts'
import { powerOff, powerOn } from './power-command.ts'
import { runCommand } from './run-command.ts'
import { parseNodeCount } from './settings.ts'
import { renderStatus, status } from './status.ts'
import { up } from './up.ts'

const startedMs = performance.now()
/** Progress is for people and goes to standard error; answers go to standard output. */
const say = (line: string): void => console.error(`cluster: ${line} (${((performance.now() - startedMs) / 1000).toFixed(1)} s)`)

const program = new Command('cluster')
  .description('A real Kubernetes on one bare Linux machine, as root, without Docker and without a registry.\nExit codes: 0 done, 3 invalid input, 4 the machine or the cluster cannot.')
  .enablePositionalOptions()
  .exitOverride()
  .showHelpAfterError('(--help shows what there is)')

program.command('up')
  .description('start the control plane and the nodes; if it is up already, say so')
  .option('--nodes <count>', `1 to ${mostNodes}; 3 if nothing is said`)
  .action(async (options: { nodes?: string }) => {
    const nodes = await up(options.nodes === undefined ? undefined : parseNodeCount(options.nodes), say)
    say(`${nodes} ${nodes === 1 ? 'node' : 'nodes'} ready`)
    console.log(`KUBECONFIG=${adminKubeconfig}\nreach it with: npm run cluster:run -- kubectl get nodes`)
  })

program.command('down')
  .description('stop it all and remove what it made; binaries and base image are kept')
  .option('--purge', 'remove those too')
  .action(async (options: { purge?: boolean }) => {
    await down({ purge: options.purge ?? false }, say)
    say('down')
  })

program.command('status')
  .description('what runs (exit code 4 when the cluster is not up)')
  .option('--json', 'as JSON')
  .action(async (options: { json?: boolean }) => {
    const now = await status()
    console.log(options.json ? JSON.stringify(now, undefined, 2) : renderStatus(now))
    if (!now.up) process.exitCode = 4
  })

program.command('run').argument('<command...>')
  .description('run a command in the cluster\'s network, with KUBECONFIG set; its exit code is the answer')
  .passThroughOptions().allowUnknownOption()
  .action(async (command: string[]) => {
    process.exitCode = await runCommand(command)
  })

program.command('image').argument('<tag>').argument('<folder>')
  .description('build FOLDER/Dockerfile and load it on every node as localhost/TAG')
  .option('--file <dockerfile>', 'another Dockerfile')
  .option('--build-arg <name=value...>', 'for ARG; BASE is localhost/debian:12 unless given')
  .action(async (tag: string, folder: string, options: { file?: string; buildArg?: string[] }) => {
    const fullTag = await imageCommand(tag, folder, options, say)
    say(`loaded on every node that is on`)
    console.log(fullTag)
  })

program.command('off').argument('<node>').description('cut a node\'s power').action((node: string) => powerOff(node, say))
program.command('on').argument('<node>').description('give it back, and wait until the node is ready').action((node: string) => powerOn(node, say))

await runProgram(program)
