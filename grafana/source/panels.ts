import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog'
import {
  BigValueColorMode, BigValueGraphMode, BigValueTextMode, GraphDrawStyle, LegendDisplayMode, LegendPlacement, LineInterpolation, ReduceDataOptionsBuilder, StackingConfigBuilder, StackingMode,
  TooltipDisplayMode, VisibilityMode, VizLegendOptionsBuilder, VizTooltipOptionsBuilder, type DataSourceRef,
} from '@grafana/grafana-foundation-sdk/common'
import { DashboardLinkBuilder, FieldColorBuilder, FieldColorModeId, MappingType, ThresholdsConfigBuilder, ThresholdsMode, type Threshold, type ValueMap } from '@grafana/grafana-foundation-sdk/dashboard'
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus'
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat'
import { PanelBuilder as StateTimelineBuilder } from '@grafana/grafana-foundation-sdk/statetimeline'
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table'
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries'

/** What every panel says of itself. `unit`: Grafana's name of it; `ratio` is from 0 to 1. */
export interface PanelText { title: string; description: string; unit: keyof typeof units }

export interface PromQuery {
  expr: string
  /** `{{label}}` names a series. */
  legend?: string
}

const units = { count: 'none', number: 'short', ratio: 'percentunit', seconds: 's', perSecond: 'cps', requestsPerSecond: 'reqps', bytes: 'bytes', date: 'dateTimeAsIso', cores: 'none', yesNo: 'bool_yes_no' } as const

/** The dashboard's own variable: whoever imports it picks the Prometheus. */
export const prometheus: DataSourceRef = { type: 'prometheus', uid: '${datasource}' }

export const colours = { good: 'green', bad: 'red', unsure: 'orange', calm: 'blue', idle: 'text' } as const
type Colour = (typeof colours)[keyof typeof colours]
export const verdictColours = { passed: colours.good, failed: colours.bad, inconclusive: colours.unsure } as const

const range = ({ expr, legend }: PromQuery, refId: string): Builder<Dataquery> => {
  const query = new DataqueryBuilder().datasource(prometheus).refId(refId).expr(expr).range()
  return legend === undefined ? query : query.legendFormat(legend)
}
const instant = ({ expr, legend }: PromQuery, refId: string, format = PromQueryFormat.TimeSeries): Builder<Dataquery> => {
  const query = new DataqueryBuilder().datasource(prometheus).refId(refId).expr(expr).instant().format(format)
  return legend === undefined ? query : query.legendFormat(legend)
}
const refIds = 'ABCDEFGHIJ'
const each = (queries: readonly PromQuery[], make: (query: PromQuery, refId: string) => Builder<Dataquery>) => queries.map((query, index) => make(query, refIds.charAt(index)))

const fixed = (colour: string) => ({ id: 'color', value: { mode: FieldColorModeId.Fixed, fixedColor: colour } })
/** The first colour holds below the first value. */
const thresholds = (below: Colour, ...above: readonly [number, Colour][]) =>
  new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps([{ value: null, color: below }, ...above.map(([value, color]): Threshold => ({ value, color }))])

export interface PlotOptions extends PanelText {
  queries: readonly PromQuery[]
  /** Of 24. */
  width?: number
  shape?: 'lines' | 'bars' | 'steps'
  /** By the name of a series. */
  seriesColours?: Readonly<Record<string, string>>
  /** Series with such a name are limits: dashed, and red. */
  limits?: string
}

/** Values over time. */
export function plot({ title, description, unit, queries, width = 12, shape = 'lines', seriesColours = {}, limits }: PlotOptions): TimeseriesBuilder {
  const panel = new TimeseriesBuilder().title(title).description(description).unit(units[unit]).datasource(prometheus).height(8).span(width).targets(each(queries, range))
    .legend(new VizLegendOptionsBuilder().showLegend(true).displayMode(LegendDisplayMode.List).placement(LegendPlacement.Bottom))
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi))
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.PaletteClassic)).showPoints(VisibilityMode.Auto).lineWidth(1).fillOpacity(shape === 'bars' ? 60 : 8)
    .drawStyle(shape === 'bars' ? GraphDrawStyle.Bars : GraphDrawStyle.Line)
  if (unit !== 'number') panel.min(0)
  if (shape === 'steps') panel.lineInterpolation(LineInterpolation.StepAfter)
  if (shape === 'bars') panel.stacking(new StackingConfigBuilder().mode(StackingMode.Normal).group('A'))
  for (const [name, colour] of Object.entries(seriesColours)) panel.overrideByName(name, [fixed(colour)])
  if (limits !== undefined) panel.overrideByRegexp(limits, [fixed(colours.bad), { id: 'custom.lineStyle', value: { fill: 'dash', dash: [10, 10] } }, { id: 'custom.fillOpacity', value: 0 }])
  return panel
}

export interface FigureOptions extends PanelText {
  query: PromQuery
  width?: number
  /** What a number means, in words and with a colour. */
  meanings?: Meanings
  /** From this value on it is bad. */
  badFrom?: number
  /** Below this value it is bad. */
  badBelow?: number
  /** By the name of a series, which is then shown with the value. */
  seriesColours?: Readonly<Record<string, string>>
  /** What is shown where no series is. */
  otherwise?: string
}

/** One number as it is now. */
export function figure({ title, description, unit, query, width = 4, meanings = {}, badFrom, badBelow, seriesColours, otherwise }: FigureOptions): StatBuilder {
  const steps = badFrom !== undefined ? thresholds(colours.good, [badFrom, colours.bad]) : badBelow !== undefined ? thresholds(colours.bad, [badBelow, colours.good]) : thresholds(colours.calm)
  const panel = new StatBuilder().title(title).description(description).unit(units[unit]).datasource(prometheus).height(4).span(width).targets([instant(query, 'A')])
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']).values(false)).graphMode(BigValueGraphMode.None).colorMode(BigValueColorMode.Value)
    .textMode(seriesColours ? BigValueTextMode.ValueAndName : BigValueTextMode.Value).thresholds(steps).mappings(mapped(meanings))
  if (otherwise !== undefined) panel.noValue(otherwise)
  for (const [name, colour] of Object.entries(seriesColours ?? {})) panel.overrideByName(name, [fixed(colour)])
  return panel
}

/** By number: what it means. */
export type Meanings = Readonly<Record<number, { text: string; colour: Colour }>>

const mapped = (meanings: Meanings): ValueMap[] => Object.keys(meanings).length === 0 ? [] : [{
  type: MappingType.ValueToText, options: Object.fromEntries(Object.entries(meanings).map(([value, { text, colour }], index) => [value, { text, color: colour, index }])),
}]

/** Rows of spans: when each series had which meaning. Gaps are gaps: a series that ended is not drawn on. */
export function spans({ title, description, unit, queries, meanings, width = 24, height = 6 }: PanelText & { queries: readonly PromQuery[]; meanings: Meanings; width?: number; height?: number }): StateTimelineBuilder {
  return new StateTimelineBuilder().title(title).description(description).unit(units[unit]).datasource(prometheus).height(height).span(width).targets(each(queries, range))
    .mappings(mapped(meanings)).colorScheme(new FieldColorBuilder().mode(FieldColorModeId.Thresholds)).thresholds(thresholds(colours.calm)).mergeValues(true).showValue(VisibilityMode.Auto)
    .rowHeight(0.8).lineWidth(0).fillOpacity(80).legend(new VizLegendOptionsBuilder().showLegend(false).displayMode(LegendDisplayMode.List).placement(LegendPlacement.Bottom))
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Single))
}

/** One row a series as it is now, with its labels as columns. `value`: what the value's column is called. */
export function list({ title, description, unit, query, value, width = 12, height = 8, runLinks = false }: PanelText & { query: PromQuery; value: string; width?: number; height?: number; runLinks?: boolean }): TableBuilder {
  const panel = new TableBuilder().title(title).description(description).unit(units[unit]).datasource(prometheus).height(height).span(width).filterable(true)
    .targets([instant(query, 'A', PromQueryFormat.Table)])
    .withTransformation({ id: 'organize', options: { excludeByName: { Time: true }, renameByName: { Value: value }, indexByName: {} } })
    .overrideByName('verdict', [
      { id: 'custom.cellOptions', value: { type: 'color-text' } },
      { id: 'mappings', value: [{ type: MappingType.ValueToText, options: Object.fromEntries(Object.entries(verdictColours).map(([verdict, color], index) => [verdict, { text: verdict, color, index }])) }] },
    ])
  if (runLinks) {
    const link = new DashboardLinkBuilder('This run').url('/d/faultline-run?var-datasource=${datasource}&var-run=${__data.fields.run}&${__url_time_range}').build()
    panel.overrideByName('run', [{ id: 'links', value: [link] }])
  }
  return panel
}

/**
 * One number for the value of a label, so that a span can show it: 1 for the first of `values`, and so on. `aggregation`: PromQL of the series with
 * that value, such as `max by (gate) (m{status="holding"})`.
 */
export const coded = (values: readonly string[], aggregation: (value: string) => string): string => values.map((value, index) => `${aggregation(value)} * ${index + 1}`).join(' or ')

/** What those numbers mean. */
export const meaningsOf = (entries: readonly (readonly [string, Colour])[]): Meanings => Object.fromEntries(entries.map(([text, colour], index) => [index + 1, { text, colour }]))
