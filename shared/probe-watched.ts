/** When a prober was looking. Pure. */

export interface Span { startMs: number; endMs: number }

/** A prober that has begun no attempt for longer than this was not looking. */
const holeMs = 2_000

/** Adds the dates of slots, in the order of their starts: a new span after a hole. */
export function watchedOf(before: readonly Span[], dates: readonly number[]): Span[] {
  const spans = [...before]
  for (const atMs of dates) {
    const last = spans.at(-1)
    if (last && atMs - last.endMs <= holeMs) spans[spans.length - 1] = { startMs: last.startMs, endMs: Math.max(last.endMs, atMs) }
    else spans.push({ startMs: atMs, endMs: atMs })
  }
  return spans
}

/** The longest time within `whole` that none of the spans covers, if it is too long to say what happened in it. Slow probes are given their pace. */
export function longestHole(spans: readonly Span[], whole: Span, intervalMs: number): Span | undefined {
  let seenMs = whole.startMs
  let worst: Span = { startMs: seenMs, endMs: seenMs }
  const look = (startMs: number, endMs: number) => {
    if (Math.min(startMs, whole.endMs) - seenMs > worst.endMs - worst.startMs) worst = { startMs: seenMs, endMs: Math.min(startMs, whole.endMs) }
    seenMs = Math.max(seenMs, endMs)
  }
  for (const { startMs, endMs } of spans.toSorted((a, b) => a.startMs - b.startMs)) look(startMs, endMs)
  look(whole.endMs, whole.endMs)
  return worst.endMs - worst.startMs > Math.max(holeMs, 3 * intervalMs) ? worst : undefined
}
