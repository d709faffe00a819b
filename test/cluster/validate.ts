/**
 * `npm run validate`: the validation campaign (k8s/campaigns/validation.yaml) on the cluster of the kubeconfig's current context; where there is none that
 * answers, on that of `npm run cluster:up`, with its images, its audit log and its nodes opted in.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { VersionApi } from '@kubernetes/client-node'
import { Command, Option } from 'commander'
import { readKubeConfig } from '../../services/cli/cluster/kube-config.ts'
import { images, tagOf } from '../../services/cli/images/image.ts'
import { runProgram } from '../../services/cli/run-program.ts'
import { archiveOf } from './images.ts'
import { kubectlOfSetUp } from './kubectl.ts'
import { paths } from './paths.ts'
import { ClusterDown } from './problems.ts'
import { status } from './status.ts'

interface Options { profile?: string; results?: string; registry?: string; version?: string; auditLog?: string; rebuild?: boolean; json?: boolean }

const inCheckout = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const answersWithinMs = 5_000

const program = new Command('validate')
  .description('The whole validation of the jewelry shop: deploy, load, autoscaling, five experiments, SLA, reports, clean-up. On the cluster of the kubeconfig\'s\ncurrent context; where none answers, on that of npm run cluster:up. (faultline validate FILE only checks files.)\nExit codes: 0 every bar was met, 1 one was not, 2 inconclusive, 3 invalid input, 4 infrastructure.')
  .addOption(new Option('--profile <name>', 'quick: 100 users for 3 minutes; full: 1,000 for 30').default('quick'))
  .option('--results <folder>', 'where a new folder is made', 'test-results')
  .option('--registry <registry>', 'where the images are, below faultline/; without it they must be on the nodes')
  .option('--version <tag>', 'their tag')
  .option('--audit-log <file>', 'the API server\'s audit log; on the cluster of npm run cluster:up it is known')
  .option('--rebuild', 'on the cluster of npm run cluster:up: build the images anew, though they are there')
  .option('--json', 'print the outcome as JSON')
  .exitOverride()
  .showHelpAfterError('(--help shows what there is)')
  .action(async ({ rebuild = false, ...options }: Options) => {
    const campaign = [process.execPath, inCheckout('services/cli/faultline.mjs'), 'campaign', inCheckout('k8s/campaigns/validation.yaml')]
    const where = await currentContext()
    if (where.answers) {
      process.exitCode = await run([...campaign, ...words(options)])
      return
    }
    if (!await isUp()) throw new ClusterDown(`${where.why}, and the cluster of \`npm run cluster:up\` is not up either; start it, or choose a context.`)
    console.error(`validate: ${where.why}; taking the cluster of npm run cluster:up`)
    const missing = images.filter(image => rebuild || !existsSync(archiveOf(tagOf(image)))).map(({ name }) => name)
    const built = missing.length === 0 ? 0 : await run([process.execPath, inCheckout('services/cli/images/main.ts'), '--load', 'cluster', '--only', ...missing])
    if (built !== 0) {
      process.exitCode = built
      return
    }
    await kubectlOfSetUp(['label', 'nodes', '--all', 'faultline.dev/chaos=allowed', '--overwrite'])
    process.exitCode = await run([process.execPath, inCheckout('test/cluster/cluster.ts'), 'run', ...campaign, ...words({ auditLog: paths.auditLog, ...options })])
  })

/** Whether a cluster answers that the kubeconfig names; if not, why. */
async function currentContext(): Promise<{ answers: true } | { answers: false; why: string }> {
  try {
    const config = readKubeConfig()
    const context = config.getCurrentContext()
    const patience = new Promise<'silence'>(resolve => setTimeout(() => resolve('silence'), answersWithinMs).unref())
    const answer = await Promise.race([config.makeApiClient(VersionApi).getCode().catch(() => 'silence' as const), patience])
    return answer === 'silence' ? { answers: false, why: `the cluster of the context ${context} does not answer` } : { answers: true }
  } catch {
    return { answers: false, why: 'the kubeconfig names no cluster' }
  }
}

const isUp = async (): Promise<boolean> => (await status().catch(() => undefined))?.up ?? false

function words({ profile, results, registry, version, auditLog, json }: Options): string[] {
  const given = { profile, results, registry, version, 'audit-log': auditLog }
  return [...Object.entries(given).flatMap(([name, value]) => value === undefined ? [] : [`--${name}`, value]), ...(json ? ['--json'] : [])]
}

/** A terminal's Ctrl-C reaches the campaign too, which aborts and cleans up; what else asks this process to end is passed on. */
async function run([command = '', ...args]: readonly string[]): Promise<number> {
  const child = spawn(command, args, { stdio: 'inherit' })
  const ignore = () => undefined
  const passOn = (signal: NodeJS.Signals) => child.kill(signal)
  process.on('SIGINT', ignore).on('SIGTERM', passOn).on('SIGHUP', passOn)
  await once(child, 'exit')
  process.off('SIGINT', ignore).off('SIGTERM', passOn).off('SIGHUP', passOn)
  return child.exitCode ?? 128 + (child.signalCode ? constants.signals[child.signalCode] : 0)
}

await runProgram(program)
