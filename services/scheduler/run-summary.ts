import type { RunState } from './core.ts'
import type { RunSummary } from './page/wire.ts'

/** What a list says of a run. Pure. */
export function summaryOf(state: RunState): RunSummary {
  const phases = Object.entries(state.phases).sort(([, a], [, b]) => b - a)
  return {
    run: state.run,
    experiment: state.experiment.name,
    phase: state.verdict !== undefined ? 'judged' : state.sealedAtMs !== undefined ? 'sealed' : phases[0]?.[0] ?? 'submitted',
    submittedAt: new Date(state.submittedAtMs).toISOString(),
    verdict: state.verdict ?? null,
    aborting: state.abort ? `${state.abort.cause}: ${state.abort.detail}` : null,
  }
}
