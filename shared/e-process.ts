/**
 * Evidence that the share of bad requests is above its limit p0, block by block, from a moment on that nobody knows.
 *
 * For each alternative q a bet is made at the begin of every block that from here on the share is q: a Kth of the stake, where K blocks are planned.
 * A block with the bad share Y multiplies what was bet so far by
 *
 *     L_q = 1 + (q - p0) / (p0 (1 - p0)) * (Y - p0)
 *
 * which is on average at most 1 while the share is at most p0: nobody can win by such bets but by luck. So E, what the bets are worth together with the
 * stake that is still kept, reaches 1 / alpha with at most the probability alpha (Ville's inequality), however often it is looked at, whatever
 * the shares of the blocks below p0, and whenever one stops. Howard et al., arXiv 1810.08240; Waudby-Smith and Ramdas, arXiv 2010.09686; the unknown
 * onset as in the e-detectors of Shin, Ramdas and Rinaldo.
 *
 * A block costs as much as there are alternatives, and no block is remembered.
 */
export interface EPlan {
  p0: number
  /** K; undefined: nobody knows how many blocks there will be. */
  plannedBlocks: number | undefined
  /** Each q. */
  alternatives: readonly number[]
  /** Of each alternative: (q - p0) / (p0 (1 - p0)). */
  slopes: readonly number[]
}

/** Plain JSON. */
export interface EState {
  /** Blocks so far, empty ones among them. */
  blocks: number
  /** M_q of each alternative. */
  worths: readonly number[]
}

const alternatives = 8
/** No E is told apart beyond this. What is worth less than it could be proves the less, so that the bound holds; and no product is infinite. */
const greatestWorth = 1e280

/** `p0` between 0 and 1, and neither. */
export function planEProcess(p0: number, plannedBlocks?: number): EPlan {
  if (!(p0 > 0 && p0 < 1)) throw new RangeError(`expected a limit between 0 and 1, and neither, found ${p0}`)
  if (plannedBlocks !== undefined && !(plannedBlocks >= 1)) throw new RangeError(`expected at least one planned block, found ${plannedBlocks}`)
  const least = Math.min(2 * p0, (1 + p0) / 2) // twice the limit may be above 1; halfway to 1 never is, and is above the limit
  const shares = Array.from({ length: alternatives }, (_, index) => least ** (1 - index / (alternatives - 1)))
  return { p0, plannedBlocks, alternatives: shares, slopes: shares.map(share => (share - p0) / (p0 * (1 - p0))) }
}

export const beginEProcess = ({ slopes }: EPlan): EState => ({ blocks: 0, worths: slopes.map(() => 0) })

/** One more block. `badShare` from 0 to 1; undefined: nothing ended in it, which says nothing. */
export function nextBlock(plan: EPlan, state: EState, badShare: number | undefined): EState {
  const distance = (badShare ?? plan.p0) - plan.p0
  // never negative: the greatest slope is that of q = 1, 1 / p0, but for what rounding leaves
  return nextFactors(plan, state, plan.slopes.map(slope => Math.max(0, 1 + slope * distance)))
}

/** One more block, by the factor of each alternative's bet: on average at most 1 while the limit is kept, given all blocks before, and never negative. */
export function nextFactors(plan: EPlan, { blocks, worths }: EState, factors: readonly number[]): EState {
  const bet = betOf(plan, blocks + 1)
  return { blocks: blocks + 1, worths: worths.map((worth, index) => Math.min(greatestWorth, (worth + bet) * (factors[index] ?? 1))) }
}

/** E: 1 at the begin. */
export function eValue(plan: EPlan, { blocks, worths }: EState): number {
  return worths.reduce((sum, worth) => sum + worth, 0) / worths.length + keptStake(plan, blocks)
}

/** Of the stake, what is bet at the begin of a block: past the planned ones nothing, since all has been bet. */
function betOf({ plannedBlocks }: EPlan, block: number): number {
  if (plannedBlocks === undefined) return 1 / (block * (block + 1))
  return block <= plannedBlocks ? 1 / plannedBlocks : 0
}

/** What has not been bet yet: 1 less all bets, and so never below 0. */
function keptStake({ plannedBlocks }: EPlan, blocks: number): number {
  if (plannedBlocks === undefined) return 1 / (blocks + 1)
  return Math.max(0, plannedBlocks - blocks) / plannedBlocks
}
