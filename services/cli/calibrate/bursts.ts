import type { Cell } from './cells.ts'
import { ratioOf, type Estimate } from './ratio-estimate.ts'

/**
 * How long requests fail together, from counts in short cells of time. The model is that of Gilbert (1960) and Elliott (1963) for errors on a line: a
 * service is quiet or in a burst, changes from one to the other with fixed probabilities, and has in each its own share of bad requests.
 *
 *     quiet --begins--> burst --ends--> quiet
 *
 * What makes the counts most likely is found by expectation maximization (Baum et al. 1970) from several starting points; that it is better than one
 * share for all the time, by the criterion of Schwarz (1978). A cell without requests says nothing, so that it works with few requests too.
 */
export interface Bursts {
  /** How many were seen. */
  count: number
  /** In cells: the length of the burst that a bad request finds itself in, so that long bursts weigh more. */
  length: Estimate
  /** Of the requests, in bursts and outside of them. */
  badShare: number
  quietShare: number
}

interface Model { quiet: number; burst: number; begins: number; ends: number }

/** Lengths in cells with which the search begins. */
const firstLengths = [1.5, 6, 30, 150]
/** What two states have more to choose from than one. */
const moreParameters = 3
const mostSteps = 200
/** Of the logarithm of the likelihood: a step that gains less is the last. */
const leastGain = 0.01
const least = 1e-7

/** Sequences of cells, each without a gap. Undefined when one share explains the counts as well: then requests fail one by one. Pure. */
export function findBursts(sequences: readonly (readonly Cell[])[]): Bursts | undefined {
  const all = sequences.flat().filter(({ total }) => total > 0)
  const bad = all.reduce((sum, cell) => sum + cell.bad, 0)
  const total = all.reduce((sum, cell) => sum + cell.total, 0)
  if (bad === 0 || bad === total) return undefined
  const share = bad / total
  const [best] = firstModels(share).map(model => climb(model, sequences)).toSorted((a, b) => b.logLikelihood - a.logLikelihood)
  const asOne = bad * Math.log(share) + (total - bad) * Math.log1p(-share)
  if (!best || 2 * (best.logLikelihood - asOne) <= moreParameters * Math.log(all.length)) return undefined
  const lengths = best.inBurst.flatMap(lengthsOf)
  const length = ratioOf(lengths.map(cells => ({ over: cells ** 2, under: cells })))
  return length && { count: lengths.length, length, badShare: best.model.burst, quietShare: best.model.quiet }
}

/** In a burst nearly all fail, or some more than else. */
function firstModels(share: number): Model[] {
  return firstLengths.flatMap(length => [0.95, Math.min(0.95, 5 * share)].map(burst => {
    const timeInBursts = Math.min(0.4, 0.9 * share / burst)
    return { quiet: Math.max(least, share / 10), burst, ends: 1 / length, begins: timeInBursts / (1 - timeInBursts) / length }
  }))
}

interface Fit { model: Model; logLikelihood: number; inBurst: Float64Array[] }

function climb(from: Model, sequences: readonly (readonly Cell[])[]): Fit {
  let found = look(from, sequences)
  for (let step = 0; step < mostSteps; step += 1) {
    const next = look(found.better, sequences)
    const gain = next.logLikelihood - found.logLikelihood
    found = next
    if (gain < leastGain) break
  }
  return found
}

/** Where the bursts are if the model is right, and the model that then fits better. */
function look(model: Model, sequences: readonly (readonly Cell[])[]): Fit & { better: Model } {
  const sums: Sums = { began: 0, ended: 0, quiet: 0, burst: 0, badInBurst: 0, totalInBurst: 0, badInQuiet: 0, totalInQuiet: 0 }
  const looks = sequences.filter(({ length }) => length > 0).map(cells => smooth(model, cells, sums))
  const [quiet, burst] = [inside(sums.badInQuiet / sums.totalInQuiet), inside(sums.badInBurst / sums.totalInBurst)]
  const [begins, ends] = [inside(sums.began / sums.quiet), inside(sums.ended / sums.burst)]
  return {
    model, inBurst: looks.map(({ inBurst }) => inBurst), logLikelihood: looks.reduce((sum, { logLikelihood }) => sum + logLikelihood, 0),
    better: quiet <= burst ? { quiet, burst, begins, ends } : { quiet: burst, burst: quiet, begins: ends, ends: begins }, // the worse state is the burst
  }
}

/** A probability that is neither 0 nor 1, from which nothing would lead away; also of nothing by nothing. */
const inside = (probability: number): number => Number.isFinite(probability) ? Math.min(1 - least, Math.max(least, probability)) : least

/** Expected numbers: of changes, of cells that another one follows, and of requests. */
interface Sums { began: number; ended: number; quiet: number; burst: number; badInBurst: number; totalInBurst: number; badInQuiet: number; totalInQuiet: number }

/** Of each cell the probability that it is in a burst: forwards by what was before, then backwards by what came after (Kim 1994). Adds to the sums. */
function smooth({ quiet, burst, begins, ends }: Model, cells: readonly Cell[], sums: Sums): { inBurst: Float64Array; logLikelihood: number } {
  const logs = { quiet: Math.log(quiet), quietGood: Math.log1p(-quiet), burst: Math.log(burst), burstGood: Math.log1p(-burst) }
  /** That the next cell is in a burst, when nothing of it is known yet. */
  const expectedAfter = (found: number) => found * (1 - ends) + (1 - found) * begins
  const inBurst = new Float64Array(cells.length)
  let logLikelihood = 0
  let expected = begins / (begins + ends)
  for (const [index, { bad, total }] of cells.entries()) {
    const good = total - bad
    const [asQuiet, asBurst] = [bad * logs.quiet + good * logs.quietGood, bad * logs.burst + good * logs.burstGood]
    const top = Math.max(asQuiet, asBurst)
    const [weightOfQuiet, weightOfBurst] = [(1 - expected) * Math.exp(asQuiet - top), expected * Math.exp(asBurst - top)]
    logLikelihood += top + Math.log(weightOfQuiet + weightOfBurst)
    const found = weightOfBurst / (weightOfQuiet + weightOfBurst)
    inBurst[index] = found
    expected = expectedAfter(found)
  }
  let later: number | undefined // of the cell that comes after; the last has none
  for (let index = cells.length - 1; index >= 0; index -= 1) {
    const found = inBurst[index] ?? 0
    let share = found
    if (later !== undefined) {
      const expectedLater = expectedAfter(found)
      const staysInBurst = found * (1 - ends) * later / expectedLater
      const ended = found * ends * (1 - later) / (1 - expectedLater)
      const began = (1 - found) * begins * later / expectedLater
      share = Math.min(1, staysInBurst + ended)
      inBurst[index] = share
      sums.began += began
      sums.ended += ended
      sums.burst += share
      sums.quiet += 1 - share
    }
    const { bad, total } = cells[index] ?? { bad: 0, total: 0 }
    sums.badInBurst += share * bad
    sums.totalInBurst += share * total
    sums.badInQuiet += (1 - share) * bad
    sums.totalInQuiet += (1 - share) * total
    later = share
  }
  return { inBurst, logLikelihood }
}

/** Of each stretch in which a burst is likelier than none. */
function lengthsOf(inBurst: Float64Array): number[] {
  const lengths: number[] = []
  let length = 0
  for (const probability of [...inBurst, 0]) {
    if (probability > 0.5) length += 1
    else if (length > 0) {
      lengths.push(length)
      length = 0
    }
  }
  return lengths
}
