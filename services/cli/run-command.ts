import { readConfig } from '#shared/config.ts'
import { readExperimentFile, renderProblem, type WrittenExperiment } from '#shared/experiment-file.ts'
import { printJudgement } from '#shared/verdict.ts'
import { configuredPrometheus, type PrometheusOptions } from '../slo-evaluator/prometheus.ts'
import { interruptSignal } from './interrupt.ts'
import { startSession } from './local/session.ts'
import { withHost } from './load-host.ts'
import { parseParent } from './process-parent.ts'
import { runExperiment } from './run.ts'

export interface RunCommandOptions {
  within?: string[]
  host?: string
  prometheus?: string
  scrape?: string[]
  results: string
  processes?: boolean
  json?: boolean
}

/** `faultline run FILE`: the worst exit code of its experiments. Nothing is started unless the whole file is valid. */
export async function runCommand(file: string, options: RunCommandOptions): Promise<number> {
  const { experiments, problems } = await readExperimentFile(file)
  if (problems.length > 0) {
    process.stderr.write(problems.map(problem => `${renderProblem(problem)}\n`).join(''))
    return 3
  }
  const documents = experiments.map(({ document }) => options.host === undefined ? document : withHost(document, options.host))
  const subject = {
    parents: (options.within ?? []).map(parseParent),
    scrape: (options.scrape ?? []).map((address, index) => ({ job: `target-${index + 1}`, address })),
  }
  const prometheus = prometheusThere(options.prometheus)
  const interrupted = interruptSignal()
  await using session = await startSession({
    subject: () => Promise.resolve(subject), services: options.processes ? 'processes' : 'embedded', ...(prometheus && { prometheus }),
  })
  if (prometheus && experiments.some(readsLoadFromPrometheus)) {
    process.stderr.write(`note: a gate reads the load's own metrics from ${prometheus.url}, which must scrape ${session.loadMetricsUrl} for that\n`)
  }
  let worst = 0
  for (const document of documents) {
    if (interrupted.aborted) return Math.max(worst, 2) // what was not run has shown nothing
    const progress = options.json ? 'none' : process.stderr.isTTY ? 'live' : 'lines'
    const { judgement, folder } = await runExperiment({ address: session, lost: session.lost, document, file, resultsFolder: options.results, progress, abortSignal: interrupted })
    process.stdout.write(options.json ? `${printJudgement(judgement)}\n` : `${judgement.verdict}  ${judgement.experiment}  ${folder}/report.html\n`)
    worst = Math.max(worst, judgement.exitCode)
  }
  return worst
}

/** The one named on the command line, or in the settings; both with the settings' credentials. */
function prometheusThere(url: string | undefined): PrometheusOptions | undefined {
  const config = readConfig()
  return configuredPrometheus(url === undefined ? config : { ...config, get: name => name === 'prometheus.url' ? url : config.get(name) })
}

const readsLoadFromPrometheus = ({ experiment }: WrittenExperiment) => experiment.gates.some(({ source, rule }) => source === 'prometheus' && rule.readsLoadMetrics)
