import { html, svg, type Content, type Element } from './element.ts'
import { brief, limit, percent, value } from './figures.ts'
import { leftMargin, plot, rightMargin, timeAxis, timeScale, type Mark, type Plot, type Point, type Span, type TimeAxis } from './plot.ts'
import { tellingLooks, type GateView, type RunView } from './run-fold.ts'

/** The run over its time: phases and faults, then each gate's SLI, the load and the probes below one another on one axis. Pure. */

/** A run that has just begun is not stretched over the whole width. */
const leastSpanMs = 20_000

export function axisOf(view: RunView, nowMs: number, width: number): TimeAxis {
  const fromMs = view.startMs ?? nowMs
  return { fromMs, toMs: Math.max(fromMs + leastSpanMs, endOf(view, nowMs)), width }
}

const endOf = ({ judged, sealedAtMs, latestMs }: RunView, nowMs: number) => sealedAtMs !== undefined && judged ? sealedAtMs : Math.max(nowMs, latestMs)

export function spansOf(view: RunView, nowMs: number): Span[] {
  return [...view.faults.values()].flatMap(({ id, nodes }) => [...nodes].flatMap(([node, { sinceMs, endedMs }]) => {
    if (sinceMs === undefined) return []
    const toMs = endedMs ?? endOf(view, nowMs)
    return [{ label: `${id}${nodes.size > 1 ? ` on ${node}` : ''}, ${brief(toMs - sinceMs)}`, fromMs: sinceMs, toMs }]
  }))
}

function marksOf({ abort, facts }: RunView): Mark[] {
  const breaches = facts.flatMap(({ kind, fact }): Mark[] => kind === 'gate.status' && (fact.data.status === 'breached' || fact.data.status === 'unreadable')
    ? [{ label: `${fact.data.gate} ${fact.data.status}`, atMs: fact.data.lookEndMs, tone: 'breach' }] : [])
  return [...breaches, ...(abort ? [{ label: `aborting (${abort.cause})`, atMs: abort.atMs, tone: 'abort' as const }] : [])]
}

const rowHeight = 24

/** Phases in a row, then one row a fault. */
export function timeline(view: RunView, nowMs: number, axis: TimeAxis): Element {
  const x = timeScale(axis)
  const endMs = endOf(view, nowMs)
  const phases = [{ phase: 'submitted', atMs: axis.fromMs }, ...view.phases].map(({ phase, atMs }, index, all) => ({ phase, fromMs: atMs, toMs: all[index + 1]?.atMs ?? endMs }))
  const planned = view.plan?.faults.filter(({ id }) => !view.faults.has(id)).map(({ id }) => id) ?? []
  const spans = spansOf(view, nowMs)
  const rows = [...[...view.faults.keys()].map(id => ({ id, spans: spans.filter(({ label }) => label.startsWith(`${id},`) || label.startsWith(`${id} on `)) })), ...planned.map(id => ({ id, spans: [] }))]
  const bottom = 4 + (rows.length + 1) * rowHeight
  return html('figure', { class: 'plot timeline' },
    svg('svg', { viewBox: `0 0 ${axis.width} ${bottom + 22}`, role: 'img', 'aria-label': `Phases: ${phases.map(({ phase, fromMs, toMs }) => `${phase} ${brief(toMs - fromMs)}`).join(', ')}. Faults: ${spans.map(({ label }) => label).join('; ') || 'none yet'}` },
      phases.map(({ phase, fromMs, toMs }, index) => block(phase, x(fromMs), x(toMs), index === phases.length - 1 && !view.judged)),
      rows.map(({ id, spans: held }, index) => faultRow(id, held, x, 4 + (index + 1) * rowHeight, axis)),
      marksOf(view).map(({ label, atMs, tone }) => svg('line', { class: `mark ${tone}`, x1: x(atMs), x2: x(atMs), y1: 2, y2: bottom }, svg('title', {}, label))),
      timeAxis(axis, x, bottom),
    ),
  )
}

function block(phase: string, from: number, to: number, isNow: boolean): Element {
  const wide = Math.max(1, to - from - 1)
  return svg('g', {}, svg('title', {}, phase),
    svg('rect', { class: isNow ? 'phase now' : 'phase', x: from, y: 4, width: Number(wide.toFixed(1)), height: rowHeight - 6, rx: 3 }),
    wide > phase.length * 7 + 6 && svg('text', { class: isNow ? 'tick now' : 'tick', x: Number((from + wide / 2).toFixed(1)), y: rowHeight - 7, 'text-anchor': 'middle' }, phase),
  )
}

function faultRow(id: string, spans: readonly Span[], x: (ms: number) => number, y: number, { width }: TimeAxis): Content {
  const [first] = spans
  const label = first?.label ?? `${id}, not yet`
  const from = first ? x(first.fromMs) : leftMargin
  const last = spans.at(-1)
  const to = last ? x(last.toMs) : from
  const isRight = to + label.length * 7 < width - rightMargin
  return [
    spans.map(({ label: title, fromMs, toMs }) => svg('rect', { class: 'span solid', x: x(fromMs), y: y + 3, width: Math.max(3, Number((x(toMs) - x(fromMs)).toFixed(1))), height: rowHeight - 10, rx: 2 }, svg('title', {}, title))),
    svg('text', { class: 'tick', x: isRight ? to + 6 : from - 6, y: y + 14, 'text-anchor': isRight ? 'start' : 'end' }, label),
  ]
}

/** Each gate that has taken a look, then the load, then the probes. */
export function plots(view: RunView, nowMs: number, axis: TimeAxis): Element[] {
  const shared = { axis, spans: spansOf(view, nowMs), marks: marksOf(view) }
  return [...gatePlots(view), ...loadPlots(view), ...probePlots(view)].map(given => plot({ ...given, ...shared }))
}

type Panel = Omit<Plot, 'axis' | 'spans' | 'marks'>

function gatePlots({ plan, gates }: RunView): Panel[] {
  return (plan?.gates ?? []).flatMap(({ name, limits, description }): Panel[] => {
    const views = [...gates.values()].filter(({ gate, looks }) => gate === name && looks.length > 0)
    if (views.length === 0) return []
    const unit = limits[0]?.unit ?? 'number'
    return [{
      id: `gate-${name}`, title: `${name}: ${description}`, unit: number => value(unit, number), ...(unit === 'ratio' && { ceiling: 1 }),
      curves: [{ label: name, tone: 'plain', points: pointsOf(views) }],
      limits: limits.filter(({ value }) => Number.isFinite(value)).map(each => ({ label: limit(each), value: each.value, breaksWhen: each.breaksWhen })),
    }]
  })
}

/** Looks of one gate in all of its phases, with a hole between two phases. */
function pointsOf(views: readonly GateView[]): Point[] {
  return views.toSorted((a, b) => a.startMs - b.startMs).flatMap((view, index): Point[] =>
    [...(index > 0 ? [{ atMs: view.startMs, value: null }] : []), ...tellingLooks(view).map(({ endMs, value }) => ({ atMs: endMs, value }))])
}

function loadPlots({ load }: RunView): Panel[] {
  if (load.length === 0) return []
  const curve = (of: (point: RunView['load'][number]) => number | null): Point[] => load.map(point => ({ atMs: point.endMs, value: of(point) }))
  const perSecond = (number: number) => Number(number.toPrecision(4)).toLocaleString('en-US')
  return [
    {
      id: 'requests', title: 'Requests that ended, per second', unit: perSecond, limits: [],
      curves: [
        { label: 'all', tone: 'plain', points: curve(({ requestsPerSecond }) => requestsPerSecond) },
        { label: 'failed', tone: 'bad', points: curve(({ failuresPerSecond }) => failuresPerSecond) },
        { label: 'waiting (count)', tone: 'waiting', points: curve(({ waiting }) => waiting) },
      ],
    },
    { id: 'bad', title: 'Share of requests that failed or are overdue', unit: percent, ceiling: 1, limits: [], curves: [{ label: 'bad', tone: 'bad', points: curve(({ badShare }) => badShare) }] },
    { id: 'p95', title: 'p95 of the response time; waiting requests count with their age', unit: brief, limits: [], curves: [{ label: 'p95', tone: 'latency', points: curve(({ p95Ms }) => p95Ms) }] },
  ]
}

function probePlots({ probes }: RunView): Panel[] {
  return [...Map.groupBy(probes.values(), ({ probe }) => probe)].flatMap(([probe, views], index): Panel[] => {
    if (views.every(({ slots }) => slots.length === 0)) return []
    return [{
      id: `probe-${index}`, title: `Probe ${probe}: share of attempts that failed`, unit: percent, ceiling: 1, limits: [],
      curves: views.slice(0, 4).map(({ node, slots }, place) => ({
        label: node, tone: (['bad', 'plain', 'latency', 'waiting'] as const)[place] ?? 'plain',
        points: slots.map(({ atMs, ok, failed }) => ({ atMs, value: failed / Math.max(1, ok + failed) })),
      })),
    }]
  })
}
