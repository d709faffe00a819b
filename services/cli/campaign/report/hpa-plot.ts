import { loadSeries } from '#shared/load-series.ts'
import { printMs, printSince } from '../../report/figures.ts'
import type { Panel, StackedPlot } from '../../report/plot.ts'
import type { RecordedHpa, RecordedRun } from '../findings.ts'
import type { HpaPoint } from '../hpa-transitions.ts'

const overdueAfterMs = 2_000
/** More steps than this are not told apart on a page. */
const mostSteps = 600

/** Pods, their CPU, and the load beside them, over the time in which the autoscaler was watched. Pure. */
export function hpaPlot({ points, transitions }: RecordedHpa, runs: readonly RecordedRun[]): StackedPlot {
  const [startMs = 0, endMs = 0] = [points[0]?.atMs, points.at(-1)?.atMs]
  const stepMs = 1_000 * Math.max(1, Math.ceil((endMs - startMs) / 1_000 / mostSteps))
  const facts = runs.filter(({ purpose }) => purpose === 'load').flatMap(run => run.facts)
  const load = loadSeries(facts, { fromMs: startMs, stepMs, overdueAfterMs }).filter(point => point.startMs >= startMs && point.endMs <= endMs)
  const overTime = (valueOf: (point: HpaPoint) => number | null) => points.map(point => ({ atMs: point.atMs, value: valueOf(point) }))
  const ofLoad = (valueOf: (point: typeof load[number]) => number | null) => load.map(point => ({ atMs: (point.startMs + point.endMs) / 2, value: valueOf(point) }))
  const panels: Panel[] = [
    { title: 'Pods', unit: String, limits: [], curves: [{ label: 'ready', tone: 'requests', filled: true, points: overTime(({ ready }) => ready) }, { label: 'wanted', tone: 'waiting', filled: false, points: overTime(({ desired }) => desired) }] },
    { title: 'CPU of what they request', unit: value => `${value} %`, limits: [], curves: [{ label: 'used', tone: 'latency', filled: true, points: overTime(({ cpuPercent }) => cpuPercent) }] },
    {
      title: 'Requests that ended, per second', unit: String, limits: [],
      curves: [{ label: 'all', tone: 'requests', filled: true, points: ofLoad(({ requestsPerSecond }) => requestsPerSecond) }, { label: 'failed', tone: 'failed', filled: true, points: ofLoad(({ failuresPerSecond }) => failuresPerSecond) }],
    },
    { title: 'p95 of the response time', unit: printMs, limits: [], curves: [{ label: 'p95', tone: 'latency', filled: true, points: ofLoad(({ p95Ms }) => p95Ms) }] },
  ]
  return {
    startMs, endMs, panels, marks: [], phases: [],
    spans: transitions.flatMap(transition => transition.is === 'seen' ? [{
      label: `${transition.from} -> ${transition.to} in ${Math.round(transition.tookMs / 1_000)} s`, startMs: transition.startedAtMs, endMs: transition.endedAtMs,
      tooltip: `from ${printSince(startMs, transition.startedAtMs)} to ${printSince(startMs, transition.endedAtMs)}`,
    }] : []),
    tooltips: load.map(point => ({ startMs: point.startMs, endMs: point.endMs, text: `${printSince(startMs, point.startMs)}: ${point.requestsPerSecond} requests/s, p95 ${printMs(point.p95Ms)}, ${point.users} users` })),
  }
}
