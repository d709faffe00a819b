import { betaQuantile } from '#shared/beta-distribution.ts'
import type { GateSpec } from '#shared/experiment.ts'
import type { Sample } from '#shared/gate-blocks.ts'
import { beginTally, isBroken, readTally, type SequentialSpec } from '#shared/gate-sequential.ts'
import { missingRequests } from '#shared/pass-evidence.ts'
import { cellMs } from './cells.ts'
import type { Recording } from './recording.ts'

/** How often gates with a limit would have aborted runs in which nothing was wrong. */
export interface FalseAborts {
  /** As long as a run's gates are judged, and none overlapping another: so much has been seen. */
  windows: number
  /** Beginnings that were tried, several in a window, and how many of them a gate aborted. */
  starts: number
  aborted: number
  /** `aborted` of `starts`. */
  rate: number
  /** Two-sided interval of 95 %. */
  atLeast: number
  atMost: number
  /** Of each gate by itself. */
  byGate: { gate: string; aborted: number }[]
}

/** One that counts the requests of the load, as recordings do. */
export type SequentialGate = GateSpec & { sequential: SequentialSpec & { counted: { is: 'stream' } } }

/** A false abort depends on where in a recording a run begins; more would not differ from these. */
const startsPerWindow = 8

/**
 * Replays the decision of the gates, by the code that makes it in a run, over windows of recordings as long as their phase. Overlapping windows tell of the
 * rate what one cut into windows would leave to chance, but they are no more evidence: the interval is that of Clopper and Pearson for as many
 * windows as do not overlap, and for the part of them that the rate makes (Korn and Graubard 1998). Undefined when no recording is as long. Pure.
 */
export function falseAbortsOf(gates: readonly SequentialGate[], recordings: readonly Recording[], phaseMs: number): FalseAborts | undefined {
  const windows = recordings.reduce((sum, { startMs, endMs }) => sum + Math.floor((endMs - startMs) / phaseMs), 0)
  if (windows === 0) return undefined
  const tried = recordings.flatMap(recording => startsIn(recording, phaseMs).map(startMs => gates.map(gate => isAborted(gate, recording, startMs, phaseMs))))
  const aborted = tried.filter(gatesAborted => gatesAborted.includes(true)).length
  const rate = aborted / tried.length
  return {
    windows, starts: tried.length, aborted, rate, ...intervalOf(rate * windows, windows),
    byGate: gates.map(({ name }, index) => ({ gate: name, aborted: tried.filter(gatesAborted => gatesAborted[index]).length })),
  }
}

/** How much longer a recording of no false abort would have to go on to show, with 95 %, that fewer than `alpha` of runs are aborted; 0 when it is shown. */
export function missingMs({ rate, windows }: FalseAborts, alpha: number, phaseMs: number): number {
  return phaseMs * missingRequests({ bad: rate * windows, total: windows }, { budget: alpha, alpha: 0.05, requestsPerBurst: 1 })
}

function startsIn({ startMs, endMs }: Recording, phaseMs: number): number[] {
  const stepMs = Math.max(cellMs, Math.ceil(phaseMs / startsPerWindow / cellMs) * cellMs)
  return Array.from({ length: Math.max(0, Math.floor((endMs - startMs - phaseMs) / stepMs) + 1) }, (_, index) => startMs + index * stepMs)
}

function isAborted(gate: SequentialGate, recording: Recording, startMs: number, phaseMs: number): boolean {
  const { sequential: spec } = gate
  let tally = beginTally(spec)
  for (let atMs = startMs; atMs + spec.blockMs <= startMs + phaseMs; atMs += spec.blockMs) {
    const read = readTally(gate, spec, spec.counted.requests, tally, { samples: samplesAround(recording.samples, atMs, atMs + spec.blockMs), tickMs: Infinity }, atMs)
    if (!read) return false
    tally = read.tally
    if (isBroken(spec, tally)) return true
  }
  return false
}

/** What a block needs of all samples: those in it, who was heard two seconds before its end, and what waited when it began. */
const neededBeforeMs = 2_500
const neededAfterMs = 1_000

function samplesAround(samples: readonly Sample[], startMs: number, endMs: number): readonly Sample[] {
  return samples.slice(firstAfter(samples, startMs - neededBeforeMs), firstAfter(samples, endMs + neededAfterMs))
}

/** Index of the first that ends later. */
function firstAfter(samples: readonly Sample[], ms: number): number {
  let [low, high] = [0, samples.length]
  while (low < high) {
    const middle = (low + high) >> 1
    const sample = samples[middle]
    if (sample && sample.endMs <= ms) low = middle + 1
    else high = middle
  }
  return low
}

/** Clopper and Pearson's; the count need not be whole. */
function intervalOf(count: number, total: number): Pick<FalseAborts, 'atLeast' | 'atMost'> {
  return {
    atLeast: count <= 0 ? 0 : betaQuantile(0.025, count, total - count + 1),
    atMost: count >= total ? 1 : betaQuantile(0.975, count + 1, total - count),
  }
}
