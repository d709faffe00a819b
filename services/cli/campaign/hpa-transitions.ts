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
 * Pure. Points in order of time. An autoscaler that has just been made wants 0 until its first figure, and may want more than `first` then: it stands where
 * its pods are.
 */
export function transitions(points: readonly HpaPoint[], [first, ...rest]: readonly number[]): Transition[] {
  if (first === undefined) return []
  let from = first
  const decided = points.map(point => point.desired === 0 ? { ...point, desired: point.ready, current: point.ready } : point)
  let ahead: readonly HpaPoint[] = decided.slice(firstIndex(decided, point => isAt(point, first)))
  return rest.map(to => {
    const found = walk(ahead, from, to)
    ahead = found.ahead
    from = to
    return found.transition
  })
}

/** `ahead`: the points from the end of the leg on; none when it was not walked. */
function walk(points: readonly HpaPoint[], from: number, to: number): { transition: Transition; ahead: readonly HpaPoint[] } {
  let startedAtMs = NaN
  for (const [index, point] of points.entries()) {
    if (point.desired === from) startedAtMs = NaN
    else if (Number.isNaN(startedAtMs)) startedAtMs = point.atMs
    if (index > 0 && isAt(point, to)) {
      return { transition: { from, to, is: 'seen', startedAtMs, endedAtMs: point.atMs, tookMs: point.atMs - startedAtMs }, ahead: points.slice(index) }
    }
  }
  const why = points.length === 0 ? `it was never at ${from} pods before` : farthest(points, from, to)
  return { transition: { from, to, is: 'missing', why }, ahead: [] }
}

/** Past the end when there is none. */
function firstIndex(points: readonly HpaPoint[], holds: (point: HpaPoint) => boolean): number {
  const index = points.findIndex(holds)
  return index === -1 ? points.length : index
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
