/** Whether a campaign's runs have kept what was promised: a pure function of what was recorded. Not measured is not met. */
import { percent } from '#shared/gate-share.ts'
import { printDuration } from '#shared/units.ts'
import type { ManualStep } from './manual-steps.ts'
import type { Bar } from './step.ts'

export interface SlaLimits {
  /** Least share of the requests of the fault-free load that were answered well. */
  availability: number
  /** By step, in milliseconds: what each of its probes may take until it is steady again. */
  recoveryMs: Readonly<Record<string, number>>
  /** Age in milliseconds of the oldest acknowledged write that may be lost. */
  rpoMs: number
  lostWrites: number
  manualSteps: number
}

/** What one experiment's probes have seen, the worst of each over its repetitions. */
export interface StepEvidence {
  step: string
  runs: number
  /** Undefined: in a run nothing was injected, or no probe that counts was steady again. */
  recoveryMs: number | undefined
  ledgers: { probe: string; acknowledged: number; missing: number; unread: number; rpoMs: number | null }[]
}

export interface Requests { attempted: number; acknowledged: number }

export interface SlaEvidence {
  /** Of the fault-free load step; undefined: there was none. */
  load: Requests | undefined
  /** Of every run with load, those with faults too. */
  whole: Requests
  steps: readonly StepEvidence[]
  /** By run; undefined: there is no audit log to read. */
  manualSteps: readonly { run: string; steps: readonly ManualStep[] }[] | undefined
}

/** Pure. One bar for each promise, in the order of the report. */
export function judgeSla(limits: SlaLimits, evidence: SlaEvidence): Bar[] {
  return [
    availabilityBar(limits.availability, evidence.load),
    ...Object.entries(limits.recoveryMs).map(([step, limitMs]) => recoveryBar(step, limitMs, evidence.steps.find(found => found.step === step))),
    rpoBar(limits.rpoMs, evidence),
    lostWritesBar(limits.lostWrites, evidence),
    manualStepsBar(limits.manualSteps, evidence.manualSteps),
  ]
}

/** Of the whole campaign, the faults' own times too: printed beside the bars, and held against nothing. Pure. */
export function wholeAvailability({ whole }: SlaEvidence): string {
  return whole.attempted === 0 ? 'no request was sent' : `${percent(whole.acknowledged / whole.attempted)} (${printRequests(whole)})`
}

const printRequests = ({ acknowledged, attempted }: Requests) => `${acknowledged.toLocaleString('en-US')} of ${attempted.toLocaleString('en-US')} requests`
const notMeasured = (name: string, required: string, why: string): Bar => ({ name, required, measured: `not measured: ${why}`, met: false })

function availabilityBar(least: number, load: Requests | undefined): Bar {
  const [name, required] = ['availability without faults', `more than ${percent(least)}`]
  if (!load || load.attempted === 0) return notMeasured(name, required, 'no load without faults was recorded')
  const share = load.acknowledged / load.attempted
  return { name, required, measured: `${percent(share)} (${printRequests(load)})`, met: share > least }
}

function recoveryBar(step: string, limitMs: number, found: StepEvidence | undefined): Bar {
  const [name, required] = [`recovery time, ${step}`, `less than ${printDuration(limitMs)}`]
  if (!found || found.runs === 0) return notMeasured(name, required, 'it was not run')
  if (found.recoveryMs === undefined) return notMeasured(name, required, 'in a run nothing was injected, or no probe saw it steady again')
  return { name, required, measured: `${(found.recoveryMs / 1_000).toFixed(1)} s${found.runs === 1 ? '' : `, the worst of ${found.runs} runs`}`, met: found.recoveryMs < limitMs }
}

function rpoBar(limitMs: number, { steps }: SlaEvidence): Bar {
  const [name, required] = ['recovery point', `less than ${printDuration(limitMs)}`]
  const points = steps.flatMap(({ ledgers }) => ledgers.map(({ rpoMs }) => rpoMs))
  if (points.length === 0 || points.includes(null)) return notMeasured(name, required, points.length === 0 ? 'no ledger came' : 'a ledger could not be read')
  const worstMs = Math.max(...points.map(Number))
  return { name, required, measured: `${(worstMs / 1_000).toFixed(1)} s`, met: worstMs < limitMs }
}

function lostWritesBar(most: number, { steps }: SlaEvidence): Bar {
  const [name, required] = ['lost writes', `at most ${most}`]
  const ledgers = steps.flatMap(({ step, ledgers: kept }) => kept.map(ledger => ({ step, ...ledger })))
  const total = (of: (ledger: typeof ledgers[number]) => number) => ledgers.reduce((sum, ledger) => sum + of(ledger), 0)
  if (total(({ acknowledged }) => acknowledged) === 0) return notMeasured(name, required, 'no write was acknowledged in any run')
  const unread = ledgers.filter(ledger => ledger.unread > 0)
  const missing = total(ledger => ledger.missing)
  if (unread.length > 0 && missing <= most) return notMeasured(name, required, `${unread.map(({ step, probe }) => `${probe} of ${step}`).join(', ')} could not all be looked for`)
  return { name, required, measured: `${missing} of ${total(({ acknowledged }) => acknowledged).toLocaleString('en-US')} acknowledged`, met: missing <= most }
}

function manualStepsBar(most: number, runs: SlaEvidence['manualSteps']): Bar {
  const [name, required] = ['manual steps', `at most ${most}`]
  if (!runs) return notMeasured(name, required, 'there is no audit log to count them in; --audit-log names one')
  if (runs.length === 0) return notMeasured(name, required, 'no fault was injected')
  const all = runs.flatMap(({ run, steps }) => steps.map(({ by, what }) => `${by}: ${what} (${run})`))
  return { name, required, measured: all.length === 0 ? '0' : `${all.length}: ${all.slice(0, 5).join('; ')}${all.length > 5 ? '; …' : ''}`, met: all.length <= most }
}
