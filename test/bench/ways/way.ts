import type { Lane } from '../lane.ts'

/** A way of ending a breach: somebody who pauses the backend, looks at something, and continues the backend when it looks bad. */
export interface Way {
  /** For `--ways`. */
  name: string
  title: string
  /** How it looks, in a few words. */
  looks: string
  /** Where nobody else puts a load on the lane. */
  needsLoad: boolean
  /** How many lanes it may use at once without one measurement disturbing the other. */
  lanes: number
  /** So long must no request have failed before the next time. */
  quietMs: number
  /** Bars for its median and its p99. */
  bars?: { medianMs?: number; p99Ms: number }
  /** Brings the breach about and ends it. `phase`: where in its own rhythm the breach begins, 0 to 1. Rejects when it did not end it, or not because of what it saw. */
  act(lane: Lane, phase: number, signal: AbortSignal): Promise<void>
}
