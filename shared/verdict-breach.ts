import type { StoredFact } from '#shared/events.ts'
import type { GateSpec } from '#shared/experiment.ts'
import { greatestOf, leastOf } from '#shared/extremes.ts'
import { breaksRule, type LoadSample } from '#shared/gate.ts'
import { sequentialBreachOf } from '#shared/verdict-breach-sequential.ts'

/**
 * When a gate's rule was broken, from the raw samples alone and without the evaluator's blocks, looks or decisions: it is what those are
 * timed against. Written apart from gate-core.ts on purpose; only the gate's own rule is shared.
 */
export type Dated = { is: 'dated'; atMs: number; clocks: readonly string[] } | { is: 'unknown'; why: string }

/**
 * End of the first sample with which the gate's rule is broken: its limit over its window, `consecutive` times in a row. A stream gate's
 * windows are the blocks from the phase's start. A Prometheus gate that reads the load's own metrics is held against the raw samples too, not
 * against what was scraped of them: what scraping costs is part of what is measured. Only for other expressions Prometheus is asked again.
 */
export function breachOf(gate: GateSpec, phaseStartMs: number, facts: readonly StoredFact[]): Dated {
  if (gate.source === 'probe') return { is: 'unknown', why: 'a gate on a probe is judged once, at the end of the run' }
  if (gate.sequential) return sequentialBreachOf(gate.sequential, gate, phaseStartMs, facts)
  if (gate.source === 'stream') return breachInBlocks(gate, phaseStartMs, facts)
  return gate.rule.readsLoadMetrics ? breachInSlidingWindow(gate, phaseStartMs, facts) : breachInHistory(gate, phaseStartMs, facts)
}

function breachInBlocks(gate: GateSpec, phaseStartMs: number, facts: readonly StoredFact[]): Dated {
  const byWindow = Map.groupBy(samplesOf(facts), ({ startMs, endMs }) => Math.floor(((startMs + endMs) / 2 - phaseStartMs) / gate.windowMs))
  let inARow = 0
  let last = -1
  for (const [index, samples] of [...byWindow].filter(([at]) => at >= 0).sort(([a], [b]) => a - b)) {
    if (index > last + 1) inARow = 0 // between them are windows without a sample: not walked through, since a wrong clock may leave billions
    last = index
    inARow = isBroken(gate, samples) ? inARow + 1 : 0
    if (inARow === gate.consecutive) return { is: 'dated', atMs: greatestOf(samples.map(({ endMs }) => endMs)), clocks: [...new Set(samples.map(({ clock }) => clock))] }
  }
  return { is: 'unknown', why: 'the raw samples do not break the limit for long enough' }
}

function isBroken(gate: GateSpec, samples: readonly LoadSample[]): boolean {
  const measured = measure(gate, samples)
  return measured.is === 'measured' && measured.breaks && (measured.total ?? Infinity) >= gate.minRequests
}

function measure(gate: GateSpec, samples: readonly LoadSample[]) {
  const latestByWorker = [...new Map(samples.toSorted((a, b) => a.endMs - b.endMs).map(sample => [sample.worker, sample])).values()]
  return gate.rule.measure({ startMs: leastOf(samples.map(({ startMs }) => startMs)), endMs: greatestOf(samples.map(({ endMs }) => endMs)), samples, latestByWorker })
}

/** The window that ends with a sample, and slides with them, as the range of the gate's query does: broken for as long as its looks span. */
function breachInSlidingWindow(gate: GateSpec, phaseStartMs: number, facts: readonly StoredFact[]): Dated {
  const samples = samplesOf(facts).toSorted((a, b) => a.endMs - b.endMs)
  const spanMs = (gate.consecutive - 1) * gate.intervalMs
  let first = 0
  let since: number | undefined
  for (const [index, { endMs, clock }] of samples.entries()) {
    if (endMs < phaseStartMs) continue
    while ((samples[first]?.endMs ?? Infinity) <= endMs - gate.windowMs) first += 1
    const measured = measure(gate, samples.slice(first, index + 1))
    if (measured.is === 'no-data' || !measured.breaks) since = undefined
    else since ??= endMs
    if (since !== undefined && endMs - since >= spanMs) return { is: 'dated', atMs: endMs, clocks: [clock] }
  }
  return { is: 'unknown', why: 'the raw samples do not break the limit for long enough' }
}

/** The first point from which the value broke the limit without a break for as long as `consecutive` looks span. */
function breachInHistory(gate: GateSpec, phaseStartMs: number, facts: readonly StoredFact[]): Dated {
  const history = facts.flatMap(stored => stored.kind === 'slo.history' && stored.fact.data.gate === gate.name ? [stored.fact.data] : [])[0]
  if (!history) return { is: 'unknown', why: 'the log has no slo.history of the gate: Prometheus was not asked, or did not answer, after the phase' }
  const spanMs = (gate.consecutive - 1) * gate.intervalMs
  let since: number | undefined
  let lastMs = -Infinity
  for (const [atMs, value] of history.points.toSorted(([a], [b]) => a - b)) {
    if (atMs < phaseStartMs) continue
    if (!breaksRule(gate.rule, value)) since = undefined
    else if (since === undefined || atMs - lastMs > 1.5 * history.stepMs) since = atMs // a hole in the points ends a stretch
    lastMs = atMs
    if (since !== undefined && atMs - since >= spanMs) return { is: 'dated', atMs, clocks: [] }
  }
  return { is: 'unknown', why: 'the history of the expression does not break the limit for long enough' }
}

/** Start of the first sample in the phase with a request that counts against the gate: no bad request was earlier. */
export function firstBadOf(gate: GateSpec, phaseStartMs: number, facts: readonly StoredFact[]): Dated {
  if (gate.source !== 'stream' && !gate.rule.readsLoadMetrics) return { is: 'unknown', why: 'the gate reads metrics of its own, which tell of no single requests' }
  const [earliest] = samplesOf(facts).filter(sample => sample.endMs > phaseStartMs && countsBad(gate, sample)).toSorted((a, b) => a.startMs - b.startMs)
  if (!earliest) return { is: 'unknown', why: 'no sample has a bad request' }
  return { is: 'dated', atMs: earliest.startMs, clocks: [earliest.clock] }
}

function countsBad(gate: GateSpec, sample: LoadSample): boolean {
  const measured = measure(gate, [sample])
  return measured.is === 'measured' && (measured.bad ?? 0) > 0
}

function samplesOf(facts: readonly StoredFact[]) {
  return facts.flatMap(stored => stored.kind === 'load.sample' ? [stored.fact.data] : [])
}
