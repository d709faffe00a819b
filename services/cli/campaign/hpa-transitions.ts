import type { Sample } from '#shared/gate-blocks.ts'
import { figuresOf, type LoadFigures } from '#shared/load-figures.ts'

/** How an autoscaler and what it scales stood at one moment. Times are Unix epoch, of the clock of whoever looked. */
export interface HpaPoint {
  atMs: number
  /** Pods that the autoscaler wants (`status.desiredReplicas`). */
  desired: number
  /** Pods that there are, as the autoscaler last counted them (`status.currentReplicas`). */
  current: number
  /** CPU that they use, in percent of what they request; null while the autoscaler has no figure. */
  cpuPercent: number | null
  /** Pods that are Ready, as the Deployment says: those that take load. */
  ready: number
}

/**
 * One leg of the way, such as 3 -> 10. It starts with the first point at which the autoscaler wanted something else than `from` and did not come
 * back to it, and is over at the first point at which `to` is wanted, there, and Ready.
 */
export type Transition = { from: number; to: number } & (
  | { is: 'seen'; startedAtMs: number; endedAtMs: number; tookMs: number }
  | { is: 'missing'; why: string }
)

/**
 * The legs of `path` (3, 10, 3: two of them), in order, each sought after the end of the one before. One entry a leg, whether it was seen or not.
 * Pure. Points in order of time.
 */
export function transitions(points: readonly HpaPoint[], path: readonly number[]): Transition[] {
  const legs = path.slice(1).map((to, index) => ({ from: path[index] ?? to, to }))
  let begin = points.findIndex(point => isAt(point, path[0] ?? 0))
  return legs.map(({ from, to }): Transition => {
    if (begin === -1) return { from, to, is: 'missing', why: `it was never at ${from} pods before` }
    const end = points.findIndex((point, index) => index > begin && isAt(point, to))
    if (end === -1) {
      const why = farthest(points.slice(begin), from, to)
      begin = -1
      return { from, to, is: 'missing', why }
    }
    const start = points.findLastIndex((point, index) => index >= begin && index < end && point.desired === from) + 1
    begin = end
    const startedAtMs = points[start]?.atMs ?? 0
    const endedAtMs = points[end]?.atMs ?? 0
    return { from, to, is: 'seen', startedAtMs, endedAtMs, tookMs: endedAtMs - startedAtMs }
  })
}

const isAt = ({ desired, current, ready }: HpaPoint, pods: number) => desired === pods && current === pods && ready === pods

function farthest(points: readonly HpaPoint[], from: number, to: number): string {
  const most = to > from ? Math.max : Math.min
  const reach = (of: (point: HpaPoint) => number) => points.reduce((found, point) => most(found, of(point)), from)
  const cpu = points.flatMap(({ cpuPercent }) => cpuPercent ?? [])
  const range = cpu.length === 0 ? 'no CPU figure' : `CPU ${cpu.reduce((a, b) => Math.min(a, b))} to ${cpu.reduce((a, b) => Math.max(a, b))} %`
  return `from ${from} it came to ${reach(({ desired }) => desired)} wanted and ${reach(({ ready }) => ready)} Ready, not to ${to} (${range})`
}

export interface Span { name: string; startMs: number; endMs: number }

/**
 * The spans in which a transition could cost requests, of those that were seen: `3 -> 10`, `10 -> 3`. `drainMs` longer than the transition itself, for
 * pods that are counted no more still finish what they hold (the shop's have 20 s). Pure.
 */
export function spansOf(seen: readonly Transition[], drainMs = 20_000): Span[] {
  return seen.flatMap(transition => transition.is === 'seen'
    ? [{ name: `${transition.from} -> ${transition.to}`, startMs: transition.startedAtMs, endMs: transition.endedAtMs + drainMs }]
    : [])
}

/**
 * The load in each span: requests that ended in it, how many of them badly, and their times in whole milliseconds (null: there was no request). Pure.
 * `samples`: data of load.sample facts, in any order, doubles allowed; a sample (some 200 ms) belongs where its middle is.
 */
export function figuresIn(samples: readonly Sample[], spans: readonly Span[]): (Span & LoadFigures)[] {
  return spans.map(span => ({ ...span, ...figuresOf(samples.filter(({ startMs, endMs }) => holds(span, (startMs + endMs) / 2))) }))
}

const holds = ({ startMs, endMs }: Span, atMs: number) => atMs >= startMs && atMs < endMs
