import canonicalize from 'canonicalize'
import type { StoredFact } from '#shared/events.ts'
import type { Experiment } from '#shared/experiment.ts'
import { faultOfPart, isJoined } from '#shared/fault.ts'
import { emptyGates, fold, withinPhases, type GateState } from '#shared/gate-core.ts'
import { factsInOrder, missingLines } from '#shared/verdict-log.ts'
import {
  judgeFaults, judgeGate, judgeLoad, judgeRecovery, judgeTimings, unconfirmedReverts,
  type JudgedFault, type JudgedGate, type JudgedLoad, type JudgedRecovery, type Timings,
} from '#shared/verdict-parts.ts'
import { judgeProbes, type JudgedProbe } from '#shared/verdict-probes.ts'

export type Verdict = 'passed' | 'failed' | 'inconclusive'

/** What a run has shown. Plain JSON. */
export interface Judgement {
  run: string
  experiment: string
  verdict: Verdict
  /** The first is the one that decided. */
  reasons: string[]
  /** A fault may still be there. Never with `passed`. */
  revertUnconfirmed: boolean
  /** 0 passed, 1 failed, 2 inconclusive, 4 a revert was not confirmed. */
  exitCode: 0 | 1 | 2 | 4
  gates: JudgedGate[]
  faults: JudgedFault[]
  /** Each probe as each prober saw it; empty when the experiment has none. */
  probes: JudgedProbe[]
  timings: Timings
  /** Null when the experiment has no load of its own. */
  load: JudgedLoad | null
  /** Null when the experiment has no faults to recover from. */
  recovery: JudgedRecovery | null
}

/**
 * The verdict of one run: a pure function of its facts, whatever their order and however often each is given. Never throws.
 *
 * What decides first in the stream decides. No evidence, no pass: a run passes only when nothing speaks against it *and* everything that
 * must be seen was seen.
 */
export function judge(facts: readonly StoredFact[]): Judgement {
  const inOrder = factsInOrder(facts)
  const run = inOrder[0]?.fact.subject ?? ''
  const gates = withinPhases(inOrder.reduce(fold, emptyGates(run)), inOrder)
  const { experiment } = gates
  if (!experiment) return unreadable(run)
  const judged = experiment.gates.map(gate => judgeGate(gate, gates, inOrder))
  const { missed, ...recovery } = judgeRecovery(experiment, gates)
  const evidence: Evidence = {
    experiment, gates, judged, missed, facts: inOrder,
    recovery, faults: judgeFaults(experiment, inOrder), load: experiment.load ? judgeLoad(inOrder) : null,
  }
  const unconfirmed = unconfirmedReverts(experiment, inOrder)
  const decided = decide(evidence, unconfirmed)
  const reasons = [...new Set([...decided.reasons, ...unconfirmed.map(fault => `the revert of ${fault} was not confirmed: it may still be there`)])]
  return {
    run, experiment: experiment.name, verdict: decided.verdict, reasons,
    revertUnconfirmed: unconfirmed.length > 0,
    exitCode: unconfirmed.length > 0 ? 4 : { passed: 0, failed: 1, inconclusive: 2 }[decided.verdict] as 0 | 1 | 2,
    gates: judged, faults: evidence.faults, probes: judgeProbes(experiment, gates), timings: judgeTimings(experiment, gates, judged, inOrder), load: evidence.load, recovery: experiment.faults.length === 0 ? null : recovery,
  }
}

/** RFC 8785 JSON: equal judgements have equal bytes. */
export function printJudgement(judgement: Judgement): string {
  const printed = canonicalize(judgement)
  if (printed === undefined) throw new Error('a judgement is JSON')
  return printed
}

interface Evidence {
  experiment: Experiment
  gates: GateState
  judged: readonly JudgedGate[]
  faults: JudgedFault[]
  load: JudgedLoad | null
  recovery: JudgedRecovery
  missed: boolean
  facts: readonly StoredFact[]
}
/** A fault that was there for less than this share of its duration has not asked its question. It is not 1: the time that the act takes is part of the duration, but not of the time held. */
const leastShareHeld = 0.5

interface Decided { verdict: Verdict; reasons: string[] }

function decide(evidence: Evidence, unconfirmed: readonly string[]): Decided {
  const incomplete = missingLines(evidence.facts)
  if (incomplete) return { verdict: 'inconclusive', reasons: [incomplete] }
  const decisive = evidence.facts.map(decisiveFact).find(found => found !== undefined)
  if (decisive) return decisive
  const failed = evidence.judged.filter(({ phase, verdict }) => phase === 'during' && verdict === 'failed')
  if (failed.length > 0) return { verdict: 'failed', reasons: failed.map(({ name, evidence: sentence }) => `${name}: ${sentence}`) }
  if (evidence.missed) return { verdict: 'failed', reasons: ['the system did not recover in time', ...evidence.recovery.evidence] }
  const missing = missingForPass(evidence)
  if (missing.length > 0 || unconfirmed.length > 0) return { verdict: 'inconclusive', reasons: missing }
  const whatHeld = evidence.experiment.faults.length === 0 ? 'every gate held, with no fault in the way' : 'every gate held, every fault was confirmed and is gone, and the system recovered'
  return { verdict: 'passed', reasons: [whatHeld] }
}

/** A fact that settles the verdict by itself; the first in the stream does. */
function decisiveFact(stored: StoredFact): Decided | undefined {
  const inconclusive = (reason: string): Decided => ({ verdict: 'inconclusive', reasons: [reason] })
  switch (stored.kind) {
    case 'run.aborting': {
      const { cause, detail } = stored.fact.data
      return cause === 'gate' ? { verdict: 'failed', reasons: [detail] } : inconclusive(`aborted (${cause}): ${detail}`)
    }
    case 'load.state': {
      const { state, detail } = stored.fact.data
      return state === 'failed' ? inconclusive(`the load generator failed${detail === undefined ? '' : `: ${detail}`}`) : undefined
    }
    case 'fault.injected': {
      const { verified, fault, node } = stored.fact.data
      return verified ? undefined : inconclusive(`${fault} on ${node} was injected, but its effect was not seen`)
    }
    case 'fault.refused': return isJoined(stored.fact.data.fault) ? undefined : inconclusive(`${stored.fact.data.fault} was refused by ${stored.fact.data.node}: ${stored.fact.data.why}`)
    case 'probe.refused': return inconclusive(`the probe ${stored.fact.data.probe} was refused by the prober on ${stored.fact.data.node}: ${stored.fact.data.why}`)
    case 'fault.reverted': {
      const { cause, fault, node } = stored.fact.data
      return cause === 'halt' ? inconclusive(`${fault} on ${node} was ended by a halt`) : undefined
    }
    case 'fault.lapsed': return inconclusive(`the lease of ${stored.fact.data.fault} on ${stored.fact.data.node} ran out while it was held`)
    default: return undefined
  }
}

/** Everything that must have been seen for a pass, and was not. */
function missingForPass({ experiment, gates, judged, faults, load, recovery, facts }: Evidence): string[] {
  const missing: string[] = []
  if (!gates.sealed) missing.push('the run has no end: run.sealed is missing')
  if (load && !load.reached) missing.push('the load never reached its users')
  if (load && load.requests === 0) missing.push('the load sent no request')
  for (const { id, node, injectedAtMs, targets } of faults) {
    if (injectedAtMs === null) missing.push(`${id} was never confirmed as injected${node === '' ? '' : ` on ${node}`}`)
    else if (targets.length === 0) missing.push(`${id} had no target`)
  }
  missing.push(...endedEarly(experiment, faults))
  if (experiment.gates.every(({ phase }) => phase === 'steady')) missing.push('no gate judged the time of the fault or the recovery')
  const last = experiment.faults.length === 0 ? 'end' : 'revert'
  if (!facts.some(stored => stored.kind === 'run.phase' && stored.fact.data.phase === last)) missing.push('the run did not go through to its end')
  for (const { name, phase, verdict, evidence } of judged) if (verdict !== 'passed') missing.push(`${name} (${phase}): ${evidence}`)
  if (experiment.faults.length > 0 && !recovery.met) missing.push('the recovery was not seen', ...recovery.evidence)
  return missing
}

/** A fault that was there for a part of its time only, such as one whose agent was stopped or started again, has not asked its question. */
function endedEarly(experiment: Experiment, faults: readonly JudgedFault[]): string[] {
  return faults.flatMap(({ id, node, injectedAtMs, revertedAtMs, cause }) => {
    const durationMs = plannedDurationMs(experiment, faults, id, injectedAtMs)
    if (durationMs === undefined || injectedAtMs === null || revertedAtMs === null) return []
    if (cause === 'restart') return [`${id} on ${node} was cut short by a start of its agent or its machine, and nobody saw when (cause: restart)`] // the date is of the look afterwards
    const heldMs = revertedAtMs - injectedAtMs // two dates of one agent
    return heldMs >= durationMs * leastShareHeld ? [] : [`${id} on ${node} ended after ${heldMs} ms of its ${durationMs} ms (cause: ${cause})`]
  })
}

/** How long a fault was to last; a part that joined one was to last until that one's end. */
function plannedDurationMs({ faults: specs }: Experiment, faults: readonly JudgedFault[], id: string, injectedAtMs: number | null): number | undefined {
  const fault = faultOfPart(id)
  const durationMs = specs.find(spec => spec.id === fault)?.durationMs
  if (durationMs === undefined || !isJoined(id)) return durationMs
  const beganAtMs = Math.min(...faults.flatMap(other => other.id === fault ? other.injectedAtMs ?? [] : []))
  return Math.max(0, beganAtMs + durationMs - (injectedAtMs ?? 0))
}

function unreadable(run: string): Judgement {
  const why = 'the log has no readable run.submitted'
  return {
    run, experiment: '', verdict: 'inconclusive', reasons: [why], revertUnconfirmed: false, exitCode: 2, gates: [], faults: [], probes: [],
    timings: { breachToAbortMs: null, breachToRevertedMs: null, firstBadToRevertedMs: null, why: { breachToAbortMs: why, breachToRevertedMs: why, firstBadToRevertedMs: why } },
    load: null, recovery: { requiredWithinMs: 0, recoveredInMs: null, met: false, evidence: [] },
  }
}
