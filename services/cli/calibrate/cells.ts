import type { GateSpec } from '#shared/experiment.ts'
import type { Sample } from '#shared/gate-blocks.ts'
import { countOnce } from '#shared/gate-share.ts'
import type { RequestRule } from '#shared/gate.ts'
import type { Recording } from './recording.ts'

/** Bad of all requests in a stretch of time. */
export interface Cell { bad: number; total: number }

/** How long the load's samples are: nothing shorter can be seen. */
export const cellMs = 200

/**
 * The hold of a recording in cells, as a gate counts. `shares`: as in the share of a block, where a request that hangs is bad in each cell anew.
 * `once`: as in budget and pass, where each request counts once. Pure.
 */
export function cellsOf(gate: GateSpec, rule: RequestRule, { startMs, endMs, samples }: Recording): { shares: Cell[]; once: Cell[] } {
  const count = Math.floor((endMs - startMs) / cellMs)
  const indexOf = (sample: Sample) => Math.floor(((sample.startMs + sample.endMs) / 2 - startMs) / cellMs)
  const byCell = Map.groupBy(samples, indexOf)
  const once = Array.from({ length: count }, (): Cell => ({ bad: 0, total: 0 }))
  const waiting = new Map<string, number>()
  for (const sample of samples) {
    const counted = countOnce(sample, rule, waiting.get(sample.worker) ?? 0)
    waiting.set(sample.worker, counted.waiting)
    const cell = once[indexOf(sample)]
    if (!cell) continue // before the hold, where only those that wait are of interest, or after it
    cell.bad += counted.bad
    cell.total += counted.total
  }
  const shares = Array.from({ length: count }, (_, index) => shareOf(gate, byCell.get(index) ?? [], startMs + index * cellMs))
  return { shares, once }
}

function shareOf(gate: GateSpec, samples: readonly Sample[], startMs: number): Cell {
  if (samples.length === 0) return { bad: 0, total: 0 }
  const latestByWorker = [...new Map(samples.map(sample => [sample.worker, sample])).values()]
  const measured = gate.rule.measure({ startMs, endMs: startMs + cellMs, samples, latestByWorker })
  const { bad = 0, total = 0 }: Partial<Cell> = measured.is === 'measured' ? measured : {}
  return { bad, total }
}
