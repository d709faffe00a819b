import { RowBuilder, type DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import { faultSpans, frame, instantFaults, verdicts } from './frame.ts'
import { colours, plot, spans } from './panels.ts'

/** All services say which they are; Prometheus' own targets and others have no such value. */
const services = 'service=~"scheduler|injector|locust-bridge|slo-evaluator|prober|restorer"'
const every = 'run=~".+"'
const upOrDown = { 0: { text: 'no', colour: colours.bad }, 1: { text: 'yes', colour: colours.good } }
const quantile = (q: number, metric: string, by: string, range: string) => `histogram_quantile(${q}, sum by (${by}) (rate(${metric}_bucket[${range}])))`

/** faultline's own state: who leads, who is there, what could not be undone, what it costs. */
export const systemHealth = (): DashboardBuilder => frame({
  uid: 'faultline-system', title: 'faultline: the system itself', description: 'faultline\'s own state: who leads, who is there, what could not be undone, what it costs.', from: 'now-1h',
})
  .annotation(faultSpans(every)).annotation(instantFaults(every)).annotation(verdicts(every))
  .withRow(new RowBuilder('Who is there'))
  .withPanel(spans({
    title: 'Leader', description: 'Which scheduler leads. One of them has to; while none does, runs stand still and leases end their faults.', unit: 'count', width: 12,
    queries: [{ expr: 'max by (instance) (faultline_scheduler_leader)', legend: '{{instance}}' }], meanings: { 0: { text: 'stands by', colour: colours.idle }, 1: { text: 'leads', colour: colours.good } },
  }))
  .withPanel(spans({
    title: 'Agents', description: 'Agents as the schedulers hear them. One that fell silent is shown for an hour.', unit: 'count', width: 12,
    queries: [{ expr: 'max by (node) (faultline_agent_up)', legend: '{{node}}' }], meanings: upOrDown,
  }))
  .withPanel(spans({
    title: 'Connected to NATS', description: 'Each service. Without NATS nobody can say or hear anything; leases end the faults.', unit: 'count', height: 9,
    queries: [{ expr: 'min by (service, instance) (faultline_nats_connected)', legend: '{{service}} {{instance}}' }], meanings: upOrDown,
  }))
  .withRow(new RowBuilder('Faults that did not go as they should'))
  .withPanel(plot({
    title: 'Not confirmed as undone', description: 'Faults whose revert was never confirmed, and targets that agents keep in quarantine for it. Not 0: look at them by hand.', unit: 'count', shape: 'steps',
    queries: [{ expr: 'max(faultline_faults_unconfirmed)', legend: 'unconfirmed reverts' }, { expr: 'sum(max by (node) (faultline_agent_quarantined_targets))', legend: 'targets in quarantine' }],
  }))
  .withPanel(plot({
    title: 'Lapsed and refused, an hour', description: 'At each point, in the hour before it: leases that ran out because nobody renewed them, faults refused by their agent, and reverts that were not confirmed at once.',
    unit: 'count', shape: 'steps',
    queries: [
      { expr: 'sum(increase(faultline_faults_lapsed_total[1h]))', legend: 'lapsed' }, { expr: 'sum(increase(faultline_faults_refused_total[1h]))', legend: 'refused' },
      { expr: 'sum(increase(faultline_faults_reverted_total{verified="false"}[1h]))', legend: 'reverted, not confirmed' },
    ],
  }))
  .withPanel(plot({
    title: 'Aborts an hour, by cause', description: 'At each point: runs that left their path in the hour before it. `gate` is a breach, which is what aborts are for.', unit: 'count', shape: 'steps',
    queries: [{ expr: 'sum by (cause) (increase(faultline_runs_aborted_total[1h])) > 0', legend: '{{cause}}' }],
  }))
  .withPanel(plot({
    title: 'Ended by restorers', description: 'In a cluster: faults done through the API that were ended because their agent did not renew them.', unit: 'count', shape: 'steps',
    queries: [{ expr: 'sum(faultline_restorer_restored_total)', legend: 'ended' }],
  }))
  .withRow(new RowBuilder('How fast'))
  .withPanel(plot({
    title: 'Breach to abort, to reverted', description: 'By the scheduler\'s clock: the 95th percentile over the hour before each point.', unit: 'seconds',
    queries: [{ expr: quantile(0.95, 'faultline_breach_to_abort_seconds', 'le', '1h'), legend: 'abort' }, { expr: quantile(0.95, 'faultline_breach_to_reverted_seconds', 'le', '1h'), legend: 'reverted' }],
  }))
  .withPanel(plot({
    title: 'Injection', description: 'From the command\'s arrival to the fault being there, by the agent\'s clock; p95 over the hour before each point, by kind.', unit: 'seconds',
    queries: [{ expr: quantile(0.95, 'faultline_fault_injection_seconds', 'kind, le', '1h'), legend: '{{kind}}' }],
  }))
  .withPanel(plot({
    title: 'Answers of Prometheus', description: 'How long the evaluator waited for an answer to a look.', unit: 'seconds',
    queries: [0.5, 0.95].map(q => ({ expr: quantile(q, 'faultline_prometheus_query_duration_seconds', 'le', '$__rate_interval'), legend: `p${q * 100}` })),
  }))
  .withPanel(plot({
    title: 'Looks without data', description: 'Share of the looks to which Prometheus had no answer that counts: no series, several, stale, NaN, or too late. Such a gate never passes.', unit: 'ratio',
    queries: [{ expr: '(sum(rate(faultline_prometheus_query_duration_seconds_count{outcome="no-data"}[5m])) or vector(0)) / sum(rate(faultline_prometheus_query_duration_seconds_count[5m]))', legend: 'no data' }],
  }))
  .withRow(new RowBuilder('What it costs'))
  .withPanel(plot({
    title: 'CPU', description: 'Cores that each service uses. Services of one local session share one process, and each shows all of it.', unit: 'cores', width: 8,
    queries: [{ expr: `sum by (service, instance) (rate(process_cpu_seconds_total{${services}}[$__rate_interval]))`, legend: '{{service}} {{instance}}' }],
  }))
  .withPanel(plot({
    title: 'Memory', description: 'Resident memory of each service.', unit: 'bytes', width: 8,
    queries: [{ expr: `max by (service, instance) (process_resident_memory_bytes{${services}})`, legend: '{{service}} {{instance}}' }],
  }))
  .withPanel(plot({
    title: 'Event loop delay, p99', description: 'How late timers come: never less than 10 ms, and 100 ms for agents, which ask less often. Leases and looks suffer when it nears a second.', unit: 'seconds', width: 8,
    queries: [{ expr: `max by (service, instance) (nodejs_eventloop_lag_p99_seconds{${services}})`, legend: '{{service}} {{instance}}' }],
  }))
