import type { StoredFact } from '#shared/events.ts'
import type { WrittenExperiment } from '#shared/experiment-file.ts'
import { connectScheduler, type ClusterOptions } from '../cluster/scheduler.ts'
import { unlessInterrupted } from '../interrupt.ts'
import { withHost } from '../load-host.ts'
import { startSession } from '../local/session.ts'
import { demandResultsFolder } from '../results-folder.ts'
import { demandWhatItNeeds } from '../run-command.ts'
import { schedulerPatienceMs } from '../run-in-cluster.ts'
import { progressFor, runExperiment, type RunOptions } from '../run.ts'

export interface RecordOptions extends ClusterOptions {
  /** Of each experiment. */
  runs: number
  host?: string
  results: string
  processes?: boolean
  cluster?: boolean
  json?: boolean
  interrupted: AbortSignal
}

/** Runs each experiment so many times, on this machine or in a cluster: the facts of each run, whose results are left too. Undefined when interrupted. */
export async function recordRuns(file: string, experiments: readonly WrittenExperiment[], options: RecordOptions): Promise<StoredFact[][] | undefined> {
  const { host, runs, interrupted, results, json = false } = options
  if (!options.cluster) demandWhatItNeeds(file, experiments, {})
  demandResultsFolder(results)
  const documents = experiments.map(({ document }) => host === undefined ? document : withHost(document, host))
  await using where = await unlessInterrupted(interrupted, options.cluster ? inCluster(options) : onThisMachine(options))
  if (!where) return undefined
  const recorded: StoredFact[][] = []
  for (const document of documents.flatMap(experiment => Array.from({ length: runs }, () => experiment))) {
    const { facts } = await runExperiment({
      ...where.options, document, file, resultsFolder: results, progress: progressFor(json), abortSignal: interrupted,
    })
    if (interrupted.aborted) return undefined
    recorded.push(facts)
  }
  return recorded
}

/** Where runs are submitted, as long as it is not disposed of. */
type Where = AsyncDisposable & { options: Pick<RunOptions, 'address' | 'lost' | 'patienceMs'> }

async function inCluster(options: ClusterOptions): Promise<Where> {
  const scheduler = await connectScheduler(options)
  return { options: { address: scheduler, patienceMs: schedulerPatienceMs }, [Symbol.asyncDispose]: () => scheduler[Symbol.asyncDispose]() }
}

async function onThisMachine({ processes, interrupted }: RecordOptions): Promise<Where> {
  const session = await startSession({ subject: () => Promise.resolve({ parents: [], scrape: [] }), services: processes ? 'processes' : 'embedded', signal: interrupted })
  return { options: { address: session, lost: session.lost }, [Symbol.asyncDispose]: () => session[Symbol.asyncDispose]() }
}
