import type { StoredFact } from '#shared/events.ts'
import { beginEProcess, eValue, nextBlock } from '#shared/e-process.ts'
import type { SequentialSpec } from '#shared/gate-sequential.ts'
import type { GateSpec } from '#shared/experiment.ts'
import type { GateRule, LoadSample, RequestRule } from '#shared/gate.ts'
import { countOnce } from '#shared/gate-share.ts'
import type { Dated } from '#shared/verdict-breach.ts'
import { counterBreachOf } from '#shared/verdict-breach-counters.ts'

/**
 * When a gate with a `limit` was really breached: for a budget the end of the first sample by which more was spent than there is, for a rate the end of
 * the last sample of the first block with which the evidence was enough. From all raw samples, whenever they came.
 */
export function sequentialBreachOf(spec: SequentialSpec, { name, rule }: Pick<GateSpec, 'name' | 'rule'>, phaseStartMs: number, facts: readonly StoredFact[]): Dated {
  if (spec.counted.is === 'counters') return counterBreachOf(spec, spec.counted.counters, name, phaseStartMs, facts)
  const { requests } = spec.counted
  const samples = facts.flatMap(stored => stored.kind === 'load.sample' ? [stored.fact.data] : []).toSorted((a, b) => a.endMs - b.endMs)
  return spec.limit.is === 'rate' ? rateBreach(spec, spec.limit, rule, phaseStartMs, samples) : budgetBreach(requests, spec.limit.mostBad, phaseStartMs, samples)
}

type DatedSample = LoadSample & { clock: string }
const midpointMs = ({ startMs, endMs }: LoadSample) => (startMs + endMs) / 2

function rateBreach({ blockMs }: SequentialSpec, { plan, eNeeded }: SequentialSpec['limit'] & { is: 'rate' }, rule: GateRule, phaseStartMs: number, samples: readonly DatedSample[]): Dated {
  const byBlock = Map.groupBy(samples, sample => Math.floor((midpointMs(sample) - phaseStartMs) / blockMs))
  const last = Math.max(-1, ...byBlock.keys())
  let process = beginEProcess(plan)
  for (let index = 0; index <= last; index += 1) {
    const inBlock = byBlock.get(index) ?? []
    const latestByWorker = [...new Map(inBlock.map(sample => [sample.worker, sample])).values()]
    const startMs = phaseStartMs + index * blockMs
    const measured = rule.measure({ startMs, endMs: startMs + blockMs, samples: inBlock, latestByWorker })
    process = nextBlock(plan, process, measured.is === 'measured' && measured.total ? (measured.bad ?? 0) / measured.total : undefined)
    const lastSample = inBlock.at(-1)
    if (lastSample && eValue(plan, process) >= eNeeded) return { is: 'dated', atMs: lastSample.endMs, clocks: [...new Set(inBlock.map(({ clock }) => clock))] }
  }
  return { is: 'unknown', why: 'the raw samples are not evidence enough' }
}

function budgetBreach(requests: RequestRule, mostBad: number, phaseStartMs: number, samples: readonly DatedSample[]): Dated {
  const waitingOf = new Map<string, number>()
  let spent = 0
  for (const sample of samples) {
    const { bad, waiting } = countOnce(sample, requests, waitingOf.get(sample.worker) ?? 0)
    waitingOf.set(sample.worker, waiting)
    if (midpointMs(sample) < phaseStartMs) continue
    spent += bad
    if (spent > mostBad) return { is: 'dated', atMs: sample.endMs, clocks: [sample.clock] }
  }
  return { is: 'unknown', why: 'the raw samples do not spend the budget' }
}
