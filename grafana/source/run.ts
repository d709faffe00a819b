import { RowBuilder, type DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import { experimentVariable, faultSpans, frame, gateVariable, instantFaults, runVariable, verdicts } from './frame.ts'
import { coded, colours, figure, list, meaningsOf, plot, spans, verdictColours } from './panels.ts'

const chosen = 'run="$run"'

/** In the order of a run's life, as shared/events.ts has it. */
const phases = [
  ['submitted', colours.idle], ['load', colours.idle], ['steady', colours.calm], ['inject', colours.bad], ['hold', colours.bad],
  ['revert', colours.unsure], ['recover', colours.unsure], ['end', colours.idle], ['verify', colours.idle],
] as const
const statuses = [
  ['holding', colours.good], ['met', colours.good], ['breaking', colours.unsure], ['no-data', colours.unsure], ['breached', colours.bad], ['missed', colours.bad], ['unreadable', colours.bad], ['pending', colours.idle],
] as const
const namesOf = (entries: readonly (readonly [string, string])[]) => entries.map(([name]) => name)

const quantile = (q: number) => `histogram_quantile(${q}, sum by (le) (rate(faultline_load_request_duration_seconds_bucket{${chosen}}[$__rate_interval])))`

/** One run: its phases, faults, gates with their limits, load and probes. */
export const run = (): DashboardBuilder => frame({ uid: 'faultline-run', title: 'faultline: one run', description: 'One run: its phases, faults, gates with their limits, load and probes.', from: 'now-15m' })
  .withVariable(experimentVariable()).withVariable(runVariable()).withVariable(gateVariable())
  .annotation(faultSpans(chosen)).annotation(instantFaults(chosen)).annotation(verdicts(chosen))
  .withRow(new RowBuilder('The run'))
  .withPanel(figure({
    title: 'Verdict', description: 'The verdict, and when it was reached.', unit: 'date', width: 6, otherwise: 'not judged yet', seriesColours: verdictColours,
    query: { expr: `max by (verdict) (last_over_time(faultline_run_judged_timestamp_seconds{${chosen}}[$__range])) * 1000`, legend: '{{verdict}}' },
  }).height(6))
  .withPanel(spans({
    title: 'Phases', description: 'Where the run was.', unit: 'count', width: 18, meanings: meaningsOf(phases),
    queries: [{ expr: coded(namesOf(phases), phase => `max by (run) (faultline_run_active{${chosen},phase="${phase}"})`), legend: 'phase' }],
  }))
  .withPanel(spans({
    title: 'Faults', description: 'While some agent might hold the fault. What joined it later is part of it.', unit: 'count', width: 14, meanings: { 1: { text: 'in force', colour: colours.bad } },
    queries: [{ expr: `max by (fault, kind) (faultline_fault_active{${chosen}})`, legend: '{{fault}}' }],
  }))
  .withPanel(list({
    title: 'Injections', description: 'When each fault was injected first, by its agent\'s clock.', unit: 'date', width: 10, height: 6, value: 'injected',
    query: { expr: `max by (fault, kind) (last_over_time(faultline_fault_injected_timestamp_seconds{${chosen}}[$__range])) * 1000` },
  }))
  .withRow(new RowBuilder('Gates'))
  .withPanel(spans({
    title: 'Gates', description: 'What each gate said in each phase. A breach or an unreadable gate aborts; met and missed are about the recovery.', unit: 'count', height: 8, meanings: meaningsOf(statuses),
    queries: [{ expr: coded(namesOf(statuses), status => `max by (gate, phase) (faultline_gate_status{${chosen},status="${status}"})`), legend: '{{phase}} {{gate}}' }],
  }))
  .withPanel(plot({
    title: 'Gate $gate', description: 'What the latest look measured, and the limit, in the gate\'s own unit (a share is from 0 to 1). A gate on a probe is measured at the end only.', unit: 'number', width: 24, limits: '/^limit/',
    queries: [
      { expr: `max by (phase) (faultline_gate_value{${chosen},gate=~"$gate"})`, legend: '{{phase}}' },
      { expr: `max by (bound) (faultline_gate_limit{${chosen},gate=~"$gate"})`, legend: 'limit ({{bound}})' },
    ],
  }).repeat('gate').repeatDirection('h').maxPerRow(2))
  .withPanel(list({
    title: 'What decided', description: 'What each gate measured when its status last changed, in its own unit.', unit: 'number', width: 24, height: 6, value: 'measured',
    query: { expr: `max by (gate) (last_over_time(faultline_gate_measurement{${chosen}}[$__range]))` },
  }))
  .withRow(new RowBuilder('Load'))
  .withPanel(plot({
    title: 'Requests', description: 'Requests that ended, by outcome.', unit: 'requestsPerSecond', seriesColours: { ok: colours.good, failed: colours.bad },
    queries: [{ expr: `sum by (outcome) (rate(faultline_load_requests_total{${chosen}}[$__rate_interval]))`, legend: '{{outcome}}' }],
  }))
  .withPanel(plot({
    title: 'Failed', description: 'Share of the requests that ended badly. Those still waiting are not among them: see "In flight".', unit: 'ratio', seriesColours: { failed: colours.bad },
    queries: [{ expr: `sum(rate(faultline_load_requests_total{${chosen},outcome="failed"}[$__rate_interval])) / sum(rate(faultline_load_requests_total{${chosen}}[$__rate_interval]))`, legend: 'failed' }],
  }))
  .withPanel(plot({
    title: 'Response times', description: 'Of the requests that ended, well or badly; as exact as the histogram\'s buckets, among which are the gates\' thresholds.', unit: 'seconds',
    queries: [{ expr: quantile(0.5), legend: 'p50' }, { expr: quantile(0.95), legend: 'p95' }, { expr: quantile(0.99), legend: 'p99' }],
  }))
  .withPanel(plot({
    title: 'In flight', description: 'Users, requests that wait for an answer, and those of them that wait longer than a gate allows.', unit: 'count',
    queries: [
      { expr: `sum(faultline_load_users{${chosen}})`, legend: 'users' }, { expr: `sum(faultline_load_in_flight_requests{${chosen}})`, legend: 'in flight' },
      { expr: `sum by (threshold_seconds) (faultline_load_overdue_requests{${chosen}})`, legend: 'longer than {{threshold_seconds}} s' },
    ],
  }))
  .withRow(new RowBuilder('Probes'))
  .withPanel(plot({
    title: 'Attempts of probes', description: 'By outcome, of all probers; `unconfirmed` was taken, but not seen on a replica in time. Of all runs at that time.', unit: 'perSecond', width: 24,
    queries: [{ expr: 'sum by (probe, outcome) (rate(faultline_probe_attempts_total[$__rate_interval]))', legend: '{{probe}} {{outcome}}' }],
  }))
