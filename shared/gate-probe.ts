import { dnsLabel } from '#shared/units.ts'
import { breaksRule, type Limit } from '#shared/gate.ts'
import type { ProbeFigures, ProbeOutcome } from '#shared/probe.ts'

/** What the gates on probes have in common: no evidence, no pass; but what was seen to break a limit has broken it. */

export const probeName = () => dnsLabel().describe('Name of the probe')

export interface ProbeReading {
  /** Undefined: nothing that could be measured. */
  value: number | undefined
  /** What is said of the value: `12.3 s`. */
  words(value: number): string
  /** Why a value that holds proves nothing yet. */
  doubt?: string
}

export function judgeProbe(limit: Limit, { attempts, blind }: ProbeFigures, { value, words, doubt }: ProbeReading): ProbeOutcome {
  if (attempts === 0) return { verdict: 'inconclusive', value: null, evidence: blind ?? 'the probe was never attempted' }
  if (value === undefined) return { verdict: 'inconclusive', value: null, evidence: doubt ?? 'nothing was measured' }
  if (breaksRule({ limit }, value)) return { verdict: 'failed', value, evidence: words(value) }
  const why = doubt ?? blind
  return why === undefined ? { verdict: 'passed', value, evidence: words(value) } : { verdict: 'inconclusive', value, evidence: `${words(value)}; ${why}` }
}

/** Of what was read out of the ledgers: without one, nothing was measured. */
export function judgeLedger(limit: Limit, figures: ProbeFigures, read: (ledger: NonNullable<ProbeFigures['ledger']>) => ProbeReading): ProbeOutcome {
  const { ledger, ledgerBlind } = figures
  const doubt = ledgerBlind ?? (ledger?.acknowledged === 0 ? 'no write was acknowledged, so none could be lost' : undefined)
  const reading = ledger ? read(ledger) : { value: undefined, words: String }
  return judgeProbe(limit, figures, { ...reading, ...(doubt !== undefined && { doubt }) })
}
