import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { messageOf } from '#shared/errors.ts'
import type { StoredFact } from '#shared/events.ts'
import type { Judgement } from '#shared/verdict.ts'
import { ApiClient, SchedulerUnreachable } from './api-client.ts'
import { linesView } from './live/lines.ts'
import { screenView } from './live/screen.ts'
import { writeReport } from './report/write-report.ts'

export interface RunOutcome {
  run: string
  /** The results folder: a new one for each run. */
  folder: string
  judgement: Judgement
}

/** Where progress goes: one live screen on a terminal, plain lines elsewhere, nowhere for --json. */
export type Progress = 'live' | 'lines' | 'none'

/** A terminal that calls itself dumb cannot draw in place. */
export const progressFor = (json: boolean): Progress => json ? 'none' : process.stderr.isTTY && process.env['TERM'] !== 'dumb' ? 'live' : 'lines'

export interface RunOptions {
  address: { apiUrl: string; token: string }
  document: unknown
  file: string
  resultsFolder: string
  progress: Progress
  /** Aborts the run (not the command): the run is still judged, as inconclusive. */
  abortSignal: AbortSignal
  /** Aborts, with the reason, when the run cannot come to its end any more. */
  lost: AbortSignal
}

/** How long a sealed run may wait for its verdict before the command gives up on the evaluator. */
const judgingPatienceMs = 20_000

/** Submits one experiment, shows it until it is judged, and writes its reports. */
export async function runExperiment({ address, document, file, resultsFolder, progress, abortSignal, lost }: RunOptions): Promise<RunOutcome> {
  const client = new ApiClient(address)
  const run = await client.submit(document, file)
  const abort = () => void client.abort(run).catch(() => undefined) // the stream of facts tells how it ends
  if (abortSignal.aborted) abort()
  abortSignal.addEventListener('abort', abort)
  const view = progress === 'live' ? screenView(run, process.stderr) : progress === 'lines' ? linesView(process.stderr) : undefined
  const facts: StoredFact[] = []
  const givenUp = new AbortController()
  let deadline: NodeJS.Timeout | undefined
  let trouble: unknown
  try {
    for await (const stored of client.facts(run, AbortSignal.any([givenUp.signal, lost]))) {
      facts.push(stored)
      view?.show(stored)
      if (stored.kind === 'run.sealed') deadline = setTimeout(() => givenUp.abort(), judgingPatienceMs)
    }
  } catch (error) {
    trouble = error
  } finally {
    clearTimeout(deadline)
    abortSignal.removeEventListener('abort', abort)
  }
  const folder = resolve(join(resultsFolder, run))
  mkdirSync(folder, { recursive: true })
  const isJudged = facts.some(stored => stored.kind === 'run.judged')
  let judgement: Judgement | undefined
  try {
    judgement = (await writeReport(folder, facts)).judgement
  } finally {
    view?.end(isJudged ? judgement : undefined)
  }
  if (!isJudged) throw noVerdict(run, folder, { lost, givenUp: givenUp.signal, trouble })
  return { run, folder, judgement }
}

function noVerdict(run: string, folder: string, { lost, givenUp, trouble }: { lost: AbortSignal; givenUp: AbortSignal; trouble: unknown }): SchedulerUnreachable {
  const why = lost.aborted ? messageOf(lost.reason)
    : givenUp.aborted ? `the SLO evaluator said nothing for ${judgingPatienceMs / 1_000} s after the run's end`
    : trouble === undefined ? 'the scheduler ended the stream of its facts' : messageOf(trouble)
  return new SchedulerUnreachable(`the run ${run} came to no verdict: ${why}. What was recorded is in ${folder}`, { cause: trouble })
}
