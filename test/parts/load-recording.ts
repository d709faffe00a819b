import type { LoadSpec } from '#shared/experiment.ts'
import type { Cell } from '../../services/cli/calibrate/cells.ts'
import { cellMs } from '../../services/cli/calibrate/cells.ts'
import type { Recording } from '../../services/cli/calibrate/recording.ts'
import { blocksOf, type Service } from '../bench/gate-simulation.ts'

/** Counts of a simulated service, as long as its load's samples each. */
export function cellsOfService(service: Service, seconds: number, random: () => number): Cell[] {
  const source = blocksOf(service, cellMs / 1_000, random)
  return Array.from({ length: seconds * 1_000 / cellMs }, () => {
    const cell = { bad: 0, total: 0 }
    source.next(cell)
    return cell
  })
}

export const recordedLoad: LoadSpec = { users: 10, spawnRate: 1, host: 'http://127.0.0.1:8000', parameters: {}, reachedWithinMs: 40_000 }

/** A fault-free run in which one worker has counted this. */
export function recordingOfCells(cells: readonly Cell[], run = 'recorded', startMs = 1_000_000): Recording {
  return {
    run, load: recordedLoad, startMs, endMs: startMs + cells.length * cellMs, notes: [],
    samples: cells.map(({ bad, total }, index) => ({
      worker: 'w1', index, startMs: startMs + index * cellMs, endMs: startMs + (index + 1) * cellMs, users: 10,
      ok: total > bad ? { 20: total - bad } : {}, failed: bad > 0 ? { 20: bad } : {}, inFlight: {}, inFlightTotal: 0, lateMs: 0, dropped: 0, clock: 'boot-1',
    })),
  }
}
