import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import logUpdate from 'log-update'
import { messageOf } from '#shared/errors.ts'
import type { StoredFact } from '#shared/events.ts'
import type { Judgement } from '#shared/verdict.ts'
import { ApiClient, SchedulerUnreachable } from './api-client.ts'
import { writeReport } from './report/write-report.ts'
import { lineOf, loadLine } from './timeline.ts'

export interface RunOutcome {
  run: string
  /** The results folder: a new one for each run. */
  folder: string
  judgement: Judgement
}

export interface RunOptions {
  address: { apiUrl: string; token: string }
  document: unknown
  file: string
  resultsFolder: string
  /** Where progress goes: one live screen on a terminal, plain lines elsewhere, nowhere for --json. */
  progress: 'live' | 'lines' | 'none'
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
  const view = progress === 'live' ? liveView() : progress === 'lines' ? lineView() : undefined
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
    view?.end()
  }
  const folder = resolve(join(resultsFolder, run))
  mkdirSync(folder, { recursive: true })
  const { judgement } = await writeReport(folder, facts)
  if (!facts.some(stored => stored.kind === 'run.judged')) throw noVerdict(run, folder, { lost, givenUp: givenUp.signal, trouble })
  return { run, folder, judgement }
}

function noVerdict(run: string, folder: string, { lost, givenUp, trouble }: { lost: AbortSignal; givenUp: AbortSignal; trouble: unknown }): SchedulerUnreachable {
  const why = lost.aborted ? messageOf(lost.reason)
    : givenUp.aborted ? `the SLO evaluator said nothing for ${judgingPatienceMs / 1_000} s after the run's end`
    : trouble === undefined ? 'the scheduler ended the stream of its facts' : messageOf(trouble)
  return new SchedulerUnreachable(`the run ${run} came to no verdict: ${why}. What was recorded is in ${folder}`, { cause: trouble })
}

interface View { show(stored: StoredFact): void; end(): void }

function lineView(): View {
  let startMs: number | undefined
  return {
    show(stored) {
      startMs ??= Date.parse(stored.fact.time)
      const line = lineOf(stored, startMs)
      if (line !== undefined) process.stderr.write(`${line}\n`)
    },
    end: () => undefined,
  }
}

/** What happened stays above; below it one line lives: the load as it is now. */
function liveView(): View {
  const samples: Extract<StoredFact, { kind: 'load.sample' }>[] = []
  const lines: string[] = []
  let startMs: number | undefined
  const spinner = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
  let turn = 0
  const draw = () => {
    const since = startMs === undefined ? '' : `${((Date.now() - startMs) / 1_000).toFixed(0)} s  `
    logUpdate(`${lines.slice(-((process.stderr.rows ?? 24) - 3)).join('\n')}\n${spinner[turn++ % spinner.length]} ${since}${loadLine(samples)}`)
  }
  const drawing = setInterval(draw, 120)
  return {
    show(stored) {
      startMs ??= Date.parse(stored.fact.time)
      if (stored.kind === 'load.sample') samples.splice(0, Math.max(0, samples.push(stored) - 50))
      const line = lineOf(stored, startMs)
      if (line !== undefined) lines.push(line)
    },
    end() {
      clearInterval(drawing)
      draw()
      logUpdate.done()
    },
  }
}
