import { RowBuilder, type DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import { experimentVariable, faultSpans, frame, instantFaults, verdicts } from './frame.ts'
import { colours, figure, list, plot, spans, verdictColours } from './panels.ts'

const chosen = 'experiment=~"$experiment"'
const judged = `max by (run, experiment, verdict) (faultline_run_judged_timestamp_seconds{${chosen}})`

/** What is under way, and what came of the latest runs. */
export const overview = (): DashboardBuilder => frame({ uid: 'faultline-overview', title: 'faultline: overview', description: 'What is under way, and what came of the latest runs.', from: 'now-6h' })
  .withVariable(experimentVariable())
  .annotation(faultSpans(chosen)).annotation(instantFaults(chosen)).annotation(verdicts(chosen))
  .withRow(new RowBuilder('Now'))
  .withPanel(figure({ title: 'Runs under way', description: 'Runs that are not sealed yet.', unit: 'count', query: { expr: 'max(faultline_runs_active)' } }))
  .withPanel(figure({
    title: 'Faults in force', description: 'Faults that some agent may hold. One that could not be confirmed as reverted counts until its run is sealed.', unit: 'count',
    query: { expr: 'count(max by (run, fault) (faultline_fault_active)) or vector(0)' },
  }))
  .withPanel(figure({
    title: 'Halted', description: 'Whether `faultline halt` is in force: nothing is begun until `faultline resume`.', unit: 'yesNo', query: { expr: 'max(faultline_halted)' },
    meanings: { 0: { text: 'no', colour: colours.good }, 1: { text: 'halted', colour: colours.bad } },
  }))
  .withPanel(figure({
    title: 'Leader', description: 'Schedulers that lead. Without one no run goes on; leases end its faults.', unit: 'count', query: { expr: 'sum(faultline_scheduler_leader)' },
    meanings: { 0: { text: 'none', colour: colours.bad }, 1: { text: 'leads', colour: colours.good } }, otherwise: 'none',
  }))
  .withPanel(figure({ title: 'Agents', description: 'Agents that were heard within 3.5 s.', unit: 'count', query: { expr: 'sum(max by (node) (faultline_agent_up))' }, badBelow: 1, otherwise: 'none' }))
  .withPanel(figure({ title: 'Reverts unconfirmed', description: 'Faults that were reverted without it being confirmed since: look at their targets.', unit: 'count', query: { expr: 'max(faultline_faults_unconfirmed)' }, badFrom: 1 }))
  .withRow(new RowBuilder('Runs'))
  .withPanel(spans({
    title: 'Faults', description: 'When which kind of fault was in force, by experiment. Faults that are over in an instant are annotations only.', unit: 'count', height: 7,
    queries: [{ expr: `max by (experiment, kind) (faultline_fault_active{${chosen}})`, legend: '{{experiment}} {{kind}}' }], meanings: { 1: { text: 'in force', colour: colours.bad } },
  }))
  .withPanel(list({
    title: 'Latest verdicts', description: 'Runs that were judged, the latest first. A click on the run leads to its dashboard.', unit: 'date', width: 14, height: 10, runLinks: true, value: 'judged',
    query: { expr: `sort_desc(${judged} * 1000)` },
  }))
  .withPanel(figure({
    title: 'Verdicts in this time', description: 'Runs judged in the time shown, by verdict.', unit: 'count', width: 10, otherwise: 'none', seriesColours: verdictColours,
    query: { expr: `count by (verdict) (${judged} > time() - $__range_s)`, legend: '{{verdict}}' },
  }).height(10))
  .withPanel(plot({
    title: 'Verdicts an hour', description: 'At each point: runs judged in the hour before it.', unit: 'count', shape: 'steps', seriesColours: verdictColours,
    queries: [{ expr: `count by (verdict) (${judged} > time() - 3600)`, legend: '{{verdict}}' }],
  }))
  .withPanel(plot({
    title: 'Faults an hour', description: 'At each point: faults injected in the hour before it, one for each agent, by kind. Of all experiments.', unit: 'count', shape: 'steps',
    queries: [{ expr: 'sum by (kind) (increase(faultline_faults_injected_total[1h])) > 0', legend: '{{kind}}' }],
  }))
  .withRow(new RowBuilder('How fast, and at what load'))
  .withPanel(figure({
    title: 'Breach to abort, p95', description: 'From hearing that a gate is breached to the abort being on record, by the scheduler\'s clock; of the time shown.', unit: 'seconds', width: 6, badFrom: 1, otherwise: 'no breach',
    query: { expr: 'histogram_quantile(0.95, sum by (le) (increase(faultline_breach_to_abort_seconds_bucket[$__range])))' },
  }).height(8))
  .withPanel(figure({
    title: 'Breach to reverted, p95', description: 'From hearing that a gate is breached to hearing that the last fault is confirmed as gone, by the scheduler\'s clock; of the time shown.',
    unit: 'seconds', width: 6, badFrom: 3, otherwise: 'no breach',
    query: { expr: 'histogram_quantile(0.95, sum by (le) (increase(faultline_breach_to_reverted_seconds_bucket[$__range])))' },
  }).height(8))
  .withPanel(plot({
    title: 'Load', description: 'Requests of the load that ended, by outcome.', unit: 'requestsPerSecond', seriesColours: { ok: colours.good, failed: colours.bad },
    queries: [{ expr: 'sum by (outcome) (rate(faultline_load_requests_total[$__rate_interval]))', legend: '{{outcome}}' }],
  }))
