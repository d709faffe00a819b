import { readFileSync } from 'node:fs'
import { readExperimentFile, renderProblem } from '#shared/experiment-file.ts'
import { InvalidInput } from '#shared/errors.ts'
import { printJudgement } from '#shared/verdict.ts'
import { startSession, type ProcessParent } from './local/session.ts'
import { runExperiment } from './run.ts'

class BadParent extends InvalidInput {
  readonly code = 'bad_parent'
}

/** The locust-bridge is not there yet, so nothing is started. */
class LoadUnavailable extends InvalidInput {
  readonly code = 'load_unavailable'
}

export interface RunCommandOptions {
  within?: string[]
  prometheus?: string
  scrape?: string[]
  results: string
  json?: boolean
}

/** `faultline run FILE`: the worst exit code of its experiments. Nothing is started unless the whole file is valid. */
export async function runCommand(file: string, options: RunCommandOptions): Promise<number> {
  const { experiments, problems } = await readExperimentFile(file)
  if (problems.length > 0) {
    process.stderr.write(problems.map(problem => `${renderProblem(problem)}\n`).join(''))
    return 3
  }
  const loaded = experiments.find(({ experiment }) => experiment.load)
  if (loaded) throw new LoadUnavailable(`${loaded.experiment.name} has load, which this version cannot drive yet: leave load out, send your own traffic, and let its gates read prometheus`)
  const parents = (options.within ?? []).map(parseParent)
  const interrupted = new AbortController()
  const interrupt = () => interrupted.abort()
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  await using session = await startSession({
    parents,
    scrape: (options.scrape ?? []).map((address, index) => ({ job: `target-${index + 1}`, address })),
    ...(options.prometheus !== undefined && { prometheusUrl: options.prometheus }),
  })
  let worst = 0
  for (const { document } of experiments) {
    if (interrupted.signal.aborted) break
    const progress = options.json ? 'none' : process.stderr.isTTY ? 'live' : 'lines'
    const { judgement, folder } = await runExperiment({ address: session, document, file, resultsFolder: options.results, progress, abortSignal: interrupted.signal })
    process.stdout.write(options.json ? `${printJudgement(judgement)}\n` : `${judgement.verdict}  ${judgement.experiment}  ${folder}/report.html\n`)
    worst = Math.max(worst, judgement.exitCode)
  }
  return worst
}

/** `1234` or `shop=1234`; the process must be there now, and is bound to its start time. */
function parseParent(text: string): ProcessParent {
  const [, name, digits] = /^(?:([a-z0-9-]+)=)?(\d+)$/.exec(text) ?? []
  const pid = Number(digits)
  try {
    readFileSync(`/proc/${pid}/stat`)
  } catch (cause) {
    throw new BadParent(`--within ${text}: no such process; give the PID of the service's first process, as PID or NAME=PID`, { cause })
  }
  return { name: name ?? `pid-${pid}`, pid }
}
