/** The command line: what each word means; the work is done in the file named after it. */
import { readFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { Command, InvalidArgumentError, Option } from 'commander'
import type { AuditOptions } from './audit.ts'
import type { DemoOptions } from './demo.ts'
import type { CalibrateOptions } from './calibrate/calibrate-command.ts'
import type { CampaignOptions } from './campaign/campaign-command.ts'
import type { ClusterOptions } from './cluster/scheduler.ts'
import type { CoverageCommandOptions } from './coverage.ts'
import { groupCommands } from './help-groups.ts'
import type { InitOptions } from './init/init-command.ts'
import type { PreviewOptions } from './policy/preview-command.ts'
import type { PowerOptions } from './power.ts'
import type { ReleaseOptions } from './release/release-command.ts'
import type { RunCommandOptions } from './run-command.ts'
import { runProgram } from './run-program.ts'
import type { VerifyOptions } from './verify/verify-command.ts'

watchLifeline()

/** `--cluster`: the services of a cluster do it, not this machine. */
type ClusterChoice = ClusterOptions & { cluster?: boolean }

interface Package { version: string }
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as Package

const runExitCodes = 'Exit codes: 0 passed, 1 failed, 2 inconclusive, 3 invalid input, 4 infrastructure, or a revert that was not confirmed.'

const program = new Command('faultline')
  .description('Chaos experiments under load, gated by SLOs, with a verdict.\nExit codes: 0 passed, 1 failed, 2 inconclusive, 3 invalid input, 4 infrastructure.')
  .version(version)
  .enablePositionalOptions() // a command's own --version is the images'
  .exitOverride()
  .showHelpAfterError('(faultline --help shows what there is)')

const run = program.command('run').argument('<file>', 'experiment file')
  .description(`Run every experiment of a file, one after another (nats-server, Prometheus and Locust are started beside it).\n${runExitCodes}`)
  .option('--within <pid...>', 'opt in: processes that may be touched, with their descendants, as PID or NAME=PID')
  .option('--host <url>', 'system under test, in place of the file\'s load.host')
  .option('--prometheus <url>', 'a Prometheus that is there already')
  .option('--endpoints <folder>', 'where probes look: a folder with one file an endpoint, which holds its URL (default: setting probes.endpointsFolder)')
  .option('--scrape <target...>', 'what the session\'s own Prometheus scrapes: HOST:PORT, which is asked at /metrics, or a URL')
  .option('--tests <app=version...>', 'the services that the run is about, in their versions, for coverage and release checks (a cluster is asked)')
  .option('--results <folder>', 'where a new folder is made for each run', 'results')
  .addOption(embedded())
  .addOption(processes())
  .addOption(cluster().conflicts(['within', 'prometheus', 'scrape', 'endpoints', 'tests', 'embedded', 'processes']))
  .addOption(context())
  .addOption(namespace())
  .option('--json', 'print the judgement as JSON, and no progress')
  .action(async (file: string, options: RunCommandOptions & ClusterChoice) => {
    if (options.cluster) {
      const { runInCluster } = await import('./run-in-cluster.ts')
      process.exitCode = await runInCluster(file, options)
      return
    }
    const { runCommand } = await import('./run-command.ts')
    process.exitCode = await runCommand(file, options)
  })

const gate = program.command('gate').argument('<file>', 'experiment file')
  .description(`Judge the objectives of every experiment of a file without its faults: its gates, under its load or the traffic that is there, until one is breached or the time is over.\n${runExitCodes}`)
  .option('--for <duration>', 'how long, such as 5m (default: as long as the experiment holds its faults)')
  .action(async (file: string, { for: time, ...options }: RunCommandOptions & ClusterChoice & { for?: string }) => {
    const { parseGateFor } = await import('./experiments-to-run.ts')
    const choice = { ...options, gate: parseGateFor(time) }
    if (options.cluster) {
      const { runInCluster } = await import('./run-in-cluster.ts')
      process.exitCode = await runInCluster(file, choice)
      return
    }
    const { runCommand } = await import('./run-command.ts')
    process.exitCode = await runCommand(file, choice)
  })
for (const option of run.options) gate.addOption(option)

program.command('calibrate').argument('<file>', 'experiment file')
  .description('Measure, in runs of an experiment\'s load without its faults, how requests fail by themselves: whether block and burst of its gates with a limit are enough, and how often they would abort for nothing.\nExit codes: 0 they are, 1 they are not, 2 too little was seen to say.')
  .option('--runs <number>', 'how many runs', '1')
  .option('--for <duration>', 'how long each of them', '10m')
  .option('--from <folder...>', 'no runs, but the results folders of runs without faults that were made before')
  .option('--host <url>', 'system under test, in place of the file\'s load.host')
  .option('--results <folder>', 'where a new folder is made for each run', 'results')
  .addOption(embedded())
  .addOption(processes())
  .addOption(cluster().conflicts(['from', 'embedded', 'processes']))
  .addOption(context())
  .addOption(namespace())
  .option('--json', 'print what was measured as JSON, and no progress')
  .action(async (file: string, options: CalibrateOptions) => {
    const { calibrateCommand } = await import('./calibrate/calibrate-command.ts')
    process.exitCode = await calibrateCommand(file, options)
  })

program.command('demo')
  .description('The main job: the jewelry shop under 50 users, a web worker killed (passes), its database paused (fails, as it should)')
  .option('--results <folder>', 'where a new folder is made for each run', 'results')
  .addOption(embedded())
  .addOption(processes())
  .option('--json', 'print both judgements as JSON, and no progress')
  .action(async (options: DemoOptions) => {
    const { demoCommand } = await import('./demo.ts')
    process.exitCode = await demoCommand(options)
  })

program.command('shop')
  .description('Start the jewelry shop on loopback until Ctrl-C, and print which experiments there are to try on it')
  .action(async () => {
    const { shopCommand } = await import('./shop.ts')
    process.exitCode = await shopCommand()
  })

program.command('init').argument('[folder]', 'where its files go: experiment.yaml and locustfile.py', '.')
  .description('Begin with a service of your own: write a first experiment and its load, to run and to change; overwrites nothing')
  .requiredOption('--host <url>', 'where the service answers, such as http://127.0.0.1:8000')
  .option('--path <path...>', 'what users ask for by GET', ['/'])
  .option('--within <pid>', 'the process that is stopped for five seconds, as PID or NAME=PID; without it there is no fault, and the load alone is judged')
  .action(async (folder: string, options: InitOptions) => {
    const { initCommand } = await import('./init/init-command.ts')
    process.stdout.write(await initCommand(folder, options))
  })

program.command('plan').argument('<file>', 'experiment file')
  .description('Dry run: what a run would do to which processes or pods, what undoes it, and what would be refused (exit code 2 when anything is)')
  .option('--within <pid...>', 'opt in: processes that may be touched, with their descendants, as PID or NAME=PID')
  .addOption(cluster().conflicts('within'))
  .addOption(context())
  .addOption(namespace())
  .option('--rps <number>', 'requests a second that the service gets: tells whether a run sees enough of them', requestsPerSecond)
  .option('--json', 'print the plan as JSON')
  .action(async (file: string, options: { within?: string[]; rps?: number; json?: boolean } & ClusterChoice) => {
    const { planCommand } = await import('./plan.ts')
    await using asked = options.cluster ? await (await import('./cluster/scheduler.ts')).connectScheduler(options) : undefined
    const { exitCode, output } = await planCommand(file, { within: options.within ?? [], json: options.json ?? false, width: process.stdout.columns ?? 100, rps: options.rps, ...(asked && { cluster: asked }) })
    const stream = exitCode === 3 && !options.json ? process.stderr : process.stdout
    stream.write(output)
    process.exitCode = exitCode
  })

program.command('campaign').argument('<file>', 'campaign file')
  .description('Do the steps of a campaign on the cluster of the kubeconfig\'s current context: checks, installs, loads, experiments, judgement, reports, clean-up')
  .option('--profile <name>', 'one of the file\'s profiles')
  .option('--results <folder>', 'where a new folder is made for each campaign', 'test-results')
  .option('--registry <registry>', 'where the images are, below faultline/; without it they are on the nodes')
  .option('--version <tag>', 'their tag')
  .option('--audit-log <file>', 'the API server\'s audit log: without it, manual steps cannot be counted, and that bar is not met')
  .addOption(namespace())
  .option('--json', 'print the outcome as JSON')
  .action(async (file: string, options: CampaignOptions) => {
    const { campaignCommand } = await import('./campaign/campaign-command.ts')
    process.exitCode = await campaignCommand(file, options)
  })

const policy = program.command('policy').description('Continuous low-rate chaos: what a policy would do, and the policies of a local session or of a cluster')

policy.command('preview').argument('<file>', 'policy file')
  .description('What would run when, on what, and what would be skipped; the same seed gives the same plan')
  .option('--days <number>', 'how many days', '14')
  .option('--from <date>', 'the first of them, such as 2026-12-24 or 2026-12-24T08:00; now when left out')
  .option('--json', 'print it as JSON')
  .action(async (file: string, options: PreviewOptions) => {
    const { previewCommand } = await import('./policy/preview-command.ts')
    const { exitCode, output } = await previewCommand(file, options, Date.now())
    const stream = exitCode === 3 && !options.json ? process.stderr : process.stdout
    stream.write(output)
    process.exitCode = exitCode
  })

for (const [word, argument, does] of [
  ['apply', ['<file>', 'policy file'], 'Put every policy of a file in force, or in force anew; what an earlier one did and spent is kept'],
  ['list', undefined, 'The policies: state, the next runs, the last ones, error budgets'],
  ['resume', ['<name>', 'the policy, or its object as NAME or NAMESPACE/NAME'], 'Let a policy go on that has paused'],
  ['remove', ['<name>', 'the policy'], 'End a policy; its runs under way go on to their end (that of an object ends with the object: kubectl delete)'],
] as const) {
  const command = policy.command(word).description(does).addOption(cluster()).addOption(context()).addOption(namespace())
  if (word === 'list') command.option('--json', 'print them as JSON')
  if (argument) command.argument(argument[0], argument[1])
  command.action(async (...given: unknown[]) => {
    const { policyCommand } = await import('./policy/policy-command.ts')
    const options = command.opts<ClusterChoice & { json?: boolean }>()
    const { exitCode, output } = await policyCommand(word, argument ? String(given[0]) : '', { cluster: options.cluster ? options : undefined, json: options.json ?? false })
    const stream = exitCode === 3 ? process.stderr : process.stdout
    stream.write(output)
    process.exitCode = exitCode
  })
}

program.command('validate').argument('<files...>', 'experiment, campaign and policy files')
  .description('Check experiment, campaign and policy files: every problem, with its line and what was meant (the validation campaign itself is npm run validate)')
  .option('--json', 'print the problems as JSON')
  .action(async (files: string[], options: { json?: boolean }) => {
    const { validate } = await import('./validate.ts')
    const { exitCode, output } = await validate(files, { json: options.json ?? false })
    process.stdout.write(output.endsWith('\n') ? output : `${output}\n`)
    process.exitCode = exitCode
  })

program.command('slo').argument('<files...>', 'OpenSLO v1 files, whose documents may name each other')
  .description('Which SLOs are in the files, as the gates that they become, with their PromQL; what cannot be a gate is told with its place')
  .option('--json', 'print them as JSON')
  .action(async (files: string[], options: { json?: boolean }) => {
    const { sloCommand } = await import('./slo.ts')
    const { exitCode, output } = await sloCommand(files, { json: options.json ?? false })
    process.stdout.write(output)
    process.exitCode = exitCode
  })

program.command('replay').argument('<folder>', 'results folder of a run')
  .description('Reach the verdict again from a run\'s events.jsonl, and compare it byte for byte.\nExit codes: 0 passed, 1 failed, 2 inconclusive, 3 invalid input, 4 not what verdict.json says, or a revert that was not confirmed.')
  .option('--json', 'print the judgement as JSON')
  .action(async (folder: string, options: { json?: boolean }) => {
    const { replay } = await import('./replay.ts')
    const { judgement, identical, problems } = await replay(folder)
    for (const problem of problems) process.stderr.write(`${problem}\n`)
    process.stdout.write(options.json ? `${JSON.stringify(judgement, null, 2)}\n` : `${judgement.verdict}: ${identical ? 'byte-identical to verdict.json' : 'NOT what verdict.json says'}\n`)
    process.exitCode = identical ? judgement.exitCode : 4
  })

program.command('verify').argument('<results>', 'results folder of a run, or its events.jsonl')
  .description('Check a run\'s record offline: its chain of facts, its signature, and its verdict, reached again.\nExit codes: 0 everything holds and a trusted key has signed it, 1 something is wrong, 2 nothing is wrong, but nobody who is trusted has signed it, 3 invalid input.')
  .option('--public-key <key>', 'a public key that is trusted, or a file that holds one or several, one a line; may be given several times (default: setting verdicts.publicKey)', several)
  .option('--json', 'print it as JSON')
  .action(async (results: string, options: VerifyOptions) => {
    const { verifyCommand } = await import('./verify/verify-command.ts')
    const { exitCode, output } = await verifyCommand(results, options)
    process.stdout.write(output)
    process.exitCode = exitCode
  })

program.command('signing-key').alias('verdict-key').argument('<file>', 'where its seed goes; its public half goes beside it, with .pub added')
  .description('Make a key pair that signs verdicts, or in a cluster commands or vouchers')
  .action(async (file: string) => {
    const { newKeyCommand } = await import('./verify/new-key.ts')
    process.stdout.write(await newKeyCommand(file))
  })

program.command('release-check')
  .description('May this version go out? Only if every required experiment passed on it, lately; whatever is not known blocks.\nExit codes: 0 it may, 1 it must not, 3 invalid input, 4 whoever knows cannot be asked.')
  .requiredOption('--app <name>', 'the service, as NAME or NAMESPACE/NAME')
  .requiredOption('--version <version>', 'its version: the label app.kubernetes.io/version, or the tag or digest of its image')
  .option('--within <duration>', 'how long ago the runs may have ended', '24h')
  .option('--require <name...>', 'experiments that must have passed')
  .option('--from <file...>', 'files with experiments that must have passed exactly as they stand there')
  .option('--results <folder>', 'where the results folders of runs on this machine are', 'results')
  .addOption(new Option('--public-key <key>', 'a public key, or a file that holds one or several, one a line: only runs count whose record one such key has signed; a scheduler that is asked has its own (default: setting verdicts.publicKey)')
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
    const { releaseCommand } = await import('./release/release-command.ts')
    process.exitCode = await releaseCommand(options)
  })

program.command('coverage')
  .description('Which service was put through which kind of fault: the last verdict, its age, and the version tested')
  .option('--results <folder...>', 'results folders, of one run or of many, to read the runs from', ['results'])
  .addOption(cluster().conflicts('results'))
  .addOption(context())
  .addOption(namespace())
  .option('--stale-after <duration>', 'how old a verdict may be', '168h')
  .option('--html <file>', 'write it as a page')
  .option('--markdown <file>', 'write it as Markdown')
  .option('--json', 'print it as JSON')
  .action(async (options: CoverageCommandOptions & ClusterChoice) => {
    const { coverageCommand } = await import('./coverage.ts')
    await using asked = options.cluster ? await (await import('./cluster/scheduler.ts')).connectScheduler(options) : undefined
    process.stdout.write(await coverageCommand(options, { width: process.stdout.columns ?? 100, colour: process.stdout.isTTY && process.stdout.hasColors(), ...(asked && { cluster: asked }) }))
  })

program.command('abort').argument('[run]', 'the run; left out: all with --all')
  .description('Abort a run of a local session, or of a cluster: its faults are reverted, it ends as inconclusive')
  .option('--all', 'every run of every local session, or of the cluster')
  .addOption(cluster())
  .addOption(context())
  .addOption(namespace())
  .action(async (run: string | undefined, options: { all?: boolean } & ClusterChoice) => {
    const { abortCommand } = await import('./abort.ts')
    process.exitCode = await abortCommand(run, options.all ?? false, options.cluster ? options : undefined)
  })

program.command('halt').argument('[why...]', 'for those who wonder')
  .description('Stop everything at once: every run is aborted and its faults reverted, and new runs are refused until `faultline resume`')
  .option('--file', 'by a file, which asks nobody and holds across sessions; with --cluster by a ConfigMap. So it is done as well when whoever was asked does not answer')
  .addOption(cluster())
  .addOption(context())
  .addOption(namespace())
  .action(async (why: string[], { file = false, ...options }: ClusterChoice & { file?: boolean }) => {
    const { haltCommand } = await import('./halt.ts')
    process.exitCode = await haltCommand({ why: why.join(' '), byFile: file }, options.cluster ? options : undefined)
  })

program.command('resume')
  .description('Take runs again after `faultline halt`, by whatever it was done')
  .addOption(cluster())
  .addOption(context())
  .addOption(namespace())
  .action(async (options: ClusterChoice) => {
    const { resumeCommand } = await import('./halt.ts')
    process.exitCode = await resumeCommand(options.cluster ? options : undefined)
  })

program.command('audit')
  .description('Who asked the scheduler for what, of every local session or of a cluster: runs, aborts, halts, policies, and what was refused; takes an admin\'s token')
  .option('--since <duration>', 'how far back', '24h')
  .addOption(cluster())
  .addOption(context())
  .addOption(namespace())
  .option('--json', 'print it as JSON')
  .action(async (options: AuditOptions & ClusterChoice) => {
    const { auditCommand } = await import('./audit.ts')
    process.exitCode = await auditCommand(options, options.cluster ? options : undefined)
  })

program.command('token').argument('<name>', 'whose it is, for the audit').argument('<role>', 'viewer, operator, admin, release or metrics')
  .description('Make a token: printed once for its owner, and as the line for the tokens file (setting access.tokensFile), which does not tell it')
  .action(async (name: string, role: string) => {
    const { makeToken } = await import('./token.ts')
    process.stdout.write(makeToken(name, role))
  })

program.command('page')
  .description('The address of the live page, with the token that opens it: of every local session, or of a cluster until Ctrl-C')
  .addOption(cluster())
  .addOption(context())
  .addOption(namespace())
  .action(async (options: ClusterChoice) => {
    const { pageCommand } = await import('./page.ts')
    process.exitCode = await pageCommand(options.cluster ? options : undefined)
  })

const catalogues = {
  faults: { of: 'faults', print: async () => (await import('./faults.ts')).printFaults },
  probes: { of: 'probes', print: async () => (await import('./probes.ts')).printProbes },
  gates: { of: 'gates', print: async () => (await import('./gates.ts')).printGates },
  steps: { of: 'campaign steps', print: async () => (await import('./steps.ts')).printSteps },
}
for (const [name, { of, print }] of Object.entries(catalogues)) {
  program.command(name).argument('[kind]', 'show one kind in full')
    .description(`The catalogue of ${of} with their parameters`)
    .option('--json', 'print it as JSON')
    .action(async (kind: string | undefined, { json = false }: { json?: boolean }) => {
      process.stdout.write((await print())(kind, json))
    })
}

program.command('power')
  .description('How many requests must a run have seen before it can pass?')
  .requiredOption('--budget <ratio>', 'bad requests that the service may not reach, such as 1% (5% for "p95 within a limit")')
  .option('--alpha <ratio>', 'how often a pass may not be earned', '0.05')
  .option('--true-rate <ratio>', 'bad requests that the service really has', '0')
  .option('--power <ratio>', 'how often such a service is to pass', '90%')
  .option('--requests-per-burst <number>', 'requests that fail together, when one does', '1')
  .option('--rps <number>', 'requests a second: tells minutes too')
  .option('--json', 'print the figures as JSON')
  .action(async (options: PowerOptions) => {
    const { printPower } = await import('./power.ts')
    process.stdout.write(printPower(options))
  })

program.command('config').description('Every setting: its value in force, where that came from, and its environment variable')
  .option('--json', 'print them as JSON')
  .action(async (options: { json?: boolean }) => {
    const { printConfig } = await import('./config.ts')
    process.stdout.write(printConfig(options.json ?? false))
  })

program.command('generate', { hidden: true }).description('Write the files that are made from code: the JSON Schema, the catalogues of events and metrics, what each user of NATS may, the dashboards')
  .action(async () => {
    const { generate } = await import('./generate.ts')
    process.stdout.write(`${(await generate()).output}\n`)
  })

program.command('doctor').description('What is there, what is missing, and what this kernel and this user can do')
  .option('--json', 'print the checks as JSON')
  .action(async (options: { json?: boolean }) => {
    const { doctor, renderDoctor } = await import('./doctor.ts')
    const { checks, ok } = await doctor()
    process.stdout.write(options.json ? `${JSON.stringify({ ok, checks }, null, 2)}\n` : renderDoctor(checks))
    process.exitCode = ok ? 0 : 4
  })

groupCommands(program)
await runProgram(program)

function cluster(): Option {
  return new Option('--cluster', 'by faultline as it is installed in the cluster of the kubeconfig')
}

function context(): Option {
  return new Option('--context <name>', 'of the kubeconfig, in place of the current one').implies({ cluster: true })
}

function namespace(): Option {
  return new Option('--namespace <name>', 'where faultline is installed in the cluster').default('faultline-system')
}

function several(text: string, before: string[] = []): string[] {
  return [...before, text]
}

function requestsPerSecond(text: string): number {
  const rps = Number(text)
  if (Number.isFinite(rps) && rps > 0) return rps
  throw new InvalidArgumentError(`expected requests a second, such as 20, found ${text}`)
}

function embedded(): Option {
  return new Option('--embedded', 'the services in this process (the default)')
}

function processes(): Option {
  return new Option('--processes', 'the services as processes of their own, which share only NATS').conflicts('embedded')
}

/** The wrapper that started this process holds one end of a pipe: when it is killed, even by SIGKILL, this process ends as if interrupted. */
function watchLifeline(): void {
  const fd = process.env['FAULTLINE_LIFELINE_FD']
  if (fd === undefined) return
  delete process.env['FAULTLINE_LIFELINE_FD'] // not for children
  new Socket({ fd: Number(fd) }).on('close', () => process.kill(process.pid, 'SIGTERM')).resume().unref()
}
