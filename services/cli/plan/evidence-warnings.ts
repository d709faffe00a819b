import type { Experiment, GateSpec } from '#shared/experiment.ts'
import { recoveryGates } from '#shared/gate-core.ts'
import { fewestForPass, isControlled } from '#shared/gate-sequential.ts'
import { complement, percent } from '#shared/gate-share.ts'
import { stepMs } from '#shared/gate-watch.ts'
import { sampleSize } from '#shared/sample-size.ts'
import { printDuration } from '#shared/units.ts'
import { patience } from '../../scheduler/core.ts'

/** Why a run of the experiment would show less than its author may think. */
export interface EvidenceWarning {
  gate: string
  /** `looks`: it cannot be looked at often enough; `requests`: it sees too few requests for its limit; `limit`: nothing can break that. */
  about: 'looks' | 'requests' | 'limit'
  /** No run of it can pass. */
  never: boolean
  says: string
  /** Requests that it takes when not one of them is bad, and how many a second that is; null: it is not about requests. */
  requestsNeeded: number | null
  requestsPerSecondNeeded: number | null
  /** Null: nobody knows. */
  requestsExpected: number | null
}

export interface EvidenceOptions {
  /** Requests a second that the service gets, by its load or from elsewhere; how many users send depends on what they do. */
  rps?: number | undefined
}

/** A pass that is not earned, in one run of twenty. */
const alpha = 0.05

/**
 * A gate without a `limit` passes when it was never broken, however little it saw, so that a short run passes for want of evidence; one with a `limit` cannot
 * pass then. What is too short is told before it takes anybody's time: in looks, which the run itself demands, and in requests, by the zero-failure minimum
 * (shared/sample-size.ts, pass-evidence.ts). Pure.
 *
 * Requests are counted for gates of the `during` phase alone: a pass rests on them, the others guard it.
 */
export function evidenceWarnings(experiment: Experiment, { rps }: EvidenceOptions = {}): EvidenceWarning[] {
  return experiment.gates.flatMap(gate => [...unbreakable(gate), ...gate.rule.probe ? tooFewAttempts(gate, experiment) : [
    ...tooFewLooks(gate, experiment), ...countedTooCoarsely(gate, experiment), ...unreadable(gate, rps), ...tooFewRequests(gate, experiment, rps),
  ]])
}

const aboutLooks = (gate: GateSpec, says: string): EvidenceWarning => ({ gate: gate.name, about: 'looks', never: true, says, requestsNeeded: null, requestsPerSecondNeeded: null, requestsExpected: null })

/** A bare 1 is all requests, and whoever wrote it may have meant one percent. */
function unbreakable(gate: GateSpec): EvidenceWarning[] {
  const { rule: { limit: { unit, value, breaksWhen } } } = gate
  if (unit !== 'ratio' || (breaksWhen === 'above' ? value < 1 : value > 0)) return []
  const says = `nothing can break it, since no share is ${breaksWhen === 'above' ? 'above 100 %' : 'below 0 %'}: it holds whatever happens; one percent is written 1%, or 0.01`
  return [{ ...aboutLooks(gate, says), about: 'limit', never: false }]
}

function tooFewLooks(gate: GateSpec, experiment: Experiment): EvidenceWarning[] {
  const { consecutive, phase } = gate
  const everyMs = stepMs(gate)
  const looksIn = (ms: number) => Math.floor(ms / everyMs)
  const { steadyMs, holdMs, recovery: { withinMs, stableMs }, faults } = experiment
  const warnings: EvidenceWarning[] = []
  const say = (text: string) => warnings.push(aboutLooks(gate, text))
  const looks = (count: number) => count === 0 ? 'no look' : count === 1 ? 'one look' : `${count} looks`
  if (phase === 'during' && !gate.sequential && looksIn(holdMs) < consecutive) {
    say(`the hold of ${printDuration(holdMs)} has room for ${looks(looksIn(holdMs))}, and it takes ${consecutive}, one every ${printDuration(everyMs)}, to be breached or to hold`)
  }
  if (phase === 'steady' && looksIn(steadyMs + patience.steadyGatesMs) < consecutive) {
    say(`${printDuration(steadyMs)} before the first fault have room for ${looks(looksIn(steadyMs))}, and it takes ${consecutive}, one every ${printDuration(everyMs)}, to be seen to hold`)
  }
  const waitedMs = withinMs + stableMs + patience.recoveryGatesMs
  const againMs = gate.source === 'stream' ? gate.windowMs : gate.intervalMs // there a gate with a limit looks like any other
  if (faults.length > 0 && recoveryGates(experiment).includes(gate) && againMs > waitedMs) {
    say(`its first look at the recovery comes after ${printDuration(againMs)}, and the run waits ${printDuration(waitedMs)} for it`)
  }
  return warnings
}

/** Counters are known scrape by scrape: of few blocks one that is missed is too many, and an increase from during the fault stays in sight for a block. */
function countedTooCoarsely(gate: GateSpec, experiment: Experiment): EvidenceWarning[] {
  const { sequential } = gate
  if (sequential?.counted.is !== 'counters') return []
  const { holdMs, recovery: { withinMs }, faults } = experiment
  const blocks = Math.floor(holdMs / sequential.blockMs)
  const say = (says: string): EvidenceWarning => ({ ...aboutLooks(gate, says), never: false })
  return [
    ...(blocks < fewBlocks ? [say(`the hold of ${printDuration(holdMs)} has ${blocks} whole ${blocks === 1 ? 'block' : 'blocks'} of ${printDuration(sequential.blockMs)}: one that Prometheus misses leaves the run inconclusive`)] : []),
    ...(faults.length > 0 && recoveryGates(experiment).includes(gate) && gate.windowMs >= withinMs
      ? [say(`its recovery is asked of the last ${printDuration(gate.windowMs)}, in which what failed during the fault is still counted when recovery.within (${printDuration(withinMs)}) is over; make that longer, or write a gate with phase: recovery`)] : []),
  ]
}

/** A tenth of the blocks may be unreadable. */
const fewBlocks = 10

/** A block with fewer requests than `minRequests` is no data. */
function unreadable(gate: GateSpec, rps: number | undefined): EvidenceWarning[] {
  if (gate.source !== 'stream' || gate.sequential || rps === undefined) return []
  const inBlock = rps * gate.windowMs / 1_000
  return inBlock >= gate.minRequests ? [] : [aboutLooks(gate, `a block of ${printDuration(gate.windowMs)} has some ${Number(inBlock.toPrecision(2))} requests at ${rps} a second, fewer than its minRequests of ${gate.minRequests}: it can hardly be read`)]
}

function tooFewRequests(gate: GateSpec, { holdMs }: Experiment, rps: number | undefined): EvidenceWarning[] {
  const { sequential } = gate
  const needed = sequential ? fewestForPass(sequential) : requestsNeeded(gate)
  if (gate.phase !== 'during' || needed === undefined || holdMs === 0) return []
  const expected = rps === undefined ? null : Math.floor(rps * holdMs / 1_000)
  if (expected !== null && expected >= needed) return []
  const perSecond = roundedUp(needed / holdMs * 1_000)
  const needs = `needs ${grouped(needed)} requests${sequential && isControlled(sequential) ? ' of either arm' : ''}: ${perSecond} a second for ${printDuration(holdMs)}`
  const gets = expected === null ? '--rps tells whether it gets them' : `at ${rps} a second it gets ${grouped(expected)}`
  const says = `${sequential ? 'to pass' : `to show ${shown(gate)}`} ${needs}; ${gets}`
  return [{ gate: gate.name, about: 'requests', never: sequential !== undefined && expected !== null, says, requestsNeeded: needed, requestsPerSecondNeeded: perSecond, requestsExpected: expected }]
}

/** Every prober attempts at a steady rate from before the faults to the end of the run; one of them alone is counted, to the end of the hold. */
function tooFewAttempts(gate: GateSpec, { probes, steadyMs, holdMs }: Experiment): EvidenceWarning[] {
  const probe = probes.find(({ name }) => name === gate.rule.probe?.name)
  const needed = requestsNeeded(gate)
  if (!probe || needed === undefined) return []
  const expected = Math.floor((steadyMs + holdMs) / probe.intervalMs)
  if (expected >= needed) return []
  return [{
    gate: gate.name, about: 'requests', never: false, requestsNeeded: needed, requestsPerSecondNeeded: null, requestsExpected: expected,
    says: `to show ${shown(gate)} needs ${grouped(needed)} attempts, ${printDuration(needed * probe.intervalMs)} at one every ${printDuration(probe.intervalMs)}; one prober makes ${grouped(expected)} by the end of the hold`,
  }]
}

const shown = ({ rule: { limit } }: GateSpec) => `that ${limit.breaksWhen === 'above' ? `fewer than ${percent(limit.value)} are bad` : `more than ${percent(limit.value)} are good`} (alpha ${percent(alpha)})`

/** Undefined: it counts no requests, or no number of them could ever show its limit. */
function requestsNeeded({ rule: { limit } }: GateSpec): number | undefined {
  if (limit.unit !== 'ratio') return undefined
  const budget = limit.breaksWhen === 'above' ? limit.value : complement(limit.value)
  return budget > 0 && budget < 1 ? sampleSize({ budget, alpha, trueRate: 0, power: 0.5, requestsPerBurst: 1 }).zeroFailureRequests : undefined
}

const roundedUp = (rate: number) => rate >= 10 ? Math.ceil(rate) : Math.ceil(rate * 10) / 10
const grouped = (count: number) => count.toLocaleString('en')
