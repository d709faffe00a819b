import { z } from 'zod'
import { planEProcess } from '#shared/e-process.ts'
import type { CountedFrom, SequentialSpec } from '#shared/gate-sequential.ts'
import { excessQuery, percent, selector } from '#shared/gate-share.ts'
import type { CounterRule, GateKind, GatePhase, GateRule, GateSource } from '#shared/gate.ts'
import { clumpOf, mostBad, requestsForPass, type PassQuestion } from '#shared/pass-evidence.ts'
import { duration, printDuration, ratio } from '#shared/units.ts'

/** The part of the experiment format that is about gates with a `limit`. What the words mean is in docs/gates.md. */

export const sequentialKeys = {
  limit: z.enum(['rate', 'budget']).optional()
    .describe('Judge by evidence instead of looks in a row. rate: no stretch may be worse than the limit; budget: the whole run may spend the limit times `requests` bad ones'),
  block: duration({ minMs: 200, maxMs: 600_000 }).optional().describe('With a limit: length of a block (default 1s); at least four times as long as requests fail together in. On counters it is required: two scrape intervals or more'),
  burst: z.int().min(1).max(1_000_000).optional().describe('With a limit: how many requests fail together when some do (default 1); a pass takes as many times more, and with a control a breach too'),
  series: z.literal('sum').optional().describe('With a limit on the service\'s own counters: sum, when what their selectors name has several series, which are then counted together'),
  requests: z.int().min(1).max(1_000_000_000).optional().describe('With limit: budget, and then required: how many requests the whole run is to send'),
  control: z.strictObject({
    total: selector().optional().describe('All requests of those that the fault does not reach'),
    bad: selector().optional().describe('The bad ones of them'),
    histogram: selector().optional().describe('Of a latency gate, in place of total and bad: their histogram'),
  }).optional().describe('With limit: rate on the service\'s own counters: the same counters of pods or clients that the fault does not reach. The limit is then by how much the share of bad requests may be above theirs in the same seconds'),
}

export const alphaKey = ratio().refine(value => value > 0 && value < 0.5, 'a probability above 0 and below 0.5, such as 0.05 or 5%').default(0.05)
  .describe('With gates that have a limit: most probability of a false abort, all of them together, and of a pass that was not earned')

interface ControlKeys { total?: string | undefined; bad?: string | undefined; histogram?: string | undefined }

interface SequentialItem {
  phase: GatePhase
  limit?: 'rate' | 'budget' | undefined
  block?: number | undefined
  burst?: number | undefined
  series?: 'sum' | undefined
  requests?: number | undefined
  control?: ControlKeys | undefined
  window?: number | undefined
  consecutive?: number | undefined
}

type Counting = Pick<GateRule, 'requests' | 'counters'>

const blockMsOf = ({ block }: SequentialItem) => block ?? 1_000

/** Rules between the keys of one gate. `phaseMs`: how long the during phase is planned. */
export function checkSequential(item: SequentialItem, { kind }: Pick<GateKind, 'kind'>, rule: Counting, source: GateSource, { alpha, phaseMs }: { alpha: number; phaseMs: number }, problem: (path: string[], message: string) => void): void {
  if (item.limit === undefined) {
    for (const key of ['block', 'burst', 'series', 'requests', 'control'] as const) if (item[key] !== undefined) problem([key], 'no such key without limit: rate or limit: budget')
    return
  }
  const counted = source === 'stream' ? rule.requests : rule.counters
  if (counted === undefined) return problem(['limit'], whyUncounted(rule, source))
  if (item.phase !== 'during') problem(['phase'], 'during; a gate with a limit gathers evidence over the whole fault')
  if (item.window !== undefined) problem(['window'], 'block instead of window; a gate with a limit has blocks')
  if (item.consecutive !== undefined) problem(['consecutive'], 'no such key; a gate with a limit counts no looks in a row')
  if (source === 'stream' && item.series !== undefined) problem(['series'], 'no such key on the load stream; it says what several series of the service\'s own counters mean')
  if (source === 'prometheus' && item.block === undefined) problem(['block'], 'a time such as 30s: with counters, two scrape intervals or more')
  if (!(counted.budget > 0 && counted.budget < 1)) return problem([kind], `more than 0 % and less than 100 % bad requests, since neither can be shown; this is ${percent(counted.budget)}`)
  if (blockMsOf(item) > phaseMs) problem(['block'], `at most ${printDuration(phaseMs)}, as long as the gate is judged`)
  if (item.control) checkControl(item, item.control, rule.counters, source, problem)
  const least = requestsForPass(0, passOf(item, counted.budget, alpha))
  if (item.limit === 'rate' && item.requests !== undefined) problem(['requests'], 'no such key with limit: rate')
  else if (item.limit === 'budget' && item.requests === undefined) problem(['requests'], 'how many requests the whole run is to send, of which the limit is spent')
  else if (item.requests !== undefined && item.requests < least) problem(['requests'], `at least ${least}; fewer could never pass, even if none of them were bad`)
}

function checkControl({ limit }: SequentialItem, control: ControlKeys, counters: CounterRule | undefined, source: GateSource, problem: (path: string[], message: string) => void): void {
  if (source === 'stream' || !counters) return problem(['control'], 'no such key on the load stream, which does not tell whom the fault reaches; name counters of the service: total and bad, or for a latency a histogram')
  if (limit === 'budget') return problem(['control'], 'no such key with limit: budget; what is spent is spent, whoever else fails too')
  const [wanted, unwanted] = counters.is === 'pair' ? [['total', 'bad'], ['histogram']] as const : [['histogram'], ['total', 'bad']] as const
  for (const key of wanted) if (control[key] === undefined) problem(['control', key], 'a selector for the control, as the gate itself has one')
  for (const key of unwanted) if (control[key] !== undefined) problem(['control', key], `no such key; this gate is held against ${wanted.join(' and ')}`)
  const isSame = counters.is === 'pair' ? control.total === counters.total : control.histogram === counters.histogram
  if (isSame) problem(['control', wanted[0]], 'another selector than the gate\'s own: that of pods or clients which the fault does not reach')
}

/** The rule of the control: the gate's, on other counters. */
function controlRule(counters: CounterRule, { total, bad, histogram }: ControlKeys): CounterRule | undefined {
  if (counters.is === 'histogram') return histogram === undefined ? undefined : { ...counters, histogram }
  return total === undefined || bad === undefined ? undefined : { ...counters, total, bad }
}

function whyUncounted({ requests, counters }: Counting, source: GateSource): string {
  if (counters) return 'no such key with source: stream; this gate names counters of the service, which only source: prometheus reads'
  if (requests && source === 'prometheus') return 'no such key; on prometheus a limit is held against counters of the service itself: give total and bad, or for a latency a histogram'
  return 'no such key; a limit is held against requests, which errorRate, latency and availability count, on the load stream or by counters of the service'
}

const passOf = ({ burst = 1 }: SequentialItem, budget: number, alpha: number): PassQuestion => ({ budget, alpha, requestsPerBurst: clumpOf({ requestsPerBurst: burst }) })

/**
 * Undefined of a gate without a limit. `rateGates`: how many gates of the experiment share the probability of a false abort; a budget is spent or
 * not, and takes no part in it.
 */
export function resolveSequential(item: SequentialItem, rule: Counting, { alpha, rateGates, phaseMs }: { alpha: number; rateGates: number; phaseMs: number }): SequentialSpec | undefined {
  const counted = countedFrom(item, rule)
  if (item.limit === undefined || counted === undefined) return undefined
  const { budget } = counted.is === 'stream' ? counted.requests : counted.counters
  const blockMs = blockMsOf(item)
  const all = item.requests ?? 0
  return {
    blockMs, counted, pass: passOf(item, budget, alpha),
    limit: item.limit === 'rate'
      ? { is: 'rate', eNeeded: rateGates / alpha, plan: planEProcess(budget, Math.ceil(phaseMs / blockMs)) }
      : { is: 'budget', requests: all, mostBad: mostBad(budget, all) },
  }
}

function countedFrom({ series, control }: SequentialItem, { requests, counters }: Counting): CountedFrom | undefined {
  if (!counters) return requests && { is: 'stream', requests }
  const compared = control && controlRule(counters, control)
  return { is: 'counters', counters, sum: series === 'sum', ...(compared && { control: compared }) }
}

/** The rule as the gate is held to it. With a control the value is by how much its share of bad requests is above that one's. */
export function sequentialRule(spec: SequentialSpec, rule: GateRule): GateRule {
  const { counted } = spec
  const described = { ...rule, description: describeSequential(spec) }
  if (counted.is === 'stream' || !counted.control) return described
  const { counters, control } = counted
  return { ...described, limit: { value: counters.budget, breaksWhen: 'above', unit: 'ratio' }, query: ({ windowMs }) => excessQuery(counters, control, windowMs) }
}

function describeSequential({ limit, counted }: SequentialSpec): string {
  const { description } = counted.is === 'stream' ? counted.requests : counted.counters
  if (counted.is === 'counters' && counted.control) return `bad requests at most ${percent(counted.counters.budget)} above the control, in every stretch (by itself: ${description})`
  return limit.is === 'rate' ? `${description}, in every stretch` : `${description}, of ${limit.requests} in the whole run (${limit.mostBad} bad)`
}

/** Until no readable block has come, a scrape or two may have been missed; and an increase takes two samples, which are in a block's range. */
const unreadableBlocks = 3

/** What a gate on counters has in place of the defaults for looks, in the during phase and when the same gate is asked for the recovery. */
export function countersTiming({ counted, blockMs }: SequentialSpec, { noDataAfterMs, windowMs }: { noDataAfterMs: number; windowMs: number }): { noDataAfterMs: number; windowMs: number } {
  return counted.is === 'stream' ? { noDataAfterMs, windowMs } : { noDataAfterMs: Math.max(noDataAfterMs, unreadableBlocks * blockMs), windowMs: Math.max(windowMs, blockMs) }
}
