import type { z } from 'zod'
import type { ProbeFigures, ProbeOutcome } from '#shared/probe.ts'
import type { ServiceLevel } from '#shared/service-level.ts'

/** One posted stretch of load (about 200 ms of one Locust worker): exact counts, dated by the load generator's clock. */
export interface LoadSample {
  worker: string
  index: number
  startMs: number
  endMs: number
  users: number
  /** Requests that ended well in this stretch, by response time in whole milliseconds. */
  ok: Readonly<Record<string, number>>
  /** Requests that ended badly in this stretch, by response time in whole milliseconds. */
  failed: Readonly<Record<string, number>>
  /** Of the failed ones, those without any answer (refused, reset, timed out): the service may never have seen them. Left out: none is known. */
  unanswered?: Readonly<Record<string, number>> | undefined
  /** Requests still unanswered at `endMs`, by age in milliseconds rounded down to 50; younger than 100 ms left out. */
  inFlight: Readonly<Record<string, number>>
}

/** Samples of one block of time: those that ended in it, and for each worker the last one, which tells what is still in flight. */
export interface Block {
  startMs: number
  endMs: number
  samples: readonly LoadSample[]
  latestByWorker: readonly LoadSample[]
}

/**
 * What one look at an SLI says. `breaks` is the gate's own limit; `bad` of `total` requests where it counts requests; `control`: those of the control, above whose
 * share `value` is, so that it may be negative; `over`: of a gate with several
 * ranges each one's value, of which `value` is the least.
 */
export type Measurement =
  | { is: 'measured'; value: number; breaks: boolean; bad?: number; total?: number; control?: { bad: number; total: number }; over?: RangeValue[] }
  | { is: 'no-data'; why: string }

export interface RangeValue { windowMs: number; value: number }

/** What a gate's PromQL is built from. */
export interface QueryContext {
  run: string
  windowMs: number
}

/** `above`: a value greater than this breaks it; one that equals it holds. */
export interface Limit {
  value: number
  breaksWhen: 'above' | 'below'
  /** `times`: how many times as fast as something is allowed to be. */
  unit: 'ratio' | 'seconds' | 'number' | 'times'
}

export type GateSource = 'stream' | 'prometheus' | 'probe'
export type GatePhase = 'steady' | 'during' | 'recovery'

/** A gate's own rule, bound to the parameters that an experiment gave it. Every function is pure. */
export interface GateRule {
  /** The limit in words: `at most 1 % failed requests`. */
  description: string
  /** The limit in the unit of `Measurement.value`; a plot draws it as a line. */
  limit: Limit
  /** A second limit on the other side, such as `promql: {min, max}`. Ask `breaksRule`, which holds a value against both. */
  otherLimit?: Limit
  /** A request in flight longer than this counts against the gate, and the bridge exposes a gauge for it. Undefined: the gate counts no requests. */
  overdueAfterMs?: number
  /** Whether the PromQL reads the bridge's own metrics, which are there only when the experiment has load. */
  readsLoadMetrics: boolean
  /** Of a gate that counts requests in the load's samples: what a gate with a `limit` needs to count each of them once. */
  requests?: RequestRule
  /** Of a gate that names counters of the service itself: the same, of what these have counted. */
  counters?: CounterRule
  /** The gate is on a probe: it is judged once, from all that the probers have seen, and neither measured nor asked for. */
  probe?: { name: string; judge(figures: ProbeFigures): ProbeOutcome }
  /** The gate is on an SLO of the experiment, which binds the rule to it; until then it has neither a limit nor PromQL. */
  slo?: SloBinding
  /**
   * The rule has a range of its own in place of the gate's `window`. `key`: where it stands, under the kind's. Anchored: in the during phase the
   * first look comes once the range fits behind the phase's start. `beforeMs`: how much of it lies before what is written under `key`.
   */
  range?: { longestMs: number; key: string; isAnchored: boolean; beforeMs?: number }
  /** Prometheus is asked for each of these; the least is held against `limit`. `query` says the same in one. */
  ranges?: readonly { windowMs: number; query: string }[]
  /** Reads one block of load samples. */
  measure(block: Block): Measurement
  /** The PromQL whose single value is held against `limit`. */
  query(context: QueryContext): string
}

/** `key`: where the name stands, under the kind's. Pure. */
export interface SloBinding {
  name: string
  key: string
  bind(level: ServiceLevel): { is: 'bound'; rule: GateRule } | { is: 'refused'; key: string; expected: string }
}

/** Each request counts once: when it ends, or when it has waited longer than `overdueAfterMs`, which is bad whatever becomes of it later. */
export interface RequestRule {
  /** p0: the share of bad requests that is the limit. */
  budget: number
  overdueAfterMs: number
  /** Whether a request that failed in time is bad. */
  failedIsBad: boolean
  /** The limit in words. */
  description: string
}

/** Which counters hold the requests: two of them, or a histogram with a limit among its buckets. Selectors, as in PromQL. */
export type CounterRule = (
  | { is: 'pair'; total: string; bad: string }
  | { is: 'histogram'; histogram: string; maxMs: number }
) & {
  /** p0: the share of bad requests that is the limit. */
  budget: number
  /** The limit in words. */
  description: string
}

/** One kind of gate: one file in `shared/gates/`, which names all of it. */
export interface GateKind {
  /** The key in the experiment file: `errorRate`. */
  kind: string
  summary: string
  /** What is counted, what breaks it, what it cannot see: Markdown for the catalogue. */
  documentation: string
  parameters: z.ZodObject
  /** Where it can be read from; the first is the default when the experiment has load, `prometheus` when it has none. */
  sources: readonly [GateSource, ...GateSource[]]
  /** The value under the gate's key: checked, and bound to its rule. */
  bound: z.ZodType<GateRule>
}

/** Ties a parameter schema to a gate's rule, so that the rule takes checked parameters and nobody casts. */
export function defineGate<P extends z.ZodObject>(
  gate: Omit<GateKind, 'parameters' | 'bound'> & { parameters: P; rule(parameters: z.output<P>): GateRule },
): GateKind {
  const { rule, ...rest } = gate
  return { ...rest, bound: gate.parameters.transform(parameters => rule(parameters)) }
}

export function breaksRule({ limit, otherLimit }: Pick<GateRule, 'limit' | 'otherLimit'>, value: number): boolean {
  return breaks(limit, value) || (otherLimit !== undefined && breaks(otherLimit, value))
}

const breaks = (limit: Limit, value: number) => limit.breaksWhen === 'above' ? value > limit.value : value < limit.value
