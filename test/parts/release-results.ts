import { join } from 'node:path'
import type { StoredFact } from '#shared/events.ts'
import type { TestedService } from '#shared/tested-service.ts'
import { judge } from '#shared/verdict.ts'
import { writeReport } from '../../services/cli/report/write-report.ts'
import { document, duringFault, injectedMs, LogBuilder, logOf, t0, type Story } from './verdict-log-builder.ts'

export interface RecordedRelease {
  run: string
  /** What was tested, as its submitter said. */
  services?: TestedService[]
  verdict?: 'passed' | 'failed' | 'inconclusive'
  endedAtMs?: number
  judged?: boolean
}

/** The experiment whose runs these are: `scripted`. */
export const recordedExperiment = document()

const stories: Record<NonNullable<RecordedRelease['verdict']>, Story> = {
  passed: {},
  failed: { sampleAt: duringFault({ ok: { 20: 1 }, failed: { 20: 9 } }, injectedMs + 3_400), abort: { cause: 'gate', detail: 'errors: broken', gate: 'errors', atMs: injectedMs + 3_300 } },
  inconclusive: { abort: { cause: 'user', detail: 'aborted by me', atMs: injectedMs + 1_000 } },
}

/** The facts of a whole run, with the dates of one that ended then. */
export function recordedFacts({ run, services = [{ namespace: '', app: 'shop', version: '1.2.3' }], verdict = 'passed', endedAtMs = Date.now(), judged = true }: RecordedRelease): StoredFact[] {
  const facts = logOf({ ...stories[verdict], also: log => log.add('run.services', { when: 'begin', services, declared: true, atMs: t0 }) })
  const { reasons, revertUnconfirmed } = judge(facts)
  const judgement = new LogBuilder().add('run.judged', { verdict, reasons, revertUnconfirmed }).facts.map(stored => ({ ...stored, stream: facts.length + 1 }))
  const laterMs = endedAtMs - (t0 + 30_000) // the builder's runs end then
  const dated = (key: string, value: unknown) => typeof value === 'number' && /^(?:at|start|end|lookEnd|injectedAt|requestedAt|revertedAt)Ms$/.test(key) ? value + laterMs : value
  return [...facts, ...judged ? judgement : []].map(stored => {
    const moved = JSON.parse(JSON.stringify(stored), dated) as StoredFact
    return { ...moved, fact: { ...moved.fact, subject: run, id: `${moved.fact.id} ${run}`, time: new Date(endedAtMs - 30_000).toISOString() } } as StoredFact
  })
}

/** Its results folder, as `faultline run` leaves it. */
export async function writeResults(results: string, recorded: RecordedRelease): Promise<string> {
  const folder = join(results, recorded.run)
  await writeReport(folder, recordedFacts(recorded))
  return folder
}
