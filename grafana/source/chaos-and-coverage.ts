import { RowBuilder, type DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import { experimentVariable, faultSpans, frame, instantFaults, namespaceVariable, verdicts } from './frame.ts'
import { coded, colours, figure, list, meaningsOf, plot, spans } from './panels.ts'

const chosen = 'experiment=~"$experiment"'
const states = [['active', colours.good], ['waiting', colours.calm], ['paused', colours.unsure], ['halted', colours.bad]] as const
const cellColours = { passed: colours.good, failed: colours.bad, inconclusive: colours.unsure, stale: colours.calm, unknown: colours.idle } as const

/** What the policies do, what of the error budgets is left, and which services were tested with which faults. */
export const chaosAndCoverage = (): DashboardBuilder => frame({
  uid: 'faultline-chaos', title: 'faultline: continuous chaos and coverage', description: 'What the policies do, what of the error budgets is left, and which services were tested with which faults.', from: 'now-7d',
})
  .refresh('1m')
  .withVariable(experimentVariable()).withVariable(namespaceVariable())
  .annotation(faultSpans(chosen)).annotation(instantFaults(chosen)).annotation(verdicts(chosen))
  .withRow(new RowBuilder('Policies'))
  .withPanel(spans({
    title: 'Policies', description: 'Active: runs are begun. Waiting: by a window, a freeze or a cooldown. Paused: after a failed verdict, until `faultline policy resume`. Halted: `faultline halt` is in force.',
    unit: 'count', meanings: meaningsOf(states),
    queries: [{ expr: coded(states.map(([state]) => state), state => `max by (policy) (faultline_policy_state{state="${state}"})`), legend: '{{policy}}' }],
  }))
  .withPanel(list({
    title: 'Next runs', description: 'When each policy means to begin its next run.', unit: 'date', width: 8, value: 'next run',
    query: { expr: 'sort(max by (policy) (faultline_policy_next_run_timestamp_seconds) * 1000)' },
  }))
  .withPanel(plot({
    title: 'Runs a day', description: 'At each point: runs that policies began in the 24 hours before it.', unit: 'count', width: 8, shape: 'steps',
    queries: [{ expr: 'sum by (policy) (increase(faultline_policy_runs_total[24h]))', legend: '{{policy}}' }],
  }))
  .withPanel(plot({
    title: 'Runs left out', description: 'At each point: runs that policies did not begin in the 24 hours before it, by reason.', unit: 'count', width: 8, shape: 'steps',
    queries: [{ expr: 'sum by (policy, reason) (increase(faultline_policy_skipped_total[24h]))', legend: '{{policy}}: {{reason}}' }],
  }))
  .withPanel(plot({
    title: 'Error budget left', description: 'Of each SLO that a policy watches. Chaos slows down as it burns, and stops before it is gone.', unit: 'ratio', width: 24,
    queries: [{ expr: 'min by (policy, slo) (faultline_policy_budget_remaining_ratio)', legend: '{{policy}}: {{slo}}' }],
  }))
  .withRow(new RowBuilder('Coverage'))
  .withPanel(figure({
    title: 'Services and kinds of fault', description: 'Each pair of a service and a kind of fault, by its last verdict. Stale: too long ago, or of another version. Unknown: never tried.',
    unit: 'count', width: 24, seriesColours: cellColours,
    query: { expr: 'max by (state) (faultline_coverage_cells)', legend: '{{state}}' },
  }))
  .withPanel(list({
    title: 'Last verdicts', description: 'What each service said to each kind of fault the last time.', unit: 'count', height: 12, value: 'known',
    query: { expr: 'max by (namespace, service, kind, verdict) (faultline_coverage_verdict{namespace=~"$namespace"})' },
  }))
  .withPanel(list({
    title: 'Age of the last run', description: 'How long ago each service was last tested with each kind of fault, the longest first.', unit: 'seconds', height: 12, value: 'age',
    query: { expr: 'sort_desc(time() - max by (namespace, service, kind) (faultline_coverage_last_run_timestamp_seconds{namespace=~"$namespace"}))' },
  }))
  .withRow(new RowBuilder('What came of it'))
  .withPanel(plot({
    title: 'Verdicts a day', description: 'At each point: runs judged in the 24 hours before it, by experiment and verdict.', unit: 'count', shape: 'steps',
    queries: [{ expr: `count by (experiment, verdict) (max by (run, experiment, verdict) (faultline_run_judged_timestamp_seconds{${chosen}}) > time() - 86400)`, legend: '{{experiment}} {{verdict}}' }],
  }))
  .withPanel(plot({
    title: 'Faults a day', description: 'At each point: faults injected in the 24 hours before it, one for each agent, by kind.', unit: 'count', shape: 'steps',
    queries: [{ expr: 'sum by (kind) (increase(faultline_faults_injected_total[24h])) > 0', legend: '{{kind}}' }],
  }))
