import { z } from 'zod'
import { planEProcess } from '#shared/e-process.ts'
import type { SequentialSpec } from '#shared/gate-sequential.ts'
import { percent } from '#shared/gate-share.ts'
import type { GateKind, GatePhase, GateRule, GateSource } from '#shared/gate.ts'
import { clumpOf, mostBad, requestsForPass, type PassQuestion } from '#shared/pass-evidence.ts'
import { duration, printDuration, ratio } from '#shared/units.ts'

/** The part of the experiment format that is about gates with a `limit`. What the words mean is in docs/gates.md. */

export const sequentialKeys = {
  limit: z.enum(['rate', 'budget']).optional()
    .describe('Judge by evidence instead of looks in a row. rate: no stretch may be worse than the limit; budget: the whole run may spend the limit times `requests` bad ones'),
  block: duration({ minMs: 200, maxMs: 600_000 }).optional().describe('With a limit: length of a block (default 1s); at least four times as long as requests fail together in'),
  burst: z.int().min(1).max(1_000_000).optional().describe('With a limit: how many requests fail together when some do (default 1); a pass takes as many times more'),
  requests: z.int().min(1).max(1_000_000_000).optional().describe('With limit: budget, and then required: how many requests the whole run is to send'),
}

export const alphaKey = ratio().refine(value => value > 0 && value < 0.5, 'a probability above 0 and below 0.5, such as 0.05 or 5%').default(0.05)
  .describe('With gates that have a limit: most probability of a false abort, all of them together, and of a pass that was not earned')

interface SequentialItem {
  phase: GatePhase
  limit?: 'rate' | 'budget' | undefined
  block?: number | undefined
  burst?: number | undefined
  requests?: number | undefined
  window?: number | undefined
  consecutive?: number | undefined
}

const blockMsOf = ({ block }: SequentialItem) => block ?? 1_000

/** Rules between the keys of one gate. `phaseMs`: how long the during phase is planned. */
export function checkSequential(item: SequentialItem, { kind }: Pick<GateKind, 'kind'>, { requests }: Pick<GateRule, 'requests'>, source: GateSource, { alpha, phaseMs }: { alpha: number; phaseMs: number }, problem: (path: string[], message: string) => void): void {
  if (item.limit === undefined) {
    for (const key of ['block', 'burst', 'requests'] as const) if (item[key] !== undefined) problem([key], 'no such key without limit: rate or limit: budget')
    return
  }
  if (source !== 'stream' || requests === undefined) {
    return problem(['limit'], 'no such key; a limit is held against the single requests of the load stream, which errorRate, latency and availability count')
  }
  if (item.phase !== 'during') problem(['phase'], 'during; a gate with a limit gathers evidence over the whole fault')
  if (item.window !== undefined) problem(['window'], 'block instead of window; a gate with a limit has blocks')
  if (item.consecutive !== undefined) problem(['consecutive'], 'no such key; a gate with a limit counts no looks in a row')
  if (!(requests.budget > 0 && requests.budget < 1)) return problem([kind], `more than 0 % and less than 100 % bad requests, since neither can be shown; this is ${percent(requests.budget)}`)
  if (blockMsOf(item) > phaseMs) problem(['block'], `at most ${printDuration(phaseMs)}, as long as the gate is judged`)
  const least = requestsForPass(0, passOf(item, requests.budget, alpha))
  if (item.limit === 'rate' && item.requests !== undefined) problem(['requests'], 'no such key with limit: rate')
  else if (item.limit === 'budget' && item.requests === undefined) problem(['requests'], 'how many requests the whole run is to send, of which the limit is spent')
  else if (item.requests !== undefined && item.requests < least) problem(['requests'], `at least ${least}; fewer could never pass, even if none of them were bad`)
}

const passOf = ({ burst = 1 }: SequentialItem, budget: number, alpha: number): PassQuestion => ({ budget, alpha, requestsPerBurst: clumpOf({ requestsPerBurst: burst }) })

/**
 * Undefined of a gate without a limit. `rateGates`: how many gates of the experiment share the probability of a false abort; a budget is spent or
 * not, and takes no part in it.
 */
export function resolveSequential(item: SequentialItem, { requests }: Pick<GateRule, 'requests'>, { alpha, rateGates, phaseMs }: { alpha: number; rateGates: number; phaseMs: number }): SequentialSpec | undefined {
  if (item.limit === undefined || requests === undefined) return undefined
  const { budget } = requests
  const blockMs = blockMsOf(item)
  const all = item.requests ?? 0
  return {
    blockMs, requests, pass: passOf(item, budget, alpha),
    limit: item.limit === 'rate'
      ? { is: 'rate', eNeeded: rateGates / alpha, plan: planEProcess(budget, Math.ceil(phaseMs / blockMs)) }
      : { is: 'budget', requests: all, mostBad: mostBad(budget, all) },
  }
}

export function describeSequential({ limit, requests: { description } }: SequentialSpec): string {
  return limit.is === 'rate' ? `${description}, in every stretch` : `${description}, of ${limit.requests} in the whole run (${limit.mostBad} bad)`
}
