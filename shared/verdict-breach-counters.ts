import { countGrowth, type Growth } from '#shared/counter-growth.ts'
import { growthInLog } from '#shared/counter-log.ts'
import { beginEProcess, eValue, nextBlock } from '#shared/e-process.ts'
import type { StoredFact } from '#shared/events.ts'
import type { CounterRule } from '#shared/gate.ts'
import type { SequentialSpec } from '#shared/gate-sequential.ts'
import type { Dated } from '#shared/verdict-breach.ts'

/**
 * When a gate with a `limit` on counters was really breached: the date of the sample with which more was spent than there is, or of the last one of the
 * first block with which the evidence was enough. From all samples of the log, each in the block of its own date, whichever answer brought it.
 */
export function counterBreachOf({ limit, blockMs }: SequentialSpec, rule: CounterRule, gate: string, phaseStartMs: number, facts: readonly StoredFact[]): Dated {
  const { grown } = growthInLog(gate, { blockMs }, phaseStartMs, facts)
  const blockOf = ({ atMs }: Growth) => Math.ceil((atMs - phaseStartMs) / blockMs) // a sample at the very end of a block is in it
  const byBlock = Map.groupBy(grown.filter(({ atMs }) => atMs > phaseStartMs), limit.is === 'rate' ? blockOf : ({ atMs }) => atMs)
  return limit.is === 'rate' ? rateBreach(limit, rule, byBlock) : budgetBreach(limit.mostBad, rule, byBlock)
}

function rateBreach({ plan, eNeeded }: SequentialSpec['limit'] & { is: 'rate' }, rule: CounterRule, byBlock: ReadonlyMap<number, Growth[]>): Dated {
  let process = beginEProcess(plan)
  let walked = 0
  for (const [index, grown] of [...byBlock].sort(([a], [b]) => a - b)) {
    const lastBet = Math.min(index - 1, plan.plannedBlocks ?? Infinity) // empty blocks after that change nothing, and a wrong clock may leave billions
    for (; walked < lastBet; walked += 1) process = nextBlock(plan, process, undefined)
    walked = index
    const { bad, total } = countGrowth(rule, grown)
    process = nextBlock(plan, process, total > 0 && bad <= total ? bad / total : undefined)
    const lastMs = grown.at(-1)?.atMs
    if (lastMs !== undefined && eValue(plan, process) >= eNeeded) return { is: 'dated', atMs: lastMs, clocks: [] }
  }
  return { is: 'unknown', why: 'the samples of the counters are not evidence enough' }
}

function budgetBreach(mostBad: number, rule: CounterRule, byDate: ReadonlyMap<number, Growth[]>): Dated {
  let spent = 0
  for (const [atMs, grown] of byDate) {
    spent += countGrowth(rule, grown).bad
    if (spent > mostBad) return { is: 'dated', atMs, clocks: [] }
  }
  return { is: 'unknown', why: 'the samples of the counters do not spend the budget' }
}
