import type { GateSpec } from '#shared/experiment.ts'
import { beginEProcess, eValue, nextBlock, type EPlan, type EState } from '#shared/e-process.ts'
import { gatherBlock, noSample, silenced, type Sample, type SampleBuffer } from '#shared/gate-blocks.ts'
import { countOnce, percent } from '#shared/gate-share.ts'
import type { CounterRule, LoadSample, Measurement, RequestRule } from '#shared/gate.ts'
import { noCounts, nothingSeen, type CountedBlock, type SeenCounters } from '#shared/counter-growth.ts'
import { excessBound, isExcessRuledOut, missingPairs, type Compared } from '#shared/excess-evidence.ts'
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

/** Single requests of the load stream, or the growth of the service's own counters; `sum`: of all their series together. `control`: what they are compared with. */
export type CountedFrom = { is: 'stream'; requests: RequestRule } | { is: 'counters'; counters: CounterRule; sum: boolean; control?: CounterRule }

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
  /** Of a gate with a control alone. */
  control?: ControlTally
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

/** Plain JSON: what a gate with a control has of that; gate-control.ts counts it. Of its requests `bad` are so at the least. */
export interface ControlTally extends Counts {
  counters: CounterTally
  /** What a pass rests on. */
  compared: Compared
  /** Counts of the control's latest blocks, each half as much as those of the one after it. */
  recent: Counts
  /** What waits for the other arm's counts of the same time. */
  waiting: { own: CountedBlock; control: CountedBlock }
  /** From then on both arms are counted. */
  fromMs?: number
}

export const nothingCompared: ControlTally = {
  bad: 0, total: 0, counters: nothingCounted, compared: { pairs: 0, bad: 0, controlBad: 0 }, recent: { bad: 0, total: 0 }, waiting: { own: noCounts, control: noCounts },
}

export const beginTally = ({ limit, counted }: SequentialSpec): Tally => ({
  blocks: 0, measured: 0, bad: 0, total: 0, enough: false, waiting: {}, ...(limit.is === 'rate' && { process: beginEProcess(limit.plan) }),
  ...(counted.is === 'counters' && { counters: nothingCounted, ...(counted.control && { control: nothingCompared }) }),
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
  return { measurement, tally: withBlock(spec, counted, measurement, byShare(seen)) }
}

/** What a block does to the evidence. */
export type Bet = (plan: EPlan, process: EState) => EState

/** By the block's share, which says something even where the block was not looked at in full. */
export const byShare = (seen: Measurement): Bet => (plan, process) => nextBlock(plan, process, badShareOf(seen))

/** One block more, whose requests are in the tally already. `measurement`: no data too when it was not looked at in full. */
export function withBlock({ limit, pass }: SequentialSpec, counted: Tally, measurement: Measurement, bet: Bet): Tally {
  return {
    ...counted,
    blocks: counted.blocks + 1,
    measured: counted.measured + (measurement.is === 'measured' ? 1 : 0),
    enough: isEnoughFor(pass, counted),
    ...(limit.is === 'rate' && counted.process && { process: bet(limit.plan, counted.process) }),
  }
}

/** What a pass is held against: where counters leave open how many were bad, as many as may have been. */
const atMost = ({ bad, total, counters }: Tally): Counts => ({ bad: counters?.badAtMost ?? bad, total })

const isEnoughFor = (pass: PassQuestion, tally: Tally): boolean => tally.control ? isExcessRuledOut(tally.control.compared, pass) : isEnough(atMost(tally), pass)
const missingFor = (pass: PassQuestion, tally: Tally): number => tally.control ? missingPairs(tally.control.compared, pass) : missingRequests(atMost(tally), pass)
const boundFor = (pass: PassQuestion, tally: Tally): number => tally.control ? excessBound(tally.control.compared, pass) : upperBound(atMost(tally), pass)

/** How many requests a pass takes if none is bad: of either arm where there is a control. */
export const fewestForPass = (spec: SequentialSpec): number => missingFor(spec.pass, beginTally(spec))
export const isControlled = ({ counted }: SequentialSpec): boolean => counted.is === 'counters' && counted.control !== undefined

/** With the requests of one sample more. What was overdue before the first sample of the phase was not its doing. `known`: samples, those from before `blockStartMs` among them. */
export function withSample(rule: RequestRule, tally: Tally, sample: LoadSample, known: readonly Sample[], blockStartMs: number): Tally {
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

/** What the tally had come to at one look: requests so far, those of the control too, and with a rate the evidence against it. */
export interface Standing extends Counts { eValue?: number; control?: Counts }

export const standingOf = ({ limit }: SequentialSpec, tally: Tally): Standing =>
  ({ bad: tally.bad, total: tally.total, ...(tally.control && { control: controlCounts(tally.control) }), ...(limit.is === 'rate' && { eValue: evidenceAgainst(limit, tally) }) })

const controlCounts = ({ bad, total }: ControlTally): Counts => ({ bad, total })

/** Why the requests do not amount to a pass, or undefined. */
export function missingForPass({ pass }: SequentialSpec, tally: Tally): string | undefined {
  const missing = missingFor(pass, tally)
  if (missing === 0) return undefined
  if (tally.control) return `${missing} more requests of either arm without a bad one were needed for a pass: ${printCounts(tally)} do not rule out ${percent(pass.budget)} more than in the control`
  const { bad, total } = atMost(tally)
  if (isEnough(tally, pass)) return `${tally.counters?.gap ?? 'the buckets are too wide'}: ${printCounts(tally)} requests, which may be a pass and may be none`
  return `${missing} more requests without a bad one were needed for a pass: ${bad} bad of ${total} do not rule out ${percent(pass.budget)}`
}

/** `12 bad of 500`; `12 to 40 bad of 500` where counters leave it open; `12 bad of 500 against the control's 9 bad of 480`. */
export function printCounts(tally: Tally): string {
  const { bad, total } = atMost(tally)
  const own = `${printBad(tally.bad, bad)} bad of ${total}`
  const { control } = tally
  return control ? `${own} against the control's ${printBad(control.bad, control.counters.badAtMost)} bad of ${control.total}` : own
}

const printBad = (least: number, most: number): string => least === most ? String(least) : `${least} to ${most}`

/** What the tally comes to, as numbers. Plain JSON. */
export interface SequentialFigures extends Counts {
  limit: 'rate' | 'budget'
  blocks: number
  /** Of counters that leave it open: bad requests that there may have been. */
  badAtMost?: number
  /** Of counters: series that began anew, and series that first appeared. */
  resets?: number
  appeared?: number
  /** Of a gate with a control: that one's requests, and of how many of either arm, as far as they may be compared, the evidence is. */
  control?: Counts & { badAtMost?: number; compared: number }
  /** Largest share of bad requests that is still believable; with a control, by how much it is above that one's. */
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
  const { bad, total, blocks, counters, control } = tally
  const most = atMost(tally)
  return {
    limit: limit.is, blocks, bad, total, ...(most.bad !== bad && { badAtMost: most.bad }), ...(counters && { resets: counters.resets, appeared: counters.appeared }),
    ...(control && { control: controlFigures(control) }), upperBound: boundFor(pass, tally), missingRequests: missingFor(pass, tally),
    ...(limit.is === 'rate' ? { eValue: evidenceAgainst(limit, tally), eNeeded: limit.eNeeded } : { mostBad: limit.mostBad }),
  }
}

function controlFigures({ bad, total, counters: { badAtMost }, compared }: ControlTally): NonNullable<SequentialFigures['control']> {
  return { bad, total, ...(badAtMost !== bad && { badAtMost }), compared: compared.pairs }
}

/** `E = 3.1 of 60 needed`, `12 of 300 bad requests spent`. */
export function printAgainst(spec: SequentialSpec, tally: Tally): string {
  const { limit } = spec
  return limit.is === 'rate' ? `E = ${short(evidenceAgainst(limit, tally))} of ${short(limit.eNeeded)} needed` : `${tally.bad} of ${limit.mostBad} bad requests spent`
}

/** `210 of 299 requests for a pass`. */
export function printForPass({ pass }: SequentialSpec, tally: Tally): string {
  const missing = missingFor(pass, tally)
  const { control } = tally
  if (missing === 0) return `enough for a pass (${control ? 'less than' : 'below'} ${percent(boundFor(pass, tally))}${control ? ' above the control' : ''})`
  const seen = control ? Math.floor(control.compared.pairs) : tally.total
  return `${seen} of ${seen + missing} requests${control ? ' of either arm' : ''} for a pass`
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
