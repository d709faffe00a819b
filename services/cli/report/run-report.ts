import { beginChain, extendChain } from '#shared/decision-record.ts'
import type { FactData, RunPhase, StoredFact } from '#shared/events.ts'
import { describeCalibration, type CalibrationWords } from '#shared/experiment-calibration.ts'
import { experimentSchema, type Experiment } from '#shared/experiment.ts'
import type { Limit } from '#shared/gate.ts'
import { loadSeries, type LoadPoint } from '#shared/load-series.ts'
import { factsInOrder, factsOnce } from '#shared/verdict-log.ts'
import type { JudgedGate } from '#shared/verdict-parts.ts'
import type { Judgement } from '#shared/verdict.ts'
import { describeFact, type TimelineEntry } from './described-fact.ts'
import { failedRequests, type FailedRequests } from './failed-requests.ts'
import { probeSeries, type ProbeSeries } from './probe-report.ts'

/** All that the reports say of a run beside the judgement. Dates are milliseconds since the epoch. */
export interface RunReport {
  judgement: Judgement
  /** What the experiment is to find out, in its author's words. */
  purpose: string | undefined
  /** The first and last dated event. */
  startMs: number
  endMs: number
  phases: { phase: RunPhase; startMs: number; endMs: number }[]
  abort: FactData<'run.aborting'> | undefined
  gates: ReportedGate[]
  /** How often the gates abort for nothing; only of gates with a `limit`. */
  calibration: CalibrationWords | undefined
  /** One point a second. */
  seconds: LoadPoint[]
  /** The same for the plots, whose steps are wider in a long run. */
  plotted: LoadPoint[]
  /** By the load generator's own count over all of its time. */
  failedRequests: FailedRequests[]
  probes: ProbeSeries[]
  /** Width of a point of `plotted` and `probes`. */
  stepMs: number
  timeline: TimelineEntry[]
  record: ReportedRecord
  environment: { name: string; value: string }[]
}

/** What the verdict stands on: where the chain of facts ends, and who has signed that; null when nobody has. */
export interface ReportedRecord { chain: string; facts: number; key: string | null }

export interface ReportedGate extends JudgedGate {
  limits: Limit[]
  /** A response slower than this is too slow for a latency gate; the p95 plot shows it. */
  slowAfterMs: number | undefined
}

/** More points than this are not told apart on a page. */
const maxPlottedPoints = 600
/** Where no gate says how long a request may wait. */
const usualOverdueMs = 2_000

/** Pure. Facts in any order, doubled or not; the same as for the judgement. */
export function reportOf(facts: readonly StoredFact[], judgement: Judgement): RunReport {
  const inOrder = factsInOrder(facts)
  const submitted = inOrder.find(stored => stored.kind === 'run.submitted')
  const parsed = experimentSchema.safeParse(submitted?.fact.data.experiment)
  const experiment = parsed.success ? parsed.data : undefined
  const dates = inOrder.flatMap(stored => datesOf(stored))
  const startMs = dates.reduce((least, ms) => Math.min(least, ms), dates[0] ?? 0)
  const endMs = dates.reduce((most, ms) => Math.max(most, ms), startMs)
  const overdueAfterMs = overdueOf(experiment)
  const stepMs = 1_000 * Math.max(1, Math.ceil((endMs - startMs) / 1_000 / maxPlottedPoints))
  const seconds = loadSeries(inOrder, { fromMs: startMs, stepMs: 1_000, overdueAfterMs })
  return {
    judgement, startMs, endMs, seconds, stepMs,
    failedRequests: failedRequests(inOrder),
    probes: probeSeries(inOrder, stepMs),
    purpose: purposeOf(submitted?.fact.data.experiment),
    plotted: stepMs === 1_000 ? seconds : loadSeries(inOrder, { fromMs: startMs, stepMs, overdueAfterMs }),
    phases: phasesOf(inOrder, endMs),
    abort: inOrder.flatMap(stored => stored.kind === 'run.aborting' ? [stored.fact.data] : [])[0],
    gates: judgement.gates.map(gate => reportedGate(gate, experiment)),
    calibration: experiment && describeCalibration(submitted?.fact.data.experiment, experiment, submittedMs(submitted) ?? startMs),
    timeline: inOrder.flatMap(stored => describeFact(stored) ?? []),
    record: recordOf(facts),
    environment: environmentOf(inOrder),
  }
}

/** By the date that the scheduler told; a run's own dates may be of other clocks. */
function submittedMs(submitted: StoredFact | undefined): number | undefined {
  const ms = Date.parse(submitted?.fact.time ?? '')
  return Number.isNaN(ms) ? undefined : ms
}

function reportedGate(gate: JudgedGate, experiment: Experiment | undefined): ReportedGate {
  const rule = experiment?.gates.find(({ name }) => name === gate.name)?.rule
  return {
    ...gate,
    limits: rule ? [rule.limit, ...(rule.otherLimit ? [rule.otherLimit] : [])] : [],
    slowAfterMs: gate.kind === 'latency' ? rule?.overdueAfterMs : undefined,
  }
}

/** As the strictest of the gates that count failures says. */
function overdueOf(experiment: Experiment | undefined): number {
  const said = (experiment?.gates ?? []).flatMap(({ kind, rule }) => kind !== 'latency' && rule.overdueAfterMs !== undefined ? [rule.overdueAfterMs] : [])
  return said.length === 0 ? usualOverdueMs : Math.min(...said)
}

/** The dates that something happened at, by the clock of who saw it; the envelope's `time` is only when it was told. */
function datesOf({ kind, fact }: StoredFact): number[] {
  switch (kind) {
    case 'run.phase': case 'run.aborting': case 'run.sealed': case 'load.state': return [fact.data.atMs]
    case 'fault.injected': return [fact.data.injectedAtMs]
    case 'fault.reverted': return [fact.data.revertedAtMs]
    case 'load.sample': return [fact.data.startMs, fact.data.endMs]
    case 'probe.samples': return fact.data.slots.map(([atMs]) => atMs)
    default: return []
  }
}

function phasesOf(facts: readonly StoredFact[], endMs: number): RunReport['phases'] {
  const entered = facts.flatMap(stored => stored.kind === 'run.phase' ? [stored.fact.data] : [])
  return entered.map(({ phase, atMs }, index) => ({ phase, startMs: atMs, endMs: entered[index + 1]?.atMs ?? endMs }))
}

function purposeOf(document: unknown): string | undefined {
  if (typeof document !== 'object' || document === null || !('description' in document)) return undefined
  return typeof document.description === 'string' ? document.description : undefined
}

/** What is signed for is told as it was signed; whether it is so, `faultline verify` says. */
function recordOf(facts: readonly StoredFact[]): ReportedRecord {
  const inStream = factsOnce(facts)
  const signed = inStream.flatMap(stored => stored.kind === 'run.judged' ? [stored.fact.data.record] : [])[0]
  if (signed) return { chain: signed.chain, facts: signed.facts, key: signed.key }
  const { link, facts: linked } = inStream.reduce(extendChain, beginChain(inStream[0]?.fact.subject ?? ''))
  return { chain: link, facts: linked, key: null }
}

/** The record in words, the same in each report. */
export function recordRows({ chain, facts, key }: ReportedRecord): { name: string; value: string }[] {
  return [
    { name: 'chain of facts', value: `${facts} facts lead to ${chain} (SHA-256)` },
    { name: 'signed by', value: key ?? 'nobody' },
    { name: 'to check it', value: key === null ? 'faultline verify FOLDER' : 'faultline verify FOLDER --public-key KEY, with the key that you were given: the one above could be anybody\'s' },
  ]
}

/** Where the run took place, and how good what was recorded is. */
function environmentOf(facts: readonly StoredFact[]): RunReport['environment'] {
  const submitted = facts.find(stored => stored.kind === 'run.submitted')?.fact
  const samples = facts.flatMap(stored => stored.kind === 'load.sample' ? [stored.fact.data] : [])
  const faults = facts.flatMap(stored => stored.kind === 'fault.injected' || stored.kind === 'fault.reverted' ? [stored.fact.data] : [])
  const clocks = distinct([...samples, ...faults].map(({ clock }) => clock))
  const rows = [
    { name: 'experiment file', value: submitted?.data.file ?? '' },
    { name: 'experiment SHA-256', value: submitted?.data.experimentHash ?? '' },
    { name: 'submitted', value: submitted?.time ?? '' },
    { name: 'leader epoch', value: submitted ? `revision ${submitted.data.epoch.revision}, bucket of ${submitted.data.epoch.bucketCreatedMs}` : '' },
    { name: 'trace', value: submitted?.traceparent.split('-')[1] ?? '' },
    { name: 'nodes', value: distinct(faults.map(({ node }) => node)).join(', ') },
    { name: 'service instances', value: distinct(facts.map(({ fact }) => fact.source)).join(', ') },
    { name: 'load workers', value: distinct(samples.map(({ worker }) => worker)).join(', ') },
    { name: 'clocks', value: clocks.length > 1 ? `${clocks.join(', ')}: dates of different clocks are not subtracted, and stand beside each other in the plots only roughly` : clocks.join(', ') },
    { name: 'facts in the log', value: String(facts.length) },
    { name: 'load samples', value: samples.length === 0 ? '' : `${samples.length}; latest ${samples.reduce((most, { lateMs }) => Math.max(most, lateMs), 0).toFixed(0)} ms late, ${samples.reduce((sum, { dropped }) => sum + dropped, 0)} dropped` },
  ]
  return rows.filter(({ value }) => value !== '')
}

const distinct = (texts: readonly string[]): string[] => [...new Set(texts)].sort()
