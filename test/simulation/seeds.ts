import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Mutation } from '../parts/mutation.ts'
import type { Fired } from './chaos.ts'
import type { Violation } from './invariants.ts'

/** What came of one seed, as it crosses from thread to thread. */
export interface SeedOutcome { seed: number; violations: Violation[]; fired: [Fired, number][]; verdicts: string[]; simulatedMs: number }
export interface Share { seeds: number[]; isGentle: boolean; mutation: Mutation | undefined }

/** Over many seeds. `fired`: in how many of them, and how often in all. */
export interface Tally {
  seeds: number
  simulatedMs: number
  verdicts: Map<string, number>
  fired: Map<Fired, { seeds: number; times: number }>
  failures: SeedOutcome[]
}

export interface SeedsOptions {
  from: number
  count: number
  /** Of plans in which only schedulers are disturbed (gentle.ts). */
  isGentle?: boolean | undefined
  mutation?: Mutation
  threads?: number
  /** After each; true ends it. */
  onSeed?: (outcome: SeedOutcome, tally: Tally) => boolean | void
}

/** Plays `count` seeds, on all processors. Rejects when the simulation itself falls over. */
export async function playSeeds({ from, count, isGentle = false, mutation, threads = availableParallelism(), onSeed }: SeedsOptions): Promise<Tally> {
  const tally: Tally = { seeds: 0, simulatedMs: 0, verdicts: new Map(), fired: new Map(), failures: [] }
  const shares = Array.from({ length: Math.min(threads, count) }, (_, thread) => Array.from({ length: Math.ceil((count - thread) / Math.min(threads, count)) }, (_, turn) => from + thread + turn * Math.min(threads, count)))
  const workers = shares.map(seeds => new Worker(new URL('seeds-worker.ts', import.meta.url), { workerData: { seeds, isGentle, mutation } satisfies Share }))
  let isOver = false
  const end = () => {
    isOver = true
    for (const worker of workers) void worker.terminate()
  }
  for (const worker of workers) {
    worker.on('message', (outcome: SeedOutcome) => {
      if (isOver) return
      add(tally, outcome)
      if (onSeed?.(outcome, tally) === true) end()
    })
  }
  try {
    await Promise.all(workers.map(worker => once(worker, 'exit'))) // rejects with the worker's error
  } finally {
    end()
  }
  return tally
}

function add(tally: Tally, outcome: SeedOutcome): void {
  tally.seeds += 1
  tally.simulatedMs += outcome.simulatedMs
  for (const verdict of outcome.verdicts) tally.verdicts.set(verdict, (tally.verdicts.get(verdict) ?? 0) + 1)
  for (const [what, times] of outcome.fired) {
    const known = tally.fired.get(what) ?? { seeds: 0, times: 0 }
    tally.fired.set(what, { seeds: known.seeds + 1, times: known.times + times })
  }
  if (outcome.violations.length > 0) tally.failures.push(outcome)
}

export function printTally({ seeds, simulatedMs, verdicts, fired, failures }: Tally): string {
  const share = (count: number) => `${(100 * count / Math.max(1, seeds)).toFixed(1)} %`.padStart(8)
  return [
    `${seeds} seeds, ${(simulatedMs / 3_600_000).toFixed(1)} simulated hours; verdicts: ${[...verdicts].sort(([a], [b]) => a < b ? -1 : 1).map(([verdict, count]) => `${count} ${verdict}`).join(', ') || 'none'}`,
    `${'what fired'.padEnd(32)}${'seeds'.padStart(8)}${''.padStart(8)}${'times'.padStart(10)}`,
    ...[...fired].sort(([a], [b]) => a < b ? -1 : 1).map(([what, { seeds: count, times }]) => `${what.padEnd(32)}${String(count).padStart(8)}${share(count)}${String(times).padStart(10)}`),
    failures.length === 0 ? 'no violation' : `${failures.length} seeds violate an invariant: ${failures.slice(0, 20).map(({ seed }) => seed).join(', ')}${failures.length > 20 ? ' ...' : ''}`,
  ].join('\n')
}
