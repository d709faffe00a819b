import { createReadStream } from 'node:fs'
import { z } from 'zod'
import { InvalidInput } from '#shared/errors.ts'
import type { FactType } from '#shared/events.ts'
import { readExperimentFile, renderProblem, type WrittenExperiment } from '#shared/experiment-file.ts'
import { duration } from '#shared/units.ts'
import type { ClusterOptions } from '../cluster/scheduler.ts'
import { logsIn } from '../coverage-report/results-coverage.ts'
import { interruptSignal } from '../interrupt.ts'
import { NoResults } from '../replay.ts'
import { readEventLog } from '../report/event-log.ts'
import { calibrate, gatesToCalibrate, type CalibrationReport } from './calibration.ts'
import { recordRuns } from './record-runs.ts'
import { NoRecording, recordingOf, type Recording } from './recording.ts'
import { recordingRun } from './recording-run.ts'
import { renderCalibration } from './render-calibration.ts'

class CalibrateOptionInvalid extends InvalidInput {
  readonly code = 'calibrate_option_invalid'
}

/** As given on the command line. */
export interface CalibrateOptions extends ClusterOptions {
  runs: string
  for: string
  /** Results folders with runs that were made already; then none is made. */
  from?: string[]
  host?: string
  results: string
  processes?: boolean
  cluster?: boolean
  json?: boolean
}

const optionsSchema = z.object({
  runs: z.string().regex(/^\d{1,2}$/, 'a number of runs from 1 to 50').transform(Number).refine(runs => runs >= 1 && runs <= 50, 'a number of runs from 1 to 50'),
  for: duration({ minMs: 10_000 }),
})

/**
 * `faultline calibrate FILE`: 0 when the blocks and bursts of the file's gates with a limit are enough, 1 when some are not, 2 when too little was seen to
 * say. Nothing is started unless the whole file is valid and has such gates. Throws InvalidInput.
 */
export async function calibrateCommand(file: string, options: CalibrateOptions): Promise<0 | 1 | 2 | 3> {
  const { experiments, problems } = await readExperimentFile(file)
  if (problems.length > 0) {
    process.stderr.write(problems.map(problem => `${renderProblem(problem)}\n`).join(''))
    return 3
  }
  for (const { experiment } of experiments) gatesToCalibrate(experiment)
  const recordings = options.from ? await recordingsIn(options.from) : await makeRecordings(file, experiments, options)
  if (recordings === undefined) return 2
  const reports = experiments.map(written => calibrate(written, recordings, Date.now()))
  process.stdout.write(options.json ? `${JSON.stringify(reports, null, 2)}\n` : reports.map(renderCalibration).join('\n'))
  return worstOf(reports)
}

function worstOf(reports: readonly CalibrationReport[]): 0 | 1 | 2 {
  const outcomes = new Set(reports.map(({ outcome }) => outcome))
  return outcomes.has('change') ? 1 : outcomes.has('unknown') ? 2 : 0
}

/** Of each experiment as many; undefined when it was interrupted. Experiments with one load learn from each other's. */
async function makeRecordings(file: string, experiments: readonly WrittenExperiment[], options: CalibrateOptions): Promise<Recording[] | undefined> {
  const parsed = optionsSchema.safeParse({ runs: options.runs, for: options.for })
  if (!parsed.success) throw new CalibrateOptionInvalid(parsed.error.issues.map(({ path, message }) => `--${path.join('.')}: expected ${message}`).join('\n'))
  const { runs, for: forMs } = parsed.data
  const recorded = await recordRuns(file, experiments.map(written => recordingRun(written, forMs)), { ...options, runs, interrupted: interruptSignal() })
  return recorded?.map(recordingOf)
}

/** What a recording is made of. */
const wanted: FactType[] = ['run.submitted', 'run.phase', 'run.aborting', 'run.sealed', 'load.sample']

/** Of the runs in these folders and below those that are recordings; the others are told of. Throws NoRecording when none is, and NoResults. */
async function recordingsIn(folders: readonly string[]): Promise<Recording[]> {
  const files = (await Promise.all(folders.map(folder => logsIn(folder, 'give the results folders of runs without faults')))).flat()
  if (files.length === 0) throw new NoResults(`no run has left its events.jsonl in ${folders.join(', ')} or below; give the results folders of runs without faults`)
  const recordings: Recording[] = []
  const unfit: string[] = []
  for (const path of new Set(files)) {
    const { facts, problems } = await readEventLog(createReadStream(path, 'utf8'), wanted)
    for (const problem of problems) process.stderr.write(`${path}: ${problem}\n`)
    try {
      recordings.push(recordingOf(facts))
    } catch (error) {
      if (!(error instanceof NoRecording)) throw error
      unfit.push(`${path}: ${error.message}`)
    }
  }
  if (recordings.length === 0) throw new NoRecording(unfit.join('\n'))
  process.stderr.write(unfit.map(why => `left out: ${why}\n`).join(''))
  return recordings
}
