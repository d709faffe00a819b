import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { FaultlineError, messageOf } from '#shared/errors.ts'
import type { StoredFact } from '#shared/events.ts'
import type { TestedService } from '#shared/tested-service.ts'
import type { Judgement } from '#shared/verdict.ts'
import { ApiClient, SchedulerUnreachable } from './api-client.ts'
import { followFacts } from './follow-facts.ts'
import { linesView } from './live/lines.ts'
import { screenView } from './live/screen.ts'
import type { View } from './live/view.ts'
import { writeReport } from './report/write-report.ts'

/** What the evaluator has put on record, and what this command makes of the same facts, are two verdicts: they are of different versions, or facts did not come. */
class VerdictsDiffer extends FaultlineError {
  readonly code = 'verdicts_differ'
}

export interface RunOutcome {
  run: string
  /** The results folder: a new one for each run. */
  folder: string
  judgement: Judgement
  facts: StoredFact[]
}

/** Where progress goes: one live screen on a terminal, plain lines elsewhere, nowhere for --json. */
export type Progress = 'live' | 'lines' | 'none'

/** A terminal that calls itself dumb cannot draw in place. */
export const progressFor = (json: boolean): Progress => json ? 'none' : process.stderr.isTTY && process.env['TERM'] !== 'dumb' ? 'live' : 'lines'

export interface RunOptions {
  address: { apiUrl: string; token: string }
  document: unknown
  file: string
  /** What is tested, where nobody can find out. */
  services?: readonly TestedService[]
  resultsFolder: string
  /** Or what shows it. */
  progress: Progress | View
  /** Aborts the run (not the command): the run is still judged, as inconclusive. */
  abortSignal: AbortSignal
  /** Aborts, with the reason, when the run cannot come to its end any more; left out: nobody would know. */
  lost?: AbortSignal
  /** How long a scheduler that does not answer is waited for in mid-run; not at all when left out. */
  patienceMs?: number
}

/** How long a sealed run may wait for its verdict before the command gives up on the evaluator. */
const judgingPatienceMs = 20_000
/** A connection is seen to end before the process at its other end is: so long may it take to know whose end it was. */
const namingPatienceMs = 1_000

/** Submits one experiment, shows it until it is judged, and writes its reports. Throws SchedulerUnreachable, VerdictsDiffer. */
export async function runExperiment({ address, document, file, services, resultsFolder, progress, abortSignal, lost, patienceMs = 0 }: RunOptions): Promise<RunOutcome> {
  const client = new ApiClient(address)
  const run = await client.submit(document, file, services)
  const over = new AbortController()
  const abort = () => void abortUntilHeard(client, run, over.signal) // the stream of facts tells how it ends
  if (abortSignal.aborted) abort()
  abortSignal.addEventListener('abort', abort)
  const view = typeof progress === 'object' ? progress : progress === 'live' ? screenView(run, process.stderr) : progress === 'lines' ? linesView(process.stderr) : undefined
  const facts: StoredFact[] = []
  const givenUp = new AbortController()
  let deadline: NodeJS.Timeout | undefined
  let trouble: unknown
  try {
    for await (const stored of followFacts(client, run, { signal: AbortSignal.any([givenUp.signal, ...(lost ? [lost] : [])]), patienceMs })) {
      facts.push(stored)
      view?.show(stored)
      if (stored.kind === 'run.sealed') deadline = setTimeout(() => givenUp.abort(), judgingPatienceMs)
    }
  } catch (error) {
    trouble = error
  } finally {
    clearTimeout(deadline)
    over.abort()
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
  if (!isJudged && lost && !lost.aborted) await Promise.race([once(lost, 'abort'), delay(namingPatienceMs)])
  if (!isJudged) throw noVerdict(run, folder, { lost, givenUp: givenUp.signal, trouble })
  demandOneVerdict(facts, judgement, folder)
  return { run, folder, judgement, facts }
}

/** The exit code must not say of a run what its record does not. */
export function demandOneVerdict(facts: readonly StoredFact[], { run, verdict, reasons }: Judgement, folder: string): void {
  const [recorded] = facts.flatMap(stored => stored.kind === 'run.judged' ? [stored.fact.data] : [])
  if (!recorded || recorded.verdict === verdict) return
  throw new VerdictsDiffer(`the run ${run} is on record as ${recorded.verdict} (${recorded.reasons.join('; ')}), and this command makes ${verdict} of its facts (${reasons.join('; ')}): `
    + `nobody can say which of them holds; bring the command and the services to one version, and run it again. What was recorded is in ${folder}`)
}

/** The scheduler may be away just then; faults end with their leases meanwhile. */
async function abortUntilHeard(client: ApiClient, run: string, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    try {
      await client.abort(run)
      return
    } catch {
      await delay(500, undefined, { signal: over }).catch(() => undefined)
    }
  }
}

function noVerdict(run: string, folder: string, { lost, givenUp, trouble }: { lost: AbortSignal | undefined; givenUp: AbortSignal; trouble: unknown }): SchedulerUnreachable {
  const why = lost?.aborted ? messageOf(lost.reason)
    : givenUp.aborted ? `the SLO evaluator said nothing for ${judgingPatienceMs / 1_000} s after the run's end`
    : messageOf(trouble)
  return new SchedulerUnreachable(`the run ${run} came to no verdict: ${why}. What was recorded is in ${folder}`, { cause: trouble })
}
