import { scaleLinear, type ScaleLinear } from 'd3-scale'
import { area, line } from 'd3-shape'
import { markup, type Content, type Markup } from './markup.ts'

/**
 * Plots as SVG without a script: many viewers of build artifacts run none. Colours are classes, which the page's style sheet defines for
 * light and dark. Pure; dates are milliseconds.
 */
export type Tone = 'requests' | 'failed' | 'waiting' | 'latency' | 'share'
interface Point { atMs: number; value: number | null }

export interface Panel {
  title: string
  unit: (value: number) => string
  /** No value is greater: 1 for a share. */
  ceiling?: number
  curves: { label: string; tone: Tone; filled: boolean; points: readonly Point[] }[]
  limits: LimitLine[]
}

interface LimitLine { label: string; tooltip: string; value: number }

/** A fault: it held from then to then, or was done in an instant. */
export interface Span { label: string; startMs: number; endMs: number; tooltip: string }
export interface Mark { label: string; atMs: number; kind: 'breach' | 'abort' }

export interface StackedPlot {
  startMs: number
  endMs: number
  panels: Panel[]
  spans: Span[]
  marks: Mark[]
  phases: { phase: string; startMs: number; endMs: number }[]
  /** What the mouse is told over a stretch of time. */
  tooltips: { startMs: number; endMs: number; text: string }[]
}

type Scale = ScaleLinear<number, number>

const width = 1_040
const left = 66
const right = width - 14
const panelHeight = 132
const panelGap = 40
const labelRow = 18
/** More labels than this stand in no row of their own; their marks keep the tooltips. */
const maxLabels = 8

/** Plots one above the other over one time axis; faults are shaded through all of them. */
export function stackedPlot({ startMs, endMs, panels, spans, marks, phases, tooltips }: StackedPlot): Markup {
  const x = scaleLinear([startMs, Math.max(endMs, startMs + 1_000)], [left, right])
  const labels = [...spans.map(({ label, startMs: atMs }) => ({ label, atMs, tone: 'fault' })), ...marks.map(({ label, atMs, kind }) => ({ label, atMs, tone: kind }))].slice(0, maxLabels)
  const top = labels.length * labelRow + 34
  const bottom = top + panels.length * (panelHeight + panelGap) - panelGap
  const height = bottom + 62
  return markup`<svg class="plot" viewBox="0 0 ${width} ${height}" role="img" aria-label="${panels.map(({ title }) => title).join('; ')}, over the time of the run">
${spans.map(span => markup`<rect class="span" x="${at(x, span.startMs)}" y="${top - 24}" width="${Math.max(2, x(span.endMs) - x(span.startMs)).toFixed(1)}" height="${bottom - top + 24}"><title>${span.tooltip}</title></rect>`)}
${panels.map((panel, index) => drawPanel(panel, x, top + index * (panelHeight + panelGap)))}
${marks.map(({ label, atMs, kind }) => markup`<line class="${kind}" x1="${at(x, atMs)}" x2="${at(x, atMs)}" y1="${top - 24}" y2="${bottom}"><title>${label}</title></line>`)}
${labels.map(({ label, atMs, tone }, row) => rowLabel(label, x(atMs), 13 + row * labelRow, top - 24, tone))}
${tooltips.map(({ startMs: fromMs, endMs: toMs, text }) => markup`<rect class="hover" x="${at(x, fromMs)}" y="${top}" width="${Math.max(0.5, x(toMs) - x(fromMs)).toFixed(1)}" height="${bottom - top}"><title>${text}</title></rect>`)}
${timeAxis(x, startMs, bottom)}
${phases.map(phase => phaseBlock(phase, x, bottom + 34))}
</svg>`
}

/** A label in its own row, with a thin line down to where its mark begins; it turns to the left where it would leave the plot. */
function rowLabel(label: string, atX: number, y: number, markTop: number, tone: string): Markup {
  const isLeft = atX > width * 0.6
  return markup`<line class="leader ${tone}" x1="${atX.toFixed(1)}" x2="${atX.toFixed(1)}" y1="${y - 10}" y2="${markTop}"/>
<text class="label ${tone}" x="${(atX + (isLeft ? -6 : 6)).toFixed(1)}" y="${y}" text-anchor="${isLeft ? 'end' : 'start'}">${shortened(label, 90)}<title>${label}</title></text>`
}

function drawPanel({ title, unit, curves, limits, ceiling }: Panel, x: Scale, top: number): Markup {
  const values = curves.flatMap(({ points }) => points.flatMap(({ value }) => value === null ? [] : [value]))
  const y = valueScale([...values, ...limits.map(({ value }) => value)], ceiling, top + panelHeight, top)
  return markup`<text class="title" x="${left}" y="${top - 9}">${title}</text>${legend(curves, top - 9)}
${gridLines(y, unit)}
${curves.map(curve => drawCurve(curve, x, y))}
${drawLimits(limits, y, left, right)}`
}

/** Right to left, at the height of the title. Widths are estimates: there is nothing here to measure text with. */
function legend(curves: Panel['curves'], y: number): Markup[] {
  let end = right
  return curves.toReversed().map(({ label, tone }) => {
    const start = end - label.length * 6.6 - 18
    end = start - 14
    return markup`<rect class="swatch ${tone}" x="${start.toFixed(1)}" y="${y - 8}" width="10" height="10" rx="2"/><text class="small" x="${(start + 15).toFixed(1)}" y="${y}">${label}</text>`
  })
}

/** Where a value is not known there is a hole; a known point between two holes is drawn as a dot. */
function drawCurve({ tone, filled, points }: Panel['curves'][number], x: Scale, y: Scale): Markup {
  const atX = ({ atMs }: Point) => x(atMs)
  const atY = ({ value }: Point) => y(value ?? 0)
  const isKnown = ({ value }: Point) => value !== null
  const known = points.filter(isKnown)
  const alone = points.filter((point, index) => isKnown(point) && !isKnown(points[index - 1] ?? hole) && !isKnown(points[index + 1] ?? hole))
  const [base] = y.range()
  const fill = filled && known.length > 0 ? markup`<path class="fill ${tone}" d="${area<Point>(atX, base ?? 0, atY).defined(isKnown)([...points]) ?? ''}"/>` : ''
  return markup`${fill}<path class="curve ${tone}" d="${line<Point>(atX, atY).defined(isKnown)([...points]) ?? ''}"/>${alone.map(point => markup`<circle class="dot ${tone}" cx="${atX(point).toFixed(1)}" cy="${atY(point).toFixed(1)}" r="2"/>`)}`
}

const hole: Point = { atMs: 0, value: null }

/** The labels stand side by side, from the right, so that those of limits close together can be read. */
function drawLimits(limits: readonly LimitLine[], y: Scale, x1: number, x2: number): Markup[] {
  const [, top = 0] = y.range()
  let end = x2 - 4
  return limits.map(({ label, tooltip, value }) => {
    const text = shortened(label, 40)
    const atY = y(value)
    const labelX = end
    end -= text.length * 6.4 + 16
    return markup`<line class="limit" x1="${x1}" x2="${x2}" y1="${atY.toFixed(1)}" y2="${atY.toFixed(1)}"><title>${tooltip}</title></line><text class="small limit" x="${labelX.toFixed(1)}" y="${(atY - top < 16 ? atY + 13 : atY - 4).toFixed(1)}" text-anchor="end">${text}<title>${tooltip}</title></text>`
  })
}

function gridLines(y: Scale, unit: (value: number) => string, x1 = left, x2 = right): Markup[] {
  return y.ticks(3).map(tick => markup`<line class="grid" x1="${x1}" x2="${x2}" y1="${y(tick).toFixed(1)}" y2="${y(tick).toFixed(1)}"/><text class="small tick" x="${x1 - 7}" y="${(y(tick) + 4).toFixed(1)}" text-anchor="end">${unit(tick)}</text>`)
}

function timeAxis(x: Scale, startMs: number, y: number, ticks = 10): Content {
  const sinceStart = scaleLinear(x.domain().map(ms => (ms - startMs) / 1_000), x.range())
  return sinceStart.ticks(ticks).map(second => markup`<line class="grid" x1="${sinceStart(second).toFixed(1)}" x2="${sinceStart(second).toFixed(1)}" y1="${y}" y2="${y + 5}"/><text class="small tick" x="${sinceStart(second).toFixed(1)}" y="${y + 19}" text-anchor="middle">${second} s</text>`)
}

function phaseBlock({ phase, startMs, endMs }: StackedPlot['phases'][number], x: Scale, y: number): Markup {
  const wide = x(endMs) - x(startMs)
  const name = wide > phase.length * 7 + 6 ? markup`<text class="small" x="${((x(startMs) + x(endMs)) / 2).toFixed(1)}" y="${y + 14}" text-anchor="middle">${phase}</text>` : ''
  return markup`<g><title>phase ${phase}, ${((endMs - startMs) / 1_000).toFixed(1)} s</title><rect class="phase" x="${at(x, startMs)}" y="${y}" width="${Math.max(1, wide - 2).toFixed(1)}" height="20" rx="4"/>${name}</g>`
}

export interface GatePlot {
  title: string
  /** Time zero of the axis. */
  startMs: number
  unit: (value: number) => string
  ceiling?: number
  limits: (LimitLine & { breaksWhen: 'above' | 'below' })[]
  looks: { endMs: number; value: number | null }[]
  breachedAtMs: number | undefined
}

const gateWidth = 500
const gateLeft = 62
const gateRight = gateWidth - 10
const gateTop = 12
const gateBase = 124
/** A line says as much as so many dots. */
const maxDots = 300

/** One gate's looks against its limit. A look without data is a cross at the foot. */
export function gatePlot({ title, startMs, unit, ceiling, limits, looks, breachedAtMs }: GatePlot): Markup {
  const values = [...looks.flatMap(({ value }) => value === null ? [] : [value]), ...limits.map(({ value }) => value)]
  const ends = looks.map(({ endMs }) => endMs)
  const x = scaleLinear([least(ends) - 500, greatest([...ends, least(ends) + 500])], [gateLeft, gateRight])
  const y = valueScale(values, ceiling, gateBase, gateTop)
  const isBreaking = (value: number) => limits.some(limit => limit.breaksWhen === 'above' ? value > limit.value : value < limit.value)
  const points = looks.map(({ endMs, value }) => ({ atMs: endMs, value }))
  const dots = looks.slice(0, maxDots).map(({ endMs, value }) => {
    const tooltip = `${((endMs - startMs) / 1_000).toFixed(1)} s: ${value === null ? 'no data' : unit(value)}`
    if (value === null) return markup`<path class="nodata" d="M${at(x, endMs)},${gateBase - 4}m-3,-3l6,6m0,-6l-6,6"><title>${tooltip}</title></path>`
    return markup`<circle class="dot ${isBreaking(value) ? 'breaking' : 'holding'}" cx="${at(x, endMs)}" cy="${y(value).toFixed(1)}" r="3"><title>${tooltip}</title></circle>`
  })
  const breach = breachedAtMs === undefined ? '' : markup`<line class="breach" x1="${at(x, breachedAtMs)}" x2="${at(x, breachedAtMs)}" y1="${gateTop}" y2="${gateBase}"><title>breached at ${((breachedAtMs - startMs) / 1_000).toFixed(1)} s</title></line>`
  return markup`<svg class="plot" viewBox="0 0 ${gateWidth} 150" role="img" aria-label="${title}">
${gridLines(y, unit, gateLeft, gateRight)}${drawCurve({ label: '', tone: 'share', filled: false, points }, x, y)}
${drawLimits(limits, y, gateLeft, gateRight)}${breach}${dots}${timeAxis(x, startMs, gateBase, 5)}
</svg>`
}

/** From 0 where that leaves enough to see, with some air, and bounded so that the air does not go to infinity. */
function valueScale(values: readonly number[], ceiling: number | undefined, bottom: number, top: number): Scale {
  const bounded = values.map(value => Math.min(1e300, Math.max(-1e300, value)))
  const [low, high] = [least(bounded), greatest(bounded)]
  const air = (high - low) * 0.12 || Math.abs(high) * 0.1 || 1
  const from = low >= 0 && (low < high / 2 || low === high) ? 0 : low - air
  const scale = scaleLinear([from, high + air], [bottom, top]).nice(3)
  const [niceFrom = 0, niceTo = 1] = scale.domain()
  return ceiling === undefined || niceTo <= ceiling ? scale : scale.domain([niceFrom, Math.max(ceiling, high)])
}

const at = (x: Scale, ms: number): string => x(ms).toFixed(1)
const least = (values: readonly number[]): number => values.reduce((a, b) => Math.min(a, b), values[0] ?? 0)
const greatest = (values: readonly number[]): number => values.reduce((a, b) => Math.max(a, b), values[0] ?? 0)
const shortened = (text: string, length: number): string => text.length > length ? `${text.slice(0, length - 1)}…` : text
