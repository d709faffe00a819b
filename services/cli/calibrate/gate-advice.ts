import { findBursts } from './bursts.ts'
import { cellMs, cellsOf, type Cell } from './cells.ts'
import { blocksOfCells, clumpingOf, sumOf } from './clumping.ts'
import type { SequentialGate } from './false-aborts.ts'
import type { Estimate } from './ratio-estimate.ts'
import type { Recording } from './recording.ts'

/** What recordings without faults say of the block and the burst of one gate with a limit. Plain JSON. */
export interface GateAdvice {
  gate: string
  limit: 'rate' | 'budget'
  /** Each request once. */
  bad: number
  total: number
  /** Null: none were seen, and requests fail one by one, or hardly any does. */
  bursts: { count: number; lengthMs: number; lengthAtMostMs: number; badShare: number } | null
  /** D, the index of dispersion; null: hardly any request failed. */
  clumping: Estimate | null
  block: BlockAdvice
  burst: BurstAdvice
}

/**
 * `impossible`: the bursts need longer blocks than fit into the time that the gate is judged. `unknown`: too little failed to say. `any`: a budget is spent by
 * arithmetic, whatever its blocks. Needed are 0 ms where requests fail one by one.
 */
export type BlockAdvice = { is: 'fits' | 'too-short' | 'longer-than-needed' | 'impossible'; nowMs: number; neededMs: number } | { is: 'unknown' | 'any'; nowMs: number }
export type BurstAdvice = { is: 'fits' | 'too-small' | 'more-than-needed'; now: number; needed: number } | { is: 'unknown'; now: number }

/** Fewer bursts, or bad requests that come one by one, have no length to rely on. */
export const leastBursts = 5
export const leastBad = 10

/** A block shorter than this many bursts aborts healthy runs (docs/gates.md). */
const burstsPerBlock = 4
/** Lengths that people would write; each a whole number of samples. */
const blockLengthsMs = [200, 400, 600, 800, 1_000, 1_200, 1_600, 2_000, 2_400, 3_000, 4_000, 5_000, 6_000, 8_000, 10_000, 12_000, 15_000, 20_000, 25_000, 30_000, 40_000, 50_000, 60_000, 80_000, 100_000, 120_000, 180_000, 240_000, 300_000, 400_000, 500_000, 600_000]
/** The file format takes no longer one. */
const longestBlockMs = 600_000
/** D is measured in blocks at least this long, and in no fewer. */
const plainBlockMs = 1_000
const leastBlocks = 20

/** Pure. `phaseMs`: how long the gate is judged in a run. */
export function adviseGate(gate: SequentialGate, recordings: readonly Recording[], phaseMs: number): GateAdvice {
  const { name, sequential: { limit, blockMs, counted: { requests }, pass } } = gate
  const cells = recordings.map(recording => cellsOf(gate, requests, recording))
  const { bad, total } = sumOf(cells.flatMap(({ once }) => once))
  const found = findBursts(cells.map(({ shares }) => shares))
  // a stretch whose share is within the limit is none that could abort a run, however long it is
  const bursts = found && found.badShare > requests.budget ? {
    count: found.count, lengthMs: found.length.value * cellMs, lengthAtMostMs: found.length.atMost * cellMs, badShare: found.badShare,
  } : null
  const longMs = bursts ? burstsPerBlock * bursts.lengthAtMostMs : 0
  const neededMs = bursts ? blockLengthsMs.find(ms => ms >= longMs) ?? Math.ceil(longMs) : 0
  const isKnown = bursts ? bursts.count >= leastBursts : bad >= leastBad
  const clumping = bad < leastBad ? null : clumpingIn(cells.map(({ once }) => once), found?.length)
  return {
    gate: name, limit: limit.is, bad, total, bursts, clumping,
    block: limit.is === 'budget' ? { is: 'any', nowMs: blockMs } : isKnown ? adviseBlock(blockMs, neededMs, phaseMs) : { is: 'unknown', nowMs: blockMs },
    burst: isKnown && clumping ? adviseBurst(pass.requestsPerBurst, clumping) : { is: 'unknown', now: pass.requestsPerBurst },
  }
}

/** In blocks that hold most bursts whole. `length`: of a burst, in cells. */
function clumpingIn(recordings: readonly (readonly Cell[])[], length: Estimate | undefined): Estimate | null {
  const perBlock = Math.ceil(Math.max(plainBlockMs / cellMs, burstsPerBlock * (length?.atMost ?? 0)))
  const blocks = recordings.flatMap(cells => blocksOfCells(cells, perBlock))
  return blocks.length < leastBlocks ? null : clumpingOf(blocks, (length?.value ?? 0) / perBlock) ?? null
}

function adviseBlock(nowMs: number, neededMs: number, phaseMs: number): BlockAdvice {
  if (neededMs > Math.min(phaseMs, longestBlockMs)) return { is: 'impossible', nowMs, neededMs }
  return { is: nowMs < neededMs ? 'too-short' : neededMs > 0 && nowMs >= 2 * neededMs ? 'longer-than-needed' : 'fits', nowMs, neededMs }
}

/** Where one by one is believable, nothing is asked for what could be more. */
function adviseBurst(now: number, { atLeast, atMost }: Estimate): BurstAdvice {
  const needed = atLeast <= 1 ? 1 : Math.ceil(atMost)
  return { is: now < needed ? 'too-small' : now >= 2 * needed ? 'more-than-needed' : 'fits', now, needed }
}
