import type { GateSpec } from '#shared/experiment.ts'
import { beginEProcess, eValue, nextBlock, type EPlan, type EState } from '#shared/e-process.ts'
import { gatherBlock, noSample, silenced, type Sample, type SampleBuffer } from '#shared/gate-blocks.ts'
import { countOnce, percent } from '#shared/gate-share.ts'
import type { CounterRule, LoadSample, Measurement, RequestRule } from '#shared/gate.ts'
import { nothingSeen, type SeenCounters } from '#shared/counter-growth.ts'
import { isEnough, missingRequests, upperBound, type Counts, type PassQuestion } from '#shared/pass-evidence.ts'

/**
 * A gate with a `limit`: what is aborted on and what a pass takes is decided by evidence, not by looks in a row. Of the blocks so far a tally is
 * kept, which costs the same at each block and grows with none. The watch that it belongs to is in gate-watch.ts.
 *
 *   rate:   breached when the e-process of the blocks' shares reaches what it takes: no stretch may be worse
 *   budget: breached when more requests were bad than the whole run may have
 *   both:   holding, and at the end passed, only when the share over the whole phase is below the limit beyond doubt
 *
 * A block's share is the gate's own measurement, in which a request that hangs is bad in each block anew: stalled users send nothing else. In
 * budget and pass each request counts once.
 */
export interface SequentialSpec {
  limit: { is: 'rate'; eNeeded: number; plan: EPlan } | { is: 'budget'; requests: number; mostBad: number }
  blockMs: number
  counted: CountedFrom
  pass: PassQuestion
}

/** Single requests of the load stream, or the growth of the service's own counters; `sum`: of all their series together. */
export type CountedFrom = { is: 'stream'; requests: RequestRule } | { is: 'counters'; counters: CounterRule; sum: boolean }

/** Plain JSON. `measured`: blocks that could be read. `waiting`: of each worker, overdue requests that have been counted. `enough`: for a pass. */
export interface Tally extends Counts {
  blocks: number
  measured: number
  enough: boolean
  waiting: Readonly<Record<string, number>>
  /** Of a rate alone. */
  process?: EState
  /** Of a gate on counters alone. */
  counters?: CounterTally
}

/** Plain JSON: what a gate on counters has of them; gate-counters.ts counts it. */
export interface CounterTally {
  seen: SeenCounters
  /** End of the last block whose answer came; undefined: none did. */
  answeredMs?: number
  badAtMost: number
  intervalMs?: number
  /** That no bucket ends at the limit, in words. */
  gap?: string
  resets: number
  appeared: number
  /** Blocks that only gave what later ones are counted from. */
  baselines: number
}

export const nothingCounted: CounterTally = { seen: nothingSeen, badAtMost: 0, resets: 0, appeared: 0, baselines: 0 }

export const beginTally = ({ limit, counted }: SequentialSpec): Tally => ({
  blocks: 0, measured: 0, bad: 0, total: 0, enough: false, waiting: {}, ...(limit.is === 'rate' && { process: beginEProcess(limit.plan) }),
  ...(counted.is === 'counters' && { counters: nothingCounted }),
})

/** The next block of the load stream, or undefined while a sample of it may still come. */
export function readTally(gate: GateSpec, spec: SequentialSpec, rule: RequestRule, tally: Tally, buffer: SampleBuffer, startMs: number): { tally: Tally; measurement: Measurement } | undefined {
  const endMs = startMs + spec.blockMs
  const gathered = gatherBlock(buffer, startMs, endMs)
  if (!gathered) return undefined
  const samples = gathered.samples.toSorted((a, b) => a.endMs - b.endMs)
  const latestByWorker = [...new Map(samples.map(sample => [sample.worker, sample])).values()]
  const seen: Measurement = samples.length === 0 ? noSample : gate.rule.measure({ startMs, endMs, samples, latestByWorker })
  // What a silent worker's block has is evidence all the same; that it was looked at in full it is not.
  const measurement = seen.is === 'measured' && !seen.breaks && gathered.silent.length > 0 ? silenced(gathered.silent) : seen
  const counted = samples.reduce((sum, sample) => withSample(rule, sum, sample, buffer.samples, startMs), tally)
  return { measurement, tally: withBlock(spec, counted, measurement, seen) }
}

/** One block more, whose requests are in the tally already. `seen`: what it says of the share; `measurement`: the same, unless it was not looked at in full. */
export function withBlock({ limit, pass }: SequentialSpec, counted: Tally, measurement: Measurement, seen: Measurement): Tally {
  return {
    ...counted,
    blocks: counted.blocks + 1,
    measured: counted.measured + (measurement.is === 'measured' ? 1 : 0),
    enough: isEnough(atMost(counted), pass),
    ...(limit.is === 'rate' && counted.process && { process: nextBlock(limit.plan, counted.process, badShareOf(seen)) }),
  }
}

/** What a pass is held against: where counters leave open how many were bad, as many as may have been. */
const atMost = ({ bad, total, counters }: Tally): Counts => ({ bad: counters?.badAtMost ?? bad, total })

/** What was overdue before the first sample of the phase was not its doing. */
function withSample(rule: RequestRule, tally: Tally, sample: LoadSample, known: readonly Sample[], blockStartMs: number): Tally {
  const counted = Object.hasOwn(tally.waiting, sample.worker) ? tally.waiting[sample.worker] : undefined // a worker may be called anything
  const before = counted ?? waitingBefore(rule, known, sample.worker, blockStartMs)
  const { bad, total, waiting } = countOnce(sample, rule, before)
  return { ...tally, bad: tally.bad + bad, total: tally.total + total, waiting: { ...tally.waiting, [sample.worker]: waiting } }
}

function waitingBefore(rule: RequestRule, known: readonly Sample[], worker: string, atMs: number): number {
  const earlier = known.filter(sample => sample.worker === worker && (sample.startMs + sample.endMs) / 2 < atMs)
  const [last] = earlier.toSorted((a, b) => b.endMs - a.endMs)
  return last ? countOnce(last, rule, 0).waiting : 0
}

const badShareOf = (measurement: Measurement): number | undefined =>
  measurement.is === 'measured' && measurement.bad !== undefined && measurement.total !== undefined ? measurement.bad / measurement.total : undefined

export function isBroken({ limit }: SequentialSpec, tally: Tally): boolean {
  return limit.is === 'rate' ? evidenceAgainst(limit, tally) >= limit.eNeeded : tally.bad > limit.mostBad
}

/** More than half the way to a breach: of a rate in orders of magnitude, since evidence multiplies. */
export function isBreaking({ limit }: SequentialSpec, tally: Tally): boolean {
  return limit.is === 'rate' ? evidenceAgainst(limit, tally) >= Math.sqrt(limit.eNeeded) : 2 * tally.bad > limit.mostBad
}

const evidenceAgainst = ({ plan }: SequentialSpec['limit'] & { is: 'rate' }, { process }: Tally): number => process ? eValue(plan, process) : 1

/** What the tally had come to at one look: requests so far, and with a rate the evidence against it. */
export interface Standing extends Counts { eValue?: number }

export const standingOf = ({ limit }: SequentialSpec, tally: Tally): Standing => ({ bad: tally.bad, total: tally.total, ...(limit.is === 'rate' && { eValue: evidenceAgainst(limit, tally) }) })

/** Why the requests do not amount to a pass, or undefined. */
export function missingForPass({ pass }: SequentialSpec, tally: Tally): string | undefined {
  const missing = missingRequests(atMost(tally), pass)
  if (missing === 0) return undefined
  const { bad, total } = atMost(tally)
  if (isEnough(tally, pass)) return `${tally.counters?.gap ?? 'the buckets are too wide'}: ${printCounts(tally)} requests, which may be a pass and may be none`
  return `${missing} more requests without a bad one were needed for a pass: ${bad} bad of ${total} do not rule out ${percent(pass.budget)}`
}

/** `12 bad of 500`; `12 to 40 bad of 500` where counters leave it open. */
export function printCounts(tally: Tally): string {
  const { bad, total } = atMost(tally)
  return `${tally.bad === bad ? bad : `${tally.bad} to ${bad}`} bad of ${total}`
}

/** What the tally comes to, as numbers. Plain JSON. */
export interface SequentialFigures extends Counts {
  limit: 'rate' | 'budget'
  blocks: number
  /** Of counters that leave it open: bad requests that there may have been. */
  badAtMost?: number
  /** Of counters: series that began anew, and series that first appeared. */
  resets?: number
  appeared?: number
  /** Largest share of bad requests that is still believable. */
  upperBound: number
  missingRequests: number
  /** Of a rate: what it has come to, and what it takes. */
  eValue?: number
  eNeeded?: number
  /** Of a budget: bad requests that the whole run may have. */
  mostBad?: number
}

export function figuresOf(spec: SequentialSpec, tally: Tally): SequentialFigures {
  const { limit, pass } = spec
  const { bad, total, blocks, counters } = tally
  const most = atMost(tally)
  return {
    limit: limit.is, blocks, bad, total, ...(most.bad !== bad && { badAtMost: most.bad }), ...(counters && { resets: counters.resets, appeared: counters.appeared }),
    upperBound: upperBound(most, pass), missingRequests: missingRequests(most, pass),
    ...(limit.is === 'rate' ? { eValue: evidenceAgainst(limit, tally), eNeeded: limit.eNeeded } : { mostBad: limit.mostBad }),
  }
}

/** `E = 3.1 of 60 needed`, `12 of 300 bad requests spent`. */
export function printAgainst(spec: SequentialSpec, tally: Tally): string {
  const { limit } = spec
  return limit.is === 'rate' ? `E = ${short(evidenceAgainst(limit, tally))} of ${short(limit.eNeeded)} needed` : `${tally.bad} of ${limit.mostBad} bad requests spent`
}

/** `210 of 299 requests for a pass`. */
export function printForPass(spec: SequentialSpec, tally: Tally): string {
  const missing = missingRequests(atMost(tally), spec.pass)
  return missing === 0 ? `enough for a pass (below ${percent(upperBound(atMost(tally), spec.pass))})` : `${tally.total} of ${tally.total + missing} requests for a pass`
}

/** Two digits where that is enough to see it move. */
const short = (value: number): string => value >= 1e6 ? value.toExponential(1) : String(Number(value >= 100 ? value.toFixed(0) : value.toPrecision(2)))

const keptLooks = 240

/**
 * A report cannot show more looks than these: beyond, of two neighbours the worse stays. What they said is in the tally.
 */
export function thinned<L extends { measurement: Measurement }>(looks: readonly L[]): readonly L[] {
  if (looks.length <= keptLooks) return looks
  const rank = ({ measurement }: L) => measurement.is === 'no-data' ? -1 : measurement.total ? (measurement.bad ?? 0) / measurement.total : 0
  return looks.flatMap((look, index) => {
    const next = looks[index + 1]
    return index % 2 === 1 ? [] : [next && rank(next) > rank(look) ? next : look]
  })
}
