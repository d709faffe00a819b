import { countGrowth, type Growth } from '#shared/counter-growth.ts'
import { growthInLog } from '#shared/counter-log.ts'
import { beginEProcess, eValue, nextBlock } from '#shared/e-process.ts'
import type { StoredFact } from '#shared/events.ts'
import type { CounterRule } from '#shared/gate.ts'
import { byExcess, sameTime, withRecent, type Controlled } from '#shared/gate-control.ts'
import type { Bet, SequentialSpec } from '#shared/gate-sequential.ts'
import type { Dated } from '#shared/verdict-breach.ts'

/**
 * When a gate with a `limit` on counters was really breached: the date of the sample with which more was spent than there is, or of the last one of the
 * first block with which the evidence was enough. From all samples of the log, each in the block of its own date, whichever answer brought it.
 */
export function counterBreachOf({ limit, blockMs, counted, pass }: SequentialSpec, rule: CounterRule, gate: string, phaseStartMs: number, facts: readonly StoredFact[]): Dated {
  const grownOf = (of?: 'control') => growthInLog(gate, { blockMs }, phaseStartMs, facts, of).grown.filter(({ atMs }) => atMs > phaseStartMs)
  const blockOf = ({ atMs }: Growth) => Math.ceil((atMs - phaseStartMs) / blockMs) // a sample at the very end of a block is in it
  const grown = grownOf()
  if (limit.is === 'budget') return budgetBreach(limit.mostBad, rule, Map.groupBy(grown, ({ atMs }) => atMs))
  const byBlock = Map.groupBy(grown, blockOf)
  if (counted.is !== 'counters' || !counted.control) return rateBreach(limit, byBlock, (_index, own) => byShareOf(rule, own))
  const controlByBlock = Map.groupBy(grownOf('control'), blockOf)
  return rateBreach(limit, byBlock, againstControl({ ...counted, control: counted.control }, pass, controlByBlock))
}

type RateLimit = SequentialSpec['limit'] & { is: 'rate' }

/** `betOn`: what a block does to the evidence; asked in the order of blocks. */
function rateBreach({ plan, eNeeded }: RateLimit, byBlock: ReadonlyMap<number, Growth[]>, betOn: (index: number, own: readonly Growth[]) => Bet): Dated {
  let process = beginEProcess(plan)
  let walked = 0
  for (const [index, grown] of [...byBlock].sort(([a], [b]) => a - b)) {
    const lastBet = Math.min(index - 1, plan.plannedBlocks ?? Infinity) // empty blocks after that change nothing, and a wrong clock may leave billions
    for (; walked < lastBet; walked += 1) process = nextBlock(plan, process, undefined)
    walked = index
    process = betOn(index, grown)(plan, process)
    const lastMs = grown.at(-1)?.atMs
    if (lastMs !== undefined && eValue(plan, process) >= eNeeded) return { is: 'dated', atMs: lastMs, clocks: [] }
  }
  return { is: 'unknown', why: 'the samples of the counters are not evidence enough' }
}

function byShareOf(rule: CounterRule, grown: readonly Growth[]): Bet {
  const { bad, total } = countGrowth(rule, grown)
  return (plan, process) => nextBlock(plan, process, total > 0 && bad <= total ? bad / total : undefined)
}

/** Each block against what the control has in it. */
function againstControl(rules: Controlled, pass: SequentialSpec['pass'], byBlock: ReadonlyMap<number, Growth[]>): (index: number, own: readonly Growth[]) => Bet {
  let recent = { bad: 0, total: 0 }
  return (index, own) => {
    const control = byBlock.get(index) ?? []
    const bet = byExcess(pass, recent, sameTime(rules, own, control))
    recent = withRecent(recent, countGrowth(rules.control, control))
    return bet
  }
}

function budgetBreach(mostBad: number, rule: CounterRule, byDate: ReadonlyMap<number, Growth[]>): Dated {
  let spent = 0
  for (const [atMs, grown] of byDate) {
    spent += countGrowth(rule, grown).bad
    if (spent > mostBad) return { is: 'dated', atMs, clocks: [] }
  }
  return { is: 'unknown', why: 'the samples of the counters do not spend the budget' }
}
