import { statSync } from 'node:fs'
import { readConfig } from '#shared/config.ts'
import { InvalidInput } from '#shared/errors.ts'
import { readExperimentFile, renderProblem, type WrittenExperiment } from '#shared/experiment-file.ts'
import { withoutLogin } from '#shared/redaction.ts'
import { printJudgement } from '#shared/verdict.ts'
import { parseTestedServices } from './declared-services.ts'
import { experimentsToRun, type GateChoice } from './experiments-to-run.ts'
import { hostWarnings } from './host-there.ts'
import { interruptSignal, unlessInterrupted } from './interrupt.ts'
import { startSession } from './local/session.ts'
import { withHost } from './load-host.ts'
import { demandLocustfiles } from './load-locustfile.ts'
import { pageAddress } from './page-address.ts'
import { parseParent } from './process-parent.ts'
import { demandPrometheus, prometheusThere } from './prometheus-there.ts'
import { printFailedRequests } from './report/failed-requests.ts'
import { demandResultsFolder } from './results-folder.ts'
import { progressFor, runExperiment } from './run.ts'
import { parseScrapeTarget, scrapeWarnings } from './scrape-target.ts'

/** Something that the experiment needs is not there, so nothing is started. */
class NotReady extends InvalidInput {
  readonly code = 'not_ready'
}

export interface RunCommandOptions {
  allow?: string[]
  host?: string
  prometheus?: string
  scrape?: string[]
  endpoints?: string
  tests?: string[]
  results: string
  processes?: boolean
  json?: boolean
  /** Only the gates of each experiment (`faultline gate`). */
  gate?: GateChoice
}

/** `faultline run FILE`: the worst exit code of its experiments. Nothing is started unless the whole file is valid. */
export async function runCommand(file: string, options: RunCommandOptions): Promise<number> {
  const { experiments: written, problems } = await readExperimentFile(file)
  if (problems.length > 0) {
    process.stderr.write(problems.map(problem => `${renderProblem(problem)}\n`).join(''))
    return 3
  }
  const experiments = experimentsToRun(written, options.gate)
  demandWhatItNeeds(file, experiments, options)
  demandResultsFolder(options.results)
  const services = options.tests && parseTestedServices(options.tests)
  const documents = experiments.map(({ document }) => options.host === undefined ? document : withHost(document, options.host))
  if (options.endpoints !== undefined) demandEndpointsFolder(options.endpoints)
  const endpoints = options.endpoints ?? readConfig().get('probes.endpointsFolder')
  const parents = (options.allow ?? []).map(parseParent)
  const subject = {
    parents: experiments.some(({ experiment }) => experiment.faults.length > 0) ? parents : [], // a load test takes nothing from other sessions
    ...(endpoints !== undefined && { endpoints }),
    scrape: (options.scrape ?? []).map(parseScrapeTarget),
  }
  const prometheus = prometheusThere(options.prometheus)
  if (prometheus) await demandPrometheus(prometheus, experiments.map(({ experiment }) => experiment))
  const interrupted = interruptSignal()
  const hosts = experiments.flatMap(({ experiment: { load } }) => load ? [options.host ?? load.host] : [])
  process.stderr.write((await hostWarnings(hosts)).map(line => `${line}\n`).join(''))
  await using session = await unlessInterrupted(interrupted, startSession({
    subject: () => Promise.resolve(subject), services: options.processes ? 'processes' : 'embedded', signal: interrupted, ...(prometheus && { prometheus }),
  }))
  if (!session) {
    process.stderr.write('interrupted: no run was begun\n')
    return 2
  }
  if (progressFor(options.json ?? false) === 'live') process.stderr.write(`live page: ${pageAddress(session)}\n`)
  if (prometheus && experiments.some(readsLoadFromPrometheus)) {
    process.stderr.write(`note: a gate reads the load's own metrics from ${withoutLogin(prometheus.url)}, which must scrape ${session.loadMetricsUrl} for that\n`)
  }
  if (!prometheus) process.stderr.write(scrapeWarnings(experiments.map(({ experiment }) => experiment), { scraped: subject.scrape.length, failed: session.failedScrapes }).map(line => `${line}\n`).join(''))
  let worst = 0
  for (const document of documents) {
    if (interrupted.aborted) return Math.max(worst, 2) // what was not run has shown nothing
    const progress = progressFor(options.json ?? false)
    const { judgement, folder, facts } = await runExperiment({ address: session, lost: session.lost, document, file, resultsFolder: options.results, progress, abortSignal: interrupted, ...(services && { services }) })
    if (judgement.verdict !== 'passed' && progress !== 'none') process.stderr.write(printFailedRequests(facts))
    process.stdout.write(options.json ? `${printJudgement(judgement)}\n` : `${judgement.verdict}  ${judgement.experiment}  ${folder}/report.html\n`)
    worst = Math.max(worst, judgement.exitCode)
  }
  return worst
}

/** What would make a run inconclusive, told before it takes anybody's time. Throws NotReady, LocustfileMissing. */
export function demandWhatItNeeds(file: string, experiments: readonly WrittenExperiment[], { allow = [] }: Pick<RunCommandOptions, 'allow'>): void {
  if (allow.length === 0 && experiments.some(({ experiment }) => experiment.faults.length > 0)) throw new NotReady('no process may be touched: name what the faults may be done to, and below, with --allow NAME=PID (faultline plan shows what would be hit)')
  demandLocustfiles(file, experiments)
}

/** Probes would find no endpoint there, and the run would be inconclusive. Throws NotReady. */
function demandEndpointsFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) throw new NotReady(`--endpoints ${path}: there is no such folder; it holds one file an endpoint, called by its name, with its URL in it`)
}

const readsLoadFromPrometheus = ({ experiment }: WrittenExperiment) => experiment.gates.some(({ source, rule }) => source === 'prometheus' && rule.readsLoadMetrics)
