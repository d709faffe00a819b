/** `npm run k8s:install`, `npm run k8s:uninstall`: faultline in the cluster of kubectl's current context. */
import { Command, Option } from 'commander'
import { runProgram } from '../run-program.ts'
import { wholeSeconds } from '../whole-seconds.ts'
import { install, uninstall, variants, type Variant } from './install.ts'
import { powerValues } from './power-values.ts'
import { namespace, secretName } from './secret.ts'

const startedMs = performance.now()
const say = (doing: string): void => console.error(`k8s: ${doing} (${((performance.now() - startedMs) / 1000).toFixed(1)} s)`)

const program = new Command('k8s')
  .description('faultline in the cluster of kubectl\'s current context.\nExit codes: 0 done, 3 invalid input, 4 the cluster did not.')
  .exitOverride()
  .showHelpAfterError('(--help shows what there is)')

program.command('install')
  .description('bring it in, or up to date, and wait until it is ready; passwords and keys that were made before are kept')
  .addOption(new Option('--variant <name>', 'base: one NATS server; ha: three; staging: three on persistent volumes; demo: small, for one node, at ports of the node').choices(Object.keys(variants)).default('base'))
  .option('--registry <registry>', 'where the images services, nats and prometheus are, below faultline/', 'localhost')
  .option('--version <tag>', 'their tag', 'dev')
  .option('--nats-tls', 'have the services speak TLS to NATS, with the certificate in the Secret nats-tls (docs/nats-tls.md)')
  .option('--timeout <seconds>', 'for each workload that is waited for', wholeSeconds, 180)
  .action(async ({ timeout, ...options }: { variant: Variant; registry: string; version: string; natsTls?: boolean; timeout: number }) => {
    await install({ ...options, patienceS: timeout, given: powerValues() }, say)
    say('ready')
    console.log(`The scheduler's API: kubectl --namespace ${namespace} port-forward service/scheduler 9646
Its admin's token (docs/access.md has how others get one of their own): kubectl --namespace ${namespace} get secret ${secretName} --output go-template='{{index .data "api-token" | base64decode}}'
Opt a namespace in: kubectl label namespace NAME faultline.dev/chaos=allowed`)
  })

program.command('uninstall')
  .description('end what is under way and remove it all, passwords, keys and the log of facts too')
  .option('--timeout <seconds>', 'for each thing that is waited for', wholeSeconds, 180)
  .action(async ({ timeout }: { timeout: number }) => {
    await uninstall({ patienceS: timeout }, say)
    say('gone')
  })

await runProgram(program)
