import { Counter, Gauge, type Registry } from 'prom-client'
import type { StoredFact } from '#shared/events.ts'
import type { PolicySummary } from './policies.ts'

const states = ['active', 'waiting', 'paused', 'halted'] as const

/** What Prometheus is told of policies. `take`: each fact of one, on the leader, so that several schedulers do not count it twice. */
export function policyMetrics(metrics: Registry, list: () => readonly PolicySummary[]): { take(policy: string, stored: StoredFact): void } {
  const registers = [metrics]
  const begun = new Counter({ name: 'faultline_policy_runs_total', help: 'Runs that policies began', labelNames: ['policy', 'experiment'], registers })
  const skipped = new Counter({ name: 'faultline_policy_skipped_total', help: 'Planned runs of policies that were not begun, by reason', labelNames: ['policy', 'reason'], registers })
  new Gauge({
    name: 'faultline_policy_state', help: '1 for the state that a policy is in', labelNames: ['policy', 'state'], registers,
    collect() {
      this.reset()
      for (const { name, state } of list()) for (const each of states) this.set({ policy: name, state: each }, each === state ? 1 : 0)
    },
  })
  new Gauge({
    name: 'faultline_policy_next_run_timestamp_seconds', help: 'When the next run of a policy is planned', labelNames: ['policy'], registers,
    collect() {
      this.reset()
      for (const { name, nextAtMs } of list()) if (nextAtMs !== null) this.set({ policy: name }, nextAtMs / 1_000)
    },
  })
  new Gauge({
    name: 'faultline_policy_budget_remaining_ratio', help: 'What is left of an error budget that paces a policy; NaN when it cannot be read', labelNames: ['policy', 'slo'], registers,
    collect() {
      this.reset()
      for (const { name, budgets } of list()) for (const { slo, remainingRatio } of budgets) this.set({ policy: name, slo }, remainingRatio ?? NaN)
    },
  })
  return {
    take(policy, { kind, fact }) {
      if (kind === 'policy.missed') skipped.inc({ policy, reason: 'missed' }, fact.data.count)
      if (kind !== 'policy.ticked') return
      if (fact.data.outcome === 'run') begun.inc({ policy, experiment: fact.data.experiment })
      else skipped.inc({ policy, reason: fact.data.reason ?? 'refused' })
    },
  }
}
