import { html, svg, type Content, type Element } from './element.ts'
import { ticks, timeStepMs } from './figures.ts'

/** Plots over a run's time as SVG; colours are classes. Pure; dates are milliseconds. Each has its numbers as a table too. */
export interface TimeAxis {
  fromMs: number
  toMs: number
  /** In pixels, margins included. */
  width: number
}

export interface Point { atMs: number; value: number | null }
export type Tone = 'plain' | 'bad' | 'waiting' | 'latency'
/** A fault: it held from then to then. */
export interface Span { label: string; fromMs: number; toMs: number }
export interface Mark { label: string; atMs: number; tone: 'breach' | 'abort' }

export interface Plot {
  /** Names the plot in the document: letters, digits, dashes. */
  id: string
  title: string
  axis: TimeAxis
  unit: (value: number) => string
  /** No value is greater: 1 for a share. */
  ceiling?: number
  curves: { label: string; tone: Tone; points: readonly Point[] }[]
  limits: { label: string; value: number; breaksWhen: 'above' | 'below' }[]
  spans: readonly Span[]
  marks: readonly Mark[]
}

export const leftMargin = 60
export const rightMargin = 12
const top = 8
const plotHeight = 104
const bottom = top + plotHeight
const height = bottom + 22
/** A line says as much as so many dots. */
const maxDots = 240
const tableRows = 40

function scaleOf(from: number, to: number, low: number, high: number): (value: number) => number {
  const span = to - from || 1
  return value => Number((low + (value - from) / span * (high - low)).toFixed(1))
}

export const timeScale = ({ fromMs, toMs, width }: TimeAxis) => scaleOf(fromMs, toMs, leftMargin, width - rightMargin)

export function plot(given: Plot): Element {
  const { id, title, axis, unit, curves, limits, spans, marks } = given
  const x = timeScale(axis)
  const [low, high] = valueRange(given)
  const y = scaleOf(low, high, bottom, top)
  return html('figure', { class: 'plot', key: id, id: `plot-${id}` },
    html('figcaption', {}, html('h3', {}, title), legend(given)),
    svg('svg', { viewBox: `0 0 ${axis.width} ${height}`, role: 'img', 'aria-label': `${title}: ${inWords(given)}` },
      spans.map(span => spanBand(span, x, top, bottom)),
      ticks(low, high, 3).map(tick => [
        svg('line', { class: 'grid', x1: leftMargin, x2: axis.width - rightMargin, y1: y(tick), y2: y(tick) }),
        svg('text', { class: 'tick', x: leftMargin - 7, y: y(tick) + 4, 'text-anchor': 'end' }, unit(tick)),
      ]),
      limits.map(({ label, value }) => svg('line', { class: 'limit', x1: leftMargin, x2: axis.width - rightMargin, y1: y(value), y2: y(value) }, svg('title', {}, `limit: ${label}`))),
      curves.map(({ tone, points }) => curve(tone, thinned(points, axis), x, y)),
      curves.length === 1 && limits.length > 0 && dots(given, x, y),
      marks.map(({ label, atMs, tone }) => svg('line', { class: `mark ${tone}`, x1: x(atMs), x2: x(atMs), y1: top, y2: bottom }, svg('title', {}, label))),
      timeAxis(axis, x, bottom),
    ),
    html('details', {}, html('summary', {}, 'As a table', html('span', { class: 'unseen' }, `: ${title}`)), table(given)),
  )
}

const spanBand = ({ label, fromMs, toMs }: Span, x: (ms: number) => number, y1: number, y2: number): Element =>
  svg('rect', { class: 'span', x: x(fromMs), y: y1, width: Math.max(2, Number((x(toMs) - x(fromMs)).toFixed(1))), height: y2 - y1 }, svg('title', {}, label))

export function timeAxis({ fromMs, toMs, width }: TimeAxis, x: (ms: number) => number, y: number): Content {
  const anchorAt = (atX: number) => atX < leftMargin + 16 ? 'start' : atX > width - rightMargin - 16 ? 'end' : 'middle' // half of a label would be outside
  const stepMs = timeStepMs(toMs - fromMs, Math.max(2, Math.floor((width - leftMargin) / 80)))
  const count = Math.floor((toMs - fromMs) / stepMs) + 1
  return Array.from({ length: count }, (_, index) => index * stepMs).map(sinceMs => [
    svg('line', { class: 'grid', x1: x(fromMs + sinceMs), x2: x(fromMs + sinceMs), y1: y, y2: y + 4 }),
    svg('text', { class: 'tick', x: x(fromMs + sinceMs), y: y + 16, 'text-anchor': anchorAt(x(fromMs + sinceMs)) }, clock(sinceMs)),
  ])
}

const clock = (ms: number) => ms < 60_000 ? `${ms / 1_000} s` : `${Math.floor(ms / 60_000)}:${String(Math.round(ms / 1_000) % 60).padStart(2, '0')}`

/** From 0 where that leaves enough to see, with some air, and bounded so that the air does not go to infinity. */
function valueRange({ curves, limits, ceiling }: Plot): [number, number] {
  const known = curves.flatMap(({ points }) => points.flatMap(({ value }) => value === null ? [] : [value]))
  const values = [...known, ...limits.map(({ value }) => value)].filter(Number.isFinite).map(value => Math.min(1e300, Math.max(-1e300, value)))
  if (values.length === 0) return [0, ceiling ?? 1]
  const least = values.reduce((a, b) => Math.min(a, b))
  const greatest = values.reduce((a, b) => Math.max(a, b))
  const air = (greatest - least) * 0.12 || Math.abs(greatest) * 0.2 || 1
  const low = least >= 0 && (least < greatest / 2 || least === greatest) ? 0 : least - air
  return [low, ceiling === undefined ? greatest + air : Math.min(Math.max(ceiling, greatest), greatest + air)]
}

/** Of more points than can be seen, the least and the greatest of each stretch, so that no peak is lost. */
function thinned(points: readonly Point[], { width }: TimeAxis): Point[] {
  const stretches = Math.max(50, Math.floor(width / 3))
  if (points.length <= 2 * stretches) return [...points]
  const size = Math.ceil(points.length / stretches)
  return Array.from({ length: Math.ceil(points.length / size) }, (_, index) => points.slice(index * size, (index + 1) * size)).flatMap(stretch => {
    const known = stretch.filter(({ value }) => value !== null)
    if (known.length === 0) return stretch.slice(0, 1)
    const least = known.reduce((a, b) => (b.value ?? 0) < (a.value ?? 0) ? b : a)
    const greatest = known.reduce((a, b) => (b.value ?? 0) > (a.value ?? 0) ? b : a)
    return least === greatest ? [least] : [least, greatest].sort((a, b) => a.atMs - b.atMs)
  })
}

/** Where a value is not known there is a hole. */
function curve(tone: Tone, points: readonly Point[], x: (ms: number) => number, y: (value: number) => number): Element {
  let isOn = false
  const path = points.map(({ atMs, value }) => {
    if (value === null || !Number.isFinite(value)) {
      isOn = false
      return ''
    }
    const step = `${isOn ? 'L' : 'M'}${x(atMs)},${y(value)}`
    isOn = true
    return step
  }).join('')
  return svg('path', { class: `curve ${tone}`, d: path || 'M0,0' })
}

/** A look that breaks a limit is told by its shape too; one without data is a cross at the foot. */
function dots({ curves, limits, unit }: Plot, x: (ms: number) => number, y: (value: number) => number): Content {
  const points = curves[0]?.points ?? []
  if (points.length > maxDots) return undefined
  return points.map(({ atMs, value }) => {
    if (value === null) return svg('path', { class: 'nodata', d: `M${x(atMs)},${bottom - 4}m-3,-3l6,6m0,-6l-6,6` }, svg('title', {}, 'no data'))
    const breaks = limits.some(limit => limit.breaksWhen === 'above' ? value > limit.value : value < limit.value)
    const title = svg('title', {}, unit(value))
    return breaks ? svg('path', { class: 'breaking', d: `M${x(atMs)},${y(value) - 4}l4,4l-4,4l-4,-4z` }, title) : svg('circle', { class: 'holding', cx: x(atMs), cy: y(value), r: 2.5 }, title)
  })
}

function legend({ curves, limits, spans }: Plot): Content {
  const limited = limits.map(({ label }) => label).join(', ')
  return html('ul', { class: 'legend' },
    curves.length > 1 && curves.map(({ label, tone }) => html('li', {}, swatch(`curve ${tone}`), label)),
    limits.length > 0 && html('li', {}, swatch('limit'), `limit ${limited}`),
    spans.length > 0 && html('li', {}, svg('svg', { class: 'swatch', viewBox: '0 0 18 10', 'aria-hidden': 'true' }, svg('rect', { class: 'span', width: 18, height: 10 })), 'fault'),
  )
}

const swatch = (of: string) => svg('svg', { class: 'swatch', viewBox: '0 0 18 10', 'aria-hidden': 'true' }, svg('path', { class: of, d: 'M0,5L18,5' }))

function inWords({ curves, limits, unit, spans }: Plot): string {
  const said = curves.map(({ label, points }) => {
    const values = points.flatMap(({ value }) => value === null ? [] : [value])
    const last = values.at(-1)
    if (last === undefined) return `${label}: no values yet`
    return `${label}: ${values.length} values from ${unit(values.reduce((a, b) => Math.min(a, b)))} to ${unit(values.reduce((a, b) => Math.max(a, b)))}, the last ${unit(last)}`
  })
  return [...said, ...limits.map(({ label }) => `limit ${label}`), spans.length === 0 ? 'no fault' : `faults: ${spans.map(({ label }) => label).join(', ')}`].join('; ')
}

/** At most so many rows; each is the last value of its stretch. */
function table({ axis, curves, unit }: Plot): Element {
  const all = curves[0]?.points ?? []
  const size = Math.max(1, Math.ceil(all.length / tableRows))
  const rows = all.flatMap((point, index) => index % size === size - 1 || index === all.length - 1 ? [{ index, atMs: point.atMs }] : [])
  return html('table', {},
    html('thead', {}, html('tr', {}, html('th', { scope: 'col' }, 'since the start'), curves.map(({ label }) => html('th', { scope: 'col' }, label)))),
    html('tbody', {}, rows.map(({ index, atMs }) => html('tr', {},
      html('th', { scope: 'row' }, `${((atMs - axis.fromMs) / 1_000).toFixed(1)} s`),
      curves.map(({ points }) => html('td', {}, printed(points[index]?.value, unit))),
    ))),
  )
}

const printed = (value: number | null | undefined, unit: (value: number) => string) => value === null || value === undefined ? 'no data' : unit(value)
