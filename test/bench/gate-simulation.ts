import jstat from 'jstat'
import { beginEProcess, eValue, nextBlock, planEProcess } from '#shared/e-process.ts'
import { clumpOf, isEnough } from '#shared/pass-evidence.ts'

/** Simulated requests, block by block, held against the product's own arithmetic. Pure but for the source of chance that is handed in. */

/** A service whose requests come at random, `requestsPerSecond` of them, and fail either one by one or all together in bursts. */
export interface Service {
  requestsPerSecond: number
  /** Share of bad requests in the long run. */
  badShare: number
  /** Length of a burst, in which all requests fail; 0: they fail one by one. */
  burstS: number
}

/** What a block has, in two numbers that the caller keeps: nothing is allocated per block. */
export interface BlockCounts { bad: number; total: number }

export interface BlockSource { next(into: BlockCounts): void }

/** Blocks of a service without end, from a moment at which nobody looked. */
export function blocksOf({ requestsPerSecond, badShare, burstS }: Service, blockS: number, random: () => number): BlockSource {
  if (burstS === 0) {
    const [bad, good] = [poisson(requestsPerSecond * blockS * badShare, random), poisson(requestsPerSecond * blockS * (1 - badShare), random)]
    return { next(into) { into.bad = bad(); into.total = into.bad + good() } }
  }
  const all = poisson(requestsPerSecond * blockS, random)
  const meanGapS = burstS * (1 - badShare) / badShare
  const gap = () => -Math.log(1 - random()) * meanGapS
  let inBurst = random() < badShare
  let leftS = inBurst ? random() * burstS : gap()
  return {
    next(into) {
      let restS = blockS
      let burstInBlockS = 0
      while (restS > 0) {
        const stretchS = Math.min(restS, leftS)
        if (inBurst) burstInBlockS += stretchS
        restS -= stretchS
        leftS -= stretchS
        if (leftS > 0) continue
        inBurst = !inBurst
        leftS = inBurst ? burstS : gap()
      }
      const share = Math.min(1, burstInBlockS / blockS)
      into.total = all()
      into.bad = share === 0 ? 0 : share > 1 - 1e-12 ? into.total : binomial(into.total, share, random)
    },
  }
}

/** Draws by the inverse of the distribution function, which is tabled up to where nothing is left. */
export function poisson(mean: number, random: () => number): () => number {
  const most = Math.ceil(mean + 12 * Math.sqrt(mean) + 20)
  const below = new Float64Array(most + 1)
  let sum = 0
  let logFactorial = 0
  for (let count = 0; count <= most; count += 1) {
    logFactorial += count > 0 ? Math.log(count) : 0
    sum += mean > 0 ? Math.exp(count * Math.log(mean) - mean - logFactorial) : count === 0 ? 1 : 0
    below[count] = sum
  }
  return () => {
    const drawn = random()
    let [low, high] = [0, most]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((below[middle] ?? 1) > drawn) high = middle
      else low = middle + 1
    }
    return low
  }
}

/** For any mean: by products of chances where it is small, else by transformed rejection (Hoermann 1993, PTRS). */
function poissonOf(mean: number, random: () => number): number {
  if (mean < 10) {
    let found = 0
    for (let product = random(); product > Math.exp(-mean); product *= random()) found += 1
    return found
  }
  const b = 0.931 + 2.53 * Math.sqrt(mean)
  const a = -0.059 + 0.02483 * b
  const squeeze = 0.9277 - 3.6224 / (b - 2)
  for (;;) {
    const u = random() - 0.5
    const v = random()
    const edge = 0.5 - Math.abs(u)
    const found = Math.floor((2 * a / edge + b) * u + mean + 0.43)
    if (edge >= 0.07 && v <= squeeze) return found
    if (found < 0 || (edge < 0.013 && v > edge)) continue
    if (Math.log(v * (1.1239 + 1.1328 / (b - 3.4)) / (a / (edge * edge) + b)) <= found * Math.log(mean) - mean - jstat.jStat.gammaln(found + 1)) return found
  }
}

export function binomial(trials: number, share: number, random: () => number): number {
  let found = 0
  for (let trial = 0; trial < trials; trial += 1) if (random() < share) found += 1
  return found
}

/** Whether a rate gate aborts a run of a service that is as bad as its limit. */
export function isAborted(service: Service, { blockS, phaseS, alpha }: { blockS: number; phaseS: number; alpha: number }, random: () => number): boolean {
  const blocks = Math.round(phaseS / blockS)
  const plan = planEProcess(service.badShare, blocks)
  const source = blocksOf(service, blockS, random)
  const counts = { bad: 0, total: 0 }
  let state = beginEProcess(plan)
  for (let block = 0; block < blocks; block += 1) {
    source.next(counts)
    state = nextBlock(plan, state, counts.total === 0 ? undefined : counts.bad / counts.total)
    if (eValue(plan, state) >= 1 / alpha) return true
  }
  return false
}

/** Whether a run of such a service has evidence for a pass at its end. It is as long as it takes for `expectedBursts` bursts, or bad requests. */
export function isPassed(service: Service, { expectedBursts, alpha }: { expectedBursts: number; alpha: number }, random: () => number, requestsPerBurst = requestsPerBurstOf(service)): boolean {
  const { requestsPerSecond, badShare, burstS } = service
  const badS = burstS === 0 ? expectedBursts / requestsPerSecond : expectedBursts * burstS
  const phaseS = badS / badShare
  const burstsS = burstS === 0 ? badS : timeInBurstsS(service, phaseS, random)
  const bad = poissonOf(requestsPerSecond * burstsS, random)
  const total = bad + poissonOf(requestsPerSecond * (phaseS - burstsS), random)
  return isEnough({ bad, total }, { budget: badShare, alpha, requestsPerBurst })
}

function timeInBurstsS({ badShare, burstS }: Service, phaseS: number, random: () => number): number {
  const gap = () => -Math.log(1 - random()) * burstS * (1 - badShare) / badShare
  let inBurst = random() < badShare
  let leftS = inBurst ? random() * burstS : gap()
  let found = 0
  for (let restS = phaseS; restS > 0;) {
    const stretchS = Math.min(restS, leftS)
    if (inBurst) found += stretchS
    restS -= stretchS
    inBurst = !inBurst
    leftS = inBurst ? burstS : gap()
  }
  return found
}

/**
 * What an honest author declares: with how many others a bad request fails, and itself. That is one more than the mean of a burst, because long
 * bursts have more requests to ask; it is also the ratio of variances that fault-free runs would show.
 */
export const requestsPerBurstOf = ({ requestsPerSecond, burstS }: Service): number => clumpOf({ requestsPerBurst: Math.ceil(1 + requestsPerSecond * burstS) })

/** Seconds from the first bad request after the onset until the end of the block that aborts; undefined: not within the phase. */
export function detectionDelayS({ requestsPerSecond, goodBadShare, badShare, limit, gates, alpha, blockS, phaseS, onsetS }: {
  requestsPerSecond: number; goodBadShare: number; badShare: number; limit: number; gates: number; alpha: number; blockS: number; phaseS: number; onsetS: number
}, random: () => number): number | undefined {
  const blocks = Math.round(phaseS / blockS)
  const plan = planEProcess(limit, blocks)
  const onset = onsetS + random() * blockS // anywhere in a block
  const gap = () => -Math.log(1 - random()) / requestsPerSecond
  let state = beginEProcess(plan)
  let atS = gap()
  let firstBadS: number | undefined
  for (let block = 1; block <= blocks; block += 1) {
    let [bad, total] = [0, 0]
    for (; atS < block * blockS; atS += gap()) {
      total += 1
      if (random() >= (atS < onset ? goodBadShare : badShare)) continue
      bad += 1
      if (atS >= onset) firstBadS ??= atS
    }
    state = nextBlock(plan, state, total === 0 ? undefined : bad / total)
    if (eValue(plan, state) >= gates / alpha) return firstBadS === undefined ? 0 : block * blockS - firstBadS
  }
  return undefined
}
