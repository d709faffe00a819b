import { join, relative, resolve } from 'node:path'
import { readExperimentFile, renderProblem } from '#shared/experiment-file.ts'
import { InvalidInput } from '#shared/errors.ts'
import type { StoredFact } from '#shared/events.ts'
import { connectScheduler } from '../cluster/scheduler.ts'
import { linesView } from '../live/lines.ts'
import type { View } from '../live/view.ts'
import { runExperiment } from '../run.ts'
import { schedulerPatienceMs } from '../run-in-cluster.ts'
import type { RecordedRun } from './findings.ts'
import { linesTo } from './progress.ts'
import type { StepContext } from './step.ts'

class NoExperiment extends InvalidInput {
  readonly code = 'no_experiment'
}

export interface RunFile {
  /** Relative to the campaign's file. */
  file: string
  /** The experiment as it is to be run, from how it is written. */
  change?: (document: unknown) => unknown
  purpose: RecordedRun['purpose']
  repetition: number
  /** Told of each fact as it comes. */
  onFact?: (stored: StoredFact) => void
}

/** Has the cluster run the one experiment of a file, and records it. A step's abort aborts the run. Throws NoExperiment, and what running throws. */
export async function runFile(context: StepContext, { file, change = document => document, purpose, repetition, onFact = () => undefined }: RunFile): Promise<RecordedRun> {
  const path = resolve(context.campaignFolder, file)
  const { experiments: [written, second], problems } = await readExperimentFile(path)
  if (!written || second) throw new NoExperiment(problems.map(renderProblem).join('\n') || `${path} holds more than one experiment; a step runs one`)
  const lines = linesView(linesTo(context.say))
  const view: View = {
    show(stored) {
      onFact(stored)
      lines.show(stored)
    },
    end: lines.end,
  }
  await using scheduler = await connectScheduler({ namespace: context.settings.namespace })
  const { run, folder, judgement, facts } = await runExperiment({
    address: scheduler, document: change(written.document), file, resultsFolder: join(context.resultsFolder, 'runs'), progress: view,
    abortSignal: context.signal, patienceMs: schedulerPatienceMs,
  })
  const recorded: RecordedRun = { step: context.step, purpose, repetition, run, folder: relative(context.resultsFolder, folder), judgement, facts }
  context.findings.runs.push(recorded)
  return recorded
}
