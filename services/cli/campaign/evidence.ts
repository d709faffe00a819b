/** What the SLA is judged by, of all that a campaign has found. Pure. */
import type { StoredFact } from '#shared/events.ts'
import type { JudgedProbe } from '#shared/verdict-probes.ts'
import type { Findings, RecordedRun } from './findings.ts'
import type { AuditSpan } from './audit-log.ts'
import type { Requests, SlaEvidence, StepEvidence } from './sla.ts'

export function evidenceOf({ runs }: Findings, { load }: { load: string }, manualSteps: SlaEvidence['manualSteps']): SlaEvidence {
  const experiments = runs.filter(({ purpose }) => purpose === 'experiment')
  const loads = runs.filter(({ step, purpose }) => step === load && purpose === 'load')
  return {
    ...(loads.length > 0 ? { load: requestsOf(loads) } : { load: undefined }),
    whole: requestsOf(runs),
    steps: [...Map.groupBy(experiments, ({ step }) => step)].map(([step, its]) => stepEvidence(step, its)),
    manualSteps,
  }
}

function requestsOf(runs: readonly RecordedRun[]): Requests {
  const loads = runs.flatMap(({ judgement }) => judgement.load ?? [])
  const attempted = loads.reduce((sum, { requests }) => sum + requests, 0)
  return { attempted, acknowledged: attempted - loads.reduce((sum, { failures }) => sum + failures, 0) }
}

/** The worst over the runs. A run in which nothing was injected, or whose probes all stayed silent or never became steady, has no recovery time. */
function stepEvidence(step: string, runs: readonly RecordedRun[]): StepEvidence {
  const recoveries = runs.map(({ judgement, facts }) => disturbedSpan(facts) && recoveryOf(judgement.probes))
  const known = recoveries.flatMap(recoveryMs => recoveryMs ?? [])
  return {
    step, runs: runs.length,
    recoveryMs: known.length === recoveries.length && known.length > 0 ? Math.max(...known) : undefined,
    ledgers: runs.flatMap(({ judgement }) => judgement.probes.flatMap(({ name, ledger, rpoMs }) => (
      ledger ? [{ probe: name, acknowledged: ledger.acknowledged, missing: ledger.missing, unread: ledger.unread, rpoMs }] : []))),
  }
}

function recoveryOf(probes: readonly JudgedProbe[]): number | undefined {
  const counting = probes.filter(({ counts, attempts }) => counts && attempts > 0)
  if (counting.length === 0 || counting.some(({ steady }) => !steady)) return undefined
  return Math.max(...counting.map(({ recoveryTimeMs }) => recoveryTimeMs))
}

/** From the first injection to the end of what counts for the verdict; undefined: nothing was injected. */
export function disturbedSpan(facts: readonly StoredFact[]): AuditSpan | undefined {
  const injected = facts.flatMap(stored => stored.kind === 'fault.injected' ? [stored.fact.data.injectedAtMs] : [])
  const ends = facts.flatMap(stored => stored.kind === 'run.sealed' ? [stored.fact.data.atMs] : stored.kind === 'fault.reverted' ? [stored.fact.data.revertedAtMs] : [])
  if (injected.length === 0) return undefined
  const fromMs = Math.min(...injected)
  return { fromMs, toMs: Math.max(fromMs, ...ends) }
}
