/** What came of a campaign: a pure function of its steps and of what they found. */
import type { CampaignState, StepState } from '#shared/campaign-core.ts'
import type { Bar, StepResult } from './step.ts'

export interface CampaignOutcome {
  campaign: string
  profile: string
  /** Names the results folder. */
  run: string
  verdict: 'passed' | 'failed' | 'inconclusive'
  /** 0 passed, 1 failed, 2 inconclusive, 4 a revert was not confirmed. */
  exitCode: 0 | 1 | 2 | 4
  /** The first is the one that decided. */
  reasons: string[]
  startMs: number
  endMs: number
  steps: StepOutcome[]
}

export interface StepOutcome {
  name: string
  kind: string
  verdict: 'passed' | 'failed' | 'inconclusive' | 'skipped' | 'not over'
  why: string
  startedMs: number | null
  endedMs: number | null
  bars: Bar[]
}

export interface OutcomeOptions {
  campaign: string
  profile: string
  run: string
  startMs: number
  endMs: number
  state: CampaignState
  /** In the order of the file. */
  kinds: ReadonlyMap<string, { kind: string }>
  results: ReadonlyMap<string, StepResult>
  revertUnconfirmed: boolean
}

/** Pure. No evidence, no pass: a step that was skipped has shown nothing. */
export function outcomeOf({ campaign, profile, run, startMs, endMs, state, kinds, results, revertUnconfirmed }: OutcomeOptions): CampaignOutcome {
  const steps = [...kinds].map(([name, { kind }]): StepOutcome => ({ name, kind, bars: results.get(name)?.bars ?? [], ...endOf(state.steps[name]) }))
  const reasonsOf = (verdict: StepOutcome['verdict']) => steps.filter(step => step.verdict === verdict).map(({ name, why }) => `${name} ${verdict === 'failed' ? 'failed' : `was ${verdict}`}: ${why}`)
  const unmet = steps.flatMap(({ name, verdict, bars }) => verdict === 'failed' ? [] : bars.filter(({ met }) => !met).map(bar => `${name}: ${bar.name}: ${bar.measured}, required ${bar.required}`))
  const failures = [...reasonsOf('failed'), ...unmet]
  const doubts = [...reasonsOf('inconclusive'), ...reasonsOf('skipped'), ...reasonsOf('not over')]
  const verdict = failures.length > 0 ? 'failed' : doubts.length > 0 ? 'inconclusive' : 'passed'
  return {
    campaign, profile, run, verdict, startMs, endMs, steps,
    exitCode: revertUnconfirmed ? 4 : { passed: 0, failed: 1, inconclusive: 2 }[verdict] as 0 | 1 | 2,
    reasons: [...(revertUnconfirmed ? ['a fault may still be there: its revert was not confirmed'] : []), ...failures, ...doubts, ...(verdict === 'passed' ? ['every step passed, and every bar was met'] : [])],
  }
}

function endOf(state: StepState | undefined): Pick<StepOutcome, 'verdict' | 'why' | 'startedMs' | 'endedMs'> {
  if (state?.at === 'over') return { verdict: state.verdict, why: state.why, startedMs: state.startedMs, endedMs: state.endedMs }
  return { verdict: 'not over', why: state?.at === 'running' ? 'it was under way when this was written' : 'it had not begun when this was written', startedMs: state?.at === 'running' ? state.sinceMs : null, endedMs: null }
}
