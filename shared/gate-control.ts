import type { FactData } from '#shared/events.ts'
import type { GateSpec } from '#shared/experiment.ts'
import { countGrowth, noCounts, type CountedBlock, type Growth } from '#shared/counter-growth.ts'
import { nextFactors, type EState } from '#shared/e-process.ts'
import { excessFactors, expectedShare, withPairs } from '#shared/excess-evidence.ts'
import { greatestOf, leastOf } from '#shared/extremes.ts'
import { countAnswer, exact, unread, type CountedAnswer } from '#shared/gate-counters.ts'
import { byShare, nothingCompared, nothingCounted, withBlock, type Bet, type ControlTally, type CountedFrom, type SequentialSpec, type Tally } from '#shared/gate-sequential.ts'
import { breaksRule, type CounterRule, type Measurement } from '#shared/gate.ts'
import type { Counts, PassQuestion } from '#shared/pass-evidence.ts'

/**
 * A gate with a `control`: counters from where the fault is, held against counters from where it is not, in the same seconds, so that noise which comes to both
 * is evidence of nothing. What counts are worth is in excess-evidence.ts; here is which of them are of the same time. No two targets are scraped at once, so
 * what a block brings of one arm may come in the next of the other.
 *
 *   against the gate   its own counts from between two scrapes that all targets of the control have in the block: what noise is in them is in the control's
 *                      too. Those are of a longer time, over which the noise is thinned out, so it may be stronger in its own by as much (`slack`)
 *   for a pass         all its own counts of the phase, and those of the control that are from no earlier and no later
 *
 * A block in which an arm could not be read, or has no requests, compares nothing. Pure.
 */

type Answer = Exclude<FactData<'slo.answer'>['answer'], { is: 'value' }>
export type Controlled = CountedFrom & { is: 'counters'; control: CounterRule }
type Read = CountedAnswer & { is: 'counted' }

/** The block that ends then, by the answer to it. */
export function readControlled(gate: GateSpec, spec: SequentialSpec, counted: Controlled, tally: Tally, answer: Answer, phaseStartMs: number, endMs: number): { tally: Tally; measurement: Measurement } {
  if (answer.is === 'no-data') return unread(spec, tally, answer.why)
  if (!answer.control) return unread(spec, tally, 'control: it was not asked for')
  const before = tally.control ?? nothingCompared
  const isFirst = tally.measured === 0
  const own = countAnswer(gate, spec, counted, { before: tally.counters ?? nothingCounted, isFirst }, answer, phaseStartMs, endMs)
  if (own.is === 'unread') return unread(spec, tally, own.why)
  const control = countAnswer(gate, spec, { counters: counted.control, sum: counted.sum }, { before: before.counters, isFirst }, answer.control, phaseStartMs, endMs)
  if (control.is === 'unread') return unread(spec, tally, `control: ${control.why}`)
  const both = whyNothing(own, control) ?? sameTime(counted, own.grown, control.grown)
  const told = measured(gate, both)
  const measurement: Measurement = told.is === 'measured' && !told.breaks && own.doubt !== undefined ? { is: 'no-data', why: own.doubt } : told
  const next: Tally = {
    ...tally, ...(own.isSound && plus(tally, own.block)),
    counters: { ...own.counting, baselines: own.counting.baselines + (own.isBaseline || control.isBaseline ? 1 : 0) },
    control: { ...withControl(before, control), ...withBoth(counted, before, own, control) },
  }
  return { measurement, tally: withBlock(spec, next, measurement, byExcess(spec.pass, before.recent, both)) }
}

/** What is of the same time in both arms. `slack`: in how many times as long a time the control's was counted. */
export type BothArms = { is: 'compared'; own: CountedBlock; control: CountedBlock; slack: number } | { is: 'nothing'; why: string }

function whyNothing(own: Read, control: Read): BothArms | undefined {
  const why = own.told.is === 'no-data' ? own.told.why
    : control.told.is === 'no-data' ? `control: ${control.told.why}`
    : control.doubt !== undefined ? `control: ${control.doubt}` : undefined
  return why === undefined ? undefined : { is: 'nothing', why }
}

export function sameTime({ counters, control }: Pick<Controlled, 'counters' | 'control'>, own: readonly Growth[], other: readonly Growth[]): BothArms {
  const others = spansOf(other)
  const [fromMs, untilMs] = [greatestOf(others.map(({ startMs }) => startMs)), leastOf(others.map(({ endMs }) => endMs))]
  const within = own.filter(({ sinceMs, atMs }) => sinceMs >= fromMs && atMs <= untilMs)
  const spans = spansOf(within)
  if (others.length === 0 || spans.length === 0) return { is: 'nothing', why: 'no scrape of it began and ended between two of the control; give a block of four scrape intervals or more' }
  const [counted, compared] = [atMostAll(countGrowth(counters, within)), atMostAll(countGrowth(control, other))]
  if (counted.total === 0 || compared.total === 0) return { is: 'nothing', why: 'no request was counted in the same time' }
  const longestMs = greatestOf(others.map(lengthMs))
  const slack = spans.reduce((sum, span) => sum + span.requests / counted.total * longestMs / lengthMs(span), 0)
  return { is: 'compared', own: counted, control: compared, slack: Math.max(1, slack) }
}

interface Span { startMs: number; endMs: number; requests: number }
const lengthMs = ({ startMs, endMs }: Span) => endMs - startMs

/** Of each target: from when until when its requests were counted, and how many. */
function spansOf(grown: readonly Growth[]): Span[] {
  const counted = grown.filter(({ part, is }) => part === 'total' && is !== 'begun')
  return [...Map.groupBy(counted, ({ target }) => target).values()].map(scrapes => ({
    startMs: leastOf(scrapes.map(({ sinceMs }) => sinceMs)), endMs: greatestOf(scrapes.map(({ atMs }) => atMs)), requests: scrapes.reduce((sum, { added }) => sum + added, 0),
  }))
}

/** Bad ones may have been counted by another target than all, which is scraped at another time. */
const atMostAll = ({ total, bad, badAtMost }: CountedBlock): CountedBlock => ({ total, bad: Math.min(bad, total), badAtMost: Math.min(badAtMost, total) })

/** Where buckets leave it open, what speaks least against the gate. */
const leastExcess = ({ own, control }: BothArms & { is: 'compared' }): [own: Counts, control: Counts] =>
  [{ total: own.total, bad: Math.min(own.bad, own.badAtMost) }, { total: control.total, bad: Math.max(control.bad, control.badAtMost) }]

function measured({ rule }: GateSpec, both: BothArms): Measurement {
  if (both.is === 'nothing') return { is: 'no-data', why: both.why }
  const [own, control] = leastExcess(both)
  const value = own.bad / own.total - control.bad / control.total
  return { is: 'measured', value, breaks: breaksRule(rule, value), bad: exact(own.bad), total: exact(own.total), control: { bad: exact(control.bad), total: exact(control.total) } }
}

/** `recent`: the control's counts before this block. */
export function byExcess(pass: PassQuestion, recent: Counts, both: BothArms): Bet {
  if (both.is === 'nothing') return byShare({ is: 'no-data', why: both.why })
  const [own, control] = leastExcess(both)
  const seen = { pairs: Math.min(own.total, control.total) / pass.requestsPerBurst, badShare: own.bad / own.total, controlShare: control.bad / control.total }
  return (plan, process): EState => nextFactors(plan, process, excessFactors(plan.alternatives, expectedShare(recent, pass), { limit: pass.budget, slack: both.slack }, seen))
}

/** The counts by which the control's next share is expected: noise that goes on is, and what was long ago is not. */
export const withRecent = (recent: Counts, { bad, total }: Counts): Counts => ({ bad: recent.bad / 2 + Math.min(bad, total), total: recent.total / 2 + total })

const plus = (sum: Counts, { bad, total }: Counts): Counts => ({ bad: exact(sum.bad + bad), total: exact(sum.total + total) })

function withControl(before: ControlTally, { block, counting, isSound }: Read): Omit<ControlTally, 'compared' | 'waiting'> {
  return { ...plus(before, isSound ? block : { bad: 0, total: 0 }), counters: counting, recent: isSound ? withRecent(before.recent, block) : before.recent }
}

/**
 * What a pass rests on, with this block. Where one arm has nothing to be compared with, the other's counts wait. In the first block the control is counted for
 * a shorter time; noise that fell into it was thinner over the longer one, so as much less of it counts.
 */
function withBoth({ counters, control: rule }: Controlled, before: ControlTally, own: Read, control: Read): Pick<ControlTally, 'compared' | 'waiting' | 'fromMs'> {
  const { compared, waiting } = before
  const kept = { compared, waiting, ...(before.fromMs !== undefined && { fromMs: before.fromMs }) }
  if (!own.isSound || !control.isSound) return kept
  const spans = spansOf(own.grown)
  const fromMs = before.fromMs ?? greatestOf(spans.map(({ startMs }) => startMs))
  const untilMs = spans.length > 0 ? leastOf(spans.map(({ endMs }) => endMs)) : -Infinity
  const late = control.grown.filter(({ sinceMs }) => sinceMs >= fromMs)
  const inTime = late.filter(({ atMs }) => atMs <= untilMs)
  const ahead = countGrowth(rule, late.filter(({ atMs }) => atMs > untilMs))
  const mine = sumOf(waiting.own, countGrowth(counters, own.grown))
  const theirs = sumOf(waiting.control, countGrowth(rule, inTime))
  if (mine.total === 0 || theirs.total === 0) return before.fromMs === undefined ? kept : { ...kept, waiting: { own: mine, control: sumOf(theirs, ahead) } }
  const [most, least] = [atMostAll(mine), atMostAll(theirs)]
  const counts = before.fromMs === undefined ? Math.min(1, leastOf(spansOf(inTime).map(lengthMs)) / greatestOf(spans.map(lengthMs))) : 1
  return {
    fromMs, waiting: { own: noCounts, control: ahead },
    compared: withPairs(compared, { total: most.total, bad: Math.max(most.bad, most.badAtMost) }, { total: least.total, bad: counts * Math.min(least.bad, least.badAtMost) }),
  }
}

const sumOf = (a: CountedBlock, b: CountedBlock): CountedBlock => ({ total: a.total + b.total, bad: a.bad + b.bad, badAtMost: a.badAtMost + b.badAtMost })
