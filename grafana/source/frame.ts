import type { Builder } from '@grafana/grafana-foundation-sdk/cog'
import {
  AnnotationQueryBuilder, DashboardBuilder, DashboardCursorSync, DashboardLinkBuilder, DashboardLinkType, DatasourceVariableBuilder, QueryVariableBuilder, VariableHide, VariableRefresh, VariableSort,
  type AnnotationQuery, type VariableModel,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus'
import { colours, prometheus } from './panels.ts'

/** What all dashboards have around their panels: variables, annotations, links to each other. */
export function frame({ uid, title, description, from }: { uid: string; title: string; description: string; from: string }): DashboardBuilder {
  return new DashboardBuilder(title).uid(uid).description(description).tags(['faultline']).readonly().tooltip(DashboardCursorSync.Crosshair).refresh('5s').time({ from, to: 'now' }).timezone('browser')
    .link(new DashboardLinkBuilder('faultline').type(DashboardLinkType.Dashboards).tags(['faultline']).asDropdown(false).includeVars(true).keepTime(true))
    .withVariable(new DatasourceVariableBuilder('datasource').label('Prometheus').type('prometheus'))
}

const everyRun = '__name__=~"faultline_run_active|faultline_run_judged_timestamp_seconds"'

const ofLabel = (name: string, label: string, description: string, query: string): QueryVariableBuilder => new QueryVariableBuilder(name).label(label).description(description)
  .datasource(prometheus).query(query).definition(query).refresh(VariableRefresh.OnTimeRangeChanged)
const many = (variable: QueryVariableBuilder): QueryVariableBuilder => variable.multi(true).includeAll(true).current({ text: 'All', value: '$__all' })

export const experimentVariable = (): Builder<VariableModel> =>
  many(ofLabel('experiment', 'Experiment', 'Runs of these experiments', `label_values({${everyRun}}, experiment)`)).allValue('.*').sort(VariableSort.AlphabeticalAsc)
/** Names of runs end with their date: the latest of an experiment comes first. */
export const runVariable = (): Builder<VariableModel> =>
  ofLabel('run', 'Run', 'One run', `label_values({${everyRun},experiment=~"$experiment"}, run)`).sort(VariableSort.AlphabeticalDesc)
export const gateVariable = (): Builder<VariableModel> =>
  many(ofLabel('gate', 'Gate', 'The gates of the run', 'label_values(faultline_gate_limit{run="$run"}, gate)')).sort(VariableSort.AlphabeticalAsc).hide(VariableHide.HideVariable)
export const namespaceVariable = (): Builder<VariableModel> =>
  many(ofLabel('namespace', 'Namespace', 'Services of these namespaces', 'label_values(faultline_coverage_last_run_timestamp_seconds, namespace)')).allValue('.*').sort(VariableSort.AlphabeticalAsc)

interface AnnotationText { name: string; colour: string; expr: string; title: string; text: string; tags: string; isDate?: boolean }

/** Grafana up to 9 reads `expr` and `step`, later ones `target`. `isDate`: the value is the date, in milliseconds. */
function annotation({ name, colour, expr, title, text, tags, isDate = false }: AnnotationText): Builder<AnnotationQuery> {
  const step = '1s' // of what lasts, spans are told apart when they are further apart than this
  const query = new AnnotationQueryBuilder().name(name).datasource(prometheus).enable(true).iconColor(colour).expr(expr).step(step)
    .target(new DataqueryBuilder().refId('Anno').expr(expr).interval(step)).titleFormat(title).textFormat(text).tagKeys(tags).useValueForTime(isDate)
  return { build: () => { const { placement: _, ...shown } = query.build(); return shown } } // its switch stays in sight, not in a menu
}

/** The span of each fault of these runs. `runs`: a selector's inside, such as `run="$run"`. */
export const faultSpans = (runs: string): Builder<AnnotationQuery> => annotation({
  name: 'Faults', colour: colours.bad, title: '{{kind}}', text: '{{experiment}}: {{fault}} of {{run}}', tags: 'experiment,kind',
  expr: `max by (run, experiment, fault, kind) (faultline_fault_active{${runs}})`,
})

/** Faults that are over in an instant, such as a kill, have no span: only the date of their injection. */
export const instantFaults = (runs: string): Builder<AnnotationQuery> => annotation({
  name: 'Instant faults', colour: colours.bad, title: '{{kind}}', text: '{{experiment}}: {{fault}} of {{run}}', tags: 'experiment,kind', isDate: true,
  expr: `max by (run, experiment, fault, kind) (faultline_fault_injected_timestamp_seconds{${runs}} unless on (run, fault) last_over_time(faultline_fault_active{${runs}}[1h])) * 1000`,
})

export const verdicts = (runs: string): Builder<AnnotationQuery> => annotation({
  name: 'Verdicts', colour: colours.calm, title: '{{verdict}}', text: '{{run}}', tags: 'experiment,verdict', isDate: true,
  expr: `max by (run, experiment, verdict) (faultline_run_judged_timestamp_seconds{${runs}}) * 1000`,
})
