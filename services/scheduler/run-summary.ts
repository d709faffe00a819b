import { phaseOf, type RunState } from './core.ts'
import type { RunSummary } from './page/wire.ts'

/** What a list says of a run. Pure. */
export function summaryOf(state: RunState): RunSummary {
  return {
    run: state.run,
    experiment: state.experiment.name,
    phase: phaseOf(state),
    submittedAt: new Date(state.submittedAtMs).toISOString(),
    verdict: state.verdict ?? null,
    aborting: state.abort ? `${state.abort.cause}: ${state.abort.detail}` : null,
  }
}
