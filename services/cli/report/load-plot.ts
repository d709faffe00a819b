import { percent } from '#shared/gate-share.ts'
import type { LoadPoint } from '#shared/load-series.ts'
import { printLimit, printMs, printSince, printValue } from './figures.ts'
import type { Mark, Panel, Span, StackedPlot } from './plot.ts'
import type { RunReport } from './run-report.ts'
import { probePanels } from './probe-report.ts'

/** Which numbers of a run the stacked plot shows, with every gate's limit where its number is drawn. Pure. */
export function loadPlot(report: RunReport): StackedPlot {
  const { startMs, endMs, phases, plotted } = report
  return {
    startMs, endMs, phases,
    panels: [...plotted.length === 0 ? gatePanels(report) : [requestsPanel(report), errorsPanel(report), latencyPanel(report)], ...probePanels(report.probes, report.stepMs)],
    spans: spansOf(report),
    marks: marksOf(report),
    tooltips: plotted.map(point => ({ startMs: point.startMs, endMs: point.endMs, text: tooltipOf(point, startMs) })),
  }
}

/** The curve of one number, each at the middle of its step; where steps are missing, it has a hole. */
function curve({ plotted, endMs }: RunReport, valueOf: (point: LoadPoint) => number | null): { atMs: number; value: number | null }[] {
  return plotted.flatMap((point, index) => {
    const before = plotted[index - 1]
    const isAfterHole = before !== undefined && before.endMs < point.startMs
    return [...(isAfterHole ? [{ atMs: before.endMs, value: null }] : []), { atMs: Math.min(endMs, (point.startMs + point.endMs) / 2), value: valueOf(point) }]
  })
}

function requestsPanel(report: RunReport): Panel {
  return {
    title: 'Requests that ended, per second',
    unit: value => String(value),
    curves: [
      { label: 'all, per second', tone: 'requests', filled: true, points: curve(report, point => point.requestsPerSecond) },
      { label: 'failed, per second', tone: 'failed', filled: true, points: curve(report, point => point.failuresPerSecond) },
      { label: 'waiting (count)', tone: 'waiting', filled: false, points: curve(report, point => point.waiting) },
    ],
    limits: [],
  }
}

function errorsPanel(report: RunReport): Panel {
  return {
    title: 'Errors: share of requests that failed or are overdue',
    unit: percent,
    ceiling: 1,
    curves: [{ label: 'bad', tone: 'failed', filled: true, points: curve(report, point => point.badShare) }],
    limits: report.gates.filter(({ kind, sequential }) => (kind === 'errorRate' || kind === 'availability') && !sequential?.control).flatMap(({ name, limits, description }) => limits.map(limit => ({
      label: `${name}: ${printLimit(limit)}`,
      tooltip: `${name}: ${description}`,
      value: limit.breaksWhen === 'above' ? limit.value : 1 - limit.value,
    }))),
  }
}

function latencyPanel(report: RunReport): Panel {
  return {
    title: 'p95 of the response time',
    unit: printMs,
    curves: [{ label: 'waiting requests count with their age', tone: 'latency', filled: true, points: curve(report, point => point.p95Ms) }],
    limits: report.gates.flatMap(({ name, slowAfterMs, limits, description }) => slowAfterMs === undefined ? [] : [{
      label: `${name}: ${limits.map(printLimit).join(', ')} over ${printMs(slowAfterMs)}`,
      tooltip: `${name}: ${description}`,
      value: slowAfterMs,
    }]),
  }
}

/** Without load of its own, the run is seen through its gates alone. */
function gatePanels({ gates }: RunReport): Panel[] {
  return gates.filter(({ looks }) => looks.length > 0).slice(0, 3).map(({ name, phase, description, limits, looks }) => {
    const unit = limits[0]?.unit ?? 'number'
    return {
      title: `Gate ${name} (${phase})`,
      unit: value => printValue(unit, value),
      ...(unit === 'ratio' && { ceiling: 1 }),
      curves: [{ label: 'its looks', tone: 'requests', filled: false, points: looks.map(({ endMs, value }) => ({ atMs: endMs, value })) }],
      limits: limits.map(limit => ({ label: printLimit(limit), tooltip: description, value: limit.value })),
    }
  })
}

function spansOf({ judgement, startMs, endMs }: RunReport): Span[] {
  return judgement.faults.flatMap(({ id, kind, node, targets, injectedAtMs, revertedAtMs, cause }) => {
    if (injectedAtMs === null) return []
    const isInstant = cause === 'instant'
    const toMs = revertedAtMs ?? (isInstant ? injectedAtMs : endMs)
    const until = isInstant ? 'done in an instant' : revertedAtMs === null ? 'not confirmed as reverted' : `${printMs(revertedAtMs - injectedAtMs)}, ended by ${cause ?? 'nobody knows'}`
    return [{
      label: `${kind} on ${node}: ${until}`,
      startMs: injectedAtMs, endMs: Math.max(injectedAtMs, toMs),
      tooltip: `${id} on ${node}, from ${printSince(startMs, injectedAtMs)} (${until}): ${targets.join('; ')}`,
    }]
  })
}

function marksOf({ gates, abort, startMs }: RunReport): Mark[] {
  const breaches = gates.flatMap(({ name, breachedAtMs }) => breachedAtMs === undefined ? [] : [{ label: `${name} breached at ${printSince(startMs, breachedAtMs)}`, atMs: breachedAtMs, kind: 'breach' as const }])
  return [...breaches, ...(abort ? [{ label: `abort (${abort.cause}) at ${printSince(startMs, abort.atMs)}`, atMs: abort.atMs, kind: 'abort' as const }] : [])]
}

function tooltipOf(point: LoadPoint, startMs: number): string {
  const share = point.badShare === null ? 'nothing ended' : `${percent(point.badShare)} bad`
  return `${printSince(startMs, point.startMs)} to ${printSince(startMs, point.endMs)}: ${point.requestsPerSecond} requests/s, ${point.failuresPerSecond} failed/s, ${share}, ${point.waiting} waiting, p95 ${printMs(point.p95Ms)}, ${point.users} users`
}
