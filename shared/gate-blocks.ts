import type { FactData } from '#shared/events.ts'
import type { GateSpec } from '#shared/experiment.ts'
import type { Measurement } from '#shared/gate.ts'

/**
 * Cuts the stream of load samples into blocks. A sample belongs to the block that holds its midpoint: workers cut their samples some
 * milliseconds early or late, and half a sample either way decides nothing.
 */
export type Sample = FactData<'load.sample'>

/** Recent samples in the order in which they came, and how late it is. */
export interface SampleBuffer {
  samples: readonly Sample[]
  /** Latest date of a slo.tick. */
  tickMs: number
}

/** A worker's next sample after one that ends within this of a block's end has its midpoint in the next block. */
const halfSampleMs = 100
/** A block does not wait longer than this for a worker. */
const patienceMs = 500
/** A worker not heard for this long before a block's end is gone: nobody waits for it. */
const heardLatelyMs = 2_000

/** Adds a sample, once, and forgets those older than `keepMs`: by the ticks, since one worker's wrong clock must not take away the samples of others. */
export function remember(buffer: SampleBuffer, sample: Sample, keepMs: number): SampleBuffer {
  const isKnown = buffer.samples.some(known => known.index === sample.index && known.worker === sample.worker && known.startMs === sample.startMs)
  if (isKnown) return buffer
  return { ...buffer, samples: [...buffer.samples.filter(({ endMs }) => endMs > buffer.tickMs - keepMs), sample] }
}

/** What came of a block. `silent`: workers that were there and did not report most of it. */
export interface GatheredBlock { samples: Sample[]; silent: string[] }

/** The block's samples, or undefined while one of it may still come. */
export function gatherBlock(buffer: SampleBuffer, startMs: number, endMs: number): GatheredBlock | undefined {
  const lastEnds = lastEndByWorker(buffer, endMs)
  const allHeard = lastEnds.size > 0 && [...lastEnds.values()].every(lastMs => lastMs > endMs - halfSampleMs)
  if (!allHeard && buffer.tickMs < endMs + patienceMs) return undefined
  const samples = buffer.samples.filter(sample => holds(startMs, endMs, sample))
  return { samples, silent: [...lastEnds.keys()].filter(worker => coveredMs(samples, worker) < (endMs - startMs) / 2).sort() }
}

export const noSample = { is: 'no-data', why: 'no load sample came' } as const

/** What was seen is enough to break a limit, but not to hold one while a worker's counts are missing. */
export const silenced = (silent: readonly string[]): Measurement => ({ is: 'no-data', why: `worker ${silent.join(', ')} did not report most of it` })

/** The block's measurement, or undefined while a sample of it may still come. */
export function readBlock(buffer: SampleBuffer, gate: GateSpec, startMs: number, endMs: number): Measurement | undefined {
  const gathered = gatherBlock(buffer, startMs, endMs)
  if (!gathered) return undefined
  const { samples, silent } = gathered
  if (samples.length === 0) return noSample
  const latestByWorker = [...new Map(samples.map(sample => [sample.worker, sample])).values()]
  const measured = gate.rule.measure({ startMs, endMs, samples, latestByWorker })
  if (measured.is === 'no-data') return measured
  if (measured.total !== undefined && measured.total < gate.minRequests) return { is: 'no-data', why: `${measured.total} requests, fewer than minRequests (${gate.minRequests})` }
  return !measured.breaks && silent.length > 0 ? silenced(silent) : measured
}

/** Whether a sample belongs to the block, or to one of the blocks, between these dates. */
export const holds = (startMs: number, endMs: number, sample: Sample) => {
  const midpointMs = (sample.startMs + sample.endMs) / 2
  return midpointMs >= startMs && midpointMs < endMs
}

/** Of the workers heard lately before the block's end: where each one's last sample ends. */
function lastEndByWorker({ samples }: SampleBuffer, blockEndMs: number): Map<string, number> {
  const ends = new Map<string, number>()
  for (const { worker, startMs, endMs } of samples) {
    const isFromThen = endMs > blockEndMs - heardLatelyMs && startMs < blockEndMs
    if (isFromThen || ends.has(worker)) ends.set(worker, Math.max(ends.get(worker) ?? 0, endMs))
  }
  return ends
}

function coveredMs(samples: readonly Sample[], worker: string): number {
  return samples.reduce((sum, sample) => sample.worker === worker ? sum + sample.endMs - sample.startMs : sum, 0)
}
