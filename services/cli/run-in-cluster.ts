import { readExperimentFile, renderProblem } from '#shared/experiment-file.ts'
import { printJudgement } from '#shared/verdict.ts'
import { connectScheduler, type ClusterOptions } from './cluster/scheduler.ts'
import { experimentsToRun, type GateChoice } from './experiments-to-run.ts'
import { interruptSignal } from './interrupt.ts'
import { withHost } from './load-host.ts'
import { printFailedRequests } from './report/failed-requests.ts'
import { demandResultsFolder } from './results-folder.ts'
import { progressFor, runExperiment } from './run.ts'

export interface RunInClusterOptions extends ClusterOptions {
  host?: string
  results: string
  json?: boolean
  /** Only the gates of each experiment (`faultline gate`). */
  gate?: GateChoice
}

/** A scheduler in a cluster may be replaced in mid-run: its successor folds the same facts. */
export const schedulerPatienceMs = 90_000

/** `faultline run FILE --cluster`: the same as on this machine, done by the services of a cluster. The worst exit code of the experiments. */
export async function runInCluster(file: string, { host, results, json = false, gate, ...cluster }: RunInClusterOptions): Promise<number> {
  const { experiments: written, problems } = await readExperimentFile(file)
  if (problems.length > 0) {
    process.stderr.write(problems.map(problem => `${renderProblem(problem)}\n`).join(''))
    return 3
  }
  const experiments = experimentsToRun(written, gate)
  demandResultsFolder(results)
  const documents = experiments.map(({ document }) => host === undefined ? document : withHost(document, host))
  const interrupted = interruptSignal()
  await using scheduler = await connectScheduler(cluster)
  let worst = 0
  for (const document of documents) {
    if (interrupted.aborted) return Math.max(worst, 2) // what was not run has shown nothing
    const { judgement, folder, facts } = await runExperiment({
      address: scheduler, document, file, resultsFolder: results,
      progress: progressFor(json), abortSignal: interrupted, patienceMs: schedulerPatienceMs,
    })
    if (judgement.verdict !== 'passed' && !json) process.stderr.write(printFailedRequests(facts))
    process.stdout.write(json ? `${printJudgement(judgement)}\n` : `${judgement.verdict}  ${judgement.experiment}  ${folder}/report.html\n`)
    worst = Math.max(worst, judgement.exitCode)
  }
  return worst
}
