import type { FactData, GateStatus } from '#shared/events.ts'
import type { GateSpec } from '#shared/experiment.ts'
import { breaksRule, type GatePhase, type GateRule, type Measurement } from '#shared/gate.ts'
import { holds, readBlock, type Sample, type SampleBuffer } from '#shared/gate-blocks.ts'
import { readControlled } from '#shared/gate-control.ts'
import { printCounters, readCounters, whyPartial } from '#shared/gate-counters.ts'
import { beginTally, isBreaking, isBroken, missingForPass, printAgainst, printCounts, printForPass, readTally, standingOf, thinned, withSample, type SequentialSpec, type Standing, type Tally } from '#shared/gate-sequential.ts'
import { percent } from '#shared/gate-share.ts'
import { printDuration } from '#shared/units.ts'

/** One gate over one phase: its looks so far, and whether they have ended it. */
export interface Watch {
  gate: GateSpec
  phase: GatePhase
  /** Looks end at `startMs` plus a whole number of steps. Later than the phase by the length of a range that may not reach back to before it. */
  startMs: number
  phaseStartMs: number
  /** Looks that end later do not count. `complete`: the phase came to its own end, not to an abort. */
  end?: { atMs: number; complete: boolean }
  looks: readonly Look[]
  /** Those that the latest step has taken, all of them, each with what the tally had come to by it. */
  fresh: readonly FreshLook[]
  breakingInARow: number
  lastReadableMs: number
  /** The first thing that ended it; nothing later takes it back. */
  ended?: { is: 'breached' | 'unreadable'; by: Look; tally?: Tally }
  /** Prometheus: answers to looks that are still open, by the date of the look. */
  answers: ReadonlyMap<number, Answer>
  /** Prometheus: the first few different warnings that came with its answers. */
  warnings?: readonly string[]
  /** Of a gate with a `limit` in the during phase: it decides in place of `breakingInARow`, and its looks are thinned out. */
  tally?: Tally
}

export interface Look { endMs: number; measurement: Measurement }
export interface FreshLook extends Look, Partial<Standing> { startMs: number }
export type Answer = Pick<FactData<'slo.answer'>, 'answeredAtMs' | 'answer'>

/**
 * So many looks in a row without data are the last that are taken: a clock that leaps by years would make billions of them. What has not been read
 * for so long is given up; it cannot hold any more.
 */
const unreadableLooks = 10_000
const givenUpAfterMs = (gate: GateSpec) => Math.max(unreadableLooks * stepMs(gate), gate.noDataAfterMs + stepMs(gate))
/** An answer that came just in time may be stored after the tick that would close its look. */
const storingMs = 500

/** The range of a look at the recovery, of a gate whose own range is an objective's slice: a longer one would see the fault long after its end. */
const recoveryRangeMs = 5_000

/**
 * Whether the system has recovered is asked of a few seconds, in which no evidence gathers and no slice of minutes fits: there a gate with a `limit`, or with
 * a range of its own, looks like any other. Of several ranges the shortest alone is asked for: a longer one still is full of what was before, and would hold
 * while the service is down.
 */
export function beginWatch(gate: GateSpec, phase: GatePhase, startMs: number): Watch {
  const { sequential, ...same } = gate
  const plain = phase === 'recovery' && gate.rule.range ? { ...same, windowMs: Math.min(same.windowMs, recoveryRangeMs), rule: inShortest(gate.rule) } : same
  const firstMs = startMs + (phase === 'during' ? gate.anchorMs ?? 0 : 0)
  const common = { phase, startMs: firstMs, phaseStartMs: startMs, looks: [], fresh: [], breakingInARow: 0, lastReadableMs: firstMs, answers: new Map() }
  return sequential && phase !== 'recovery' ? { ...common, gate, tally: beginTally(sequential) } : { ...common, gate: plain }
}

function inShortest(rule: GateRule): GateRule {
  const [shortest] = rule.ranges?.toSorted((a, b) => a.windowMs - b.windowMs) ?? []
  return shortest ? { ...rule, ranges: [shortest], query: () => shortest.query } : rule
}

export const stepMs = ({ source, windowMs, intervalMs, sequential }: GateSpec): number => sequential?.blockMs ?? (source === 'stream' ? windowMs : intervalMs)
export const nextLookMs = (watch: Watch): number => watch.startMs + ((watch.tally?.blocks ?? watch.looks.length) + 1) * stepMs(watch.gate)

/** It has looks that ended after its phase: they were taken before the end of that was on record. */
export const hasOverrun = (watch: Watch): boolean => watch.end?.complete === true && nextLookMs(watch) - stepMs(watch.gate) > watch.end.atMs

/** Takes every look that can be taken by now. */
export function advance(watch: Watch, buffer: SampleBuffer): Watch {
  const fresh: FreshLook[] = []
  const state = takeLooks(watch, buffer, fresh)
  return fresh.length === 0 && watch.fresh.length === 0 ? state : { ...state, fresh }
}

/** `taken` gets each of them. */
function takeLooks(watch: Watch, buffer: SampleBuffer, taken: FreshLook[]): Watch {
  let state = watch
  for (;;) {
    const endMs = nextLookMs(state)
    if (state.end && endMs > state.end.atMs) return state
    if (endMs - state.lastReadableMs > givenUpAfterMs(state.gate)) return state
    if (state.gate.sequential && state.tally) {
      const read = readSequential(state, state.gate.sequential, state.tally, endMs, buffer)
      if (!read) return state
      taken.push({ startMs: endMs - state.gate.sequential.blockMs, endMs, measurement: read.measurement, ...standingOf(state.gate.sequential, read.tally) })
      state = look({ ...state, tally: read.tally }, { endMs, measurement: read.measurement })
      continue
    }
    const measurement = state.gate.source === 'stream' ? readBlock(buffer, state.gate, endMs - state.gate.windowMs, endMs) : readAnswer(state, endMs, buffer.tickMs)
    if (!measurement) return state
    taken.push({ startMs: endMs - state.gate.windowMs, endMs, measurement })
    state = look(state, { endMs, measurement })
  }
}

/**
 * A sample that comes when its block is closed already, as after a machine stood still. The share of that block does without it, but of a budget, and for a pass, every
 * request counts: else what nobody was waiting for any more could be as bad as it likes.
 */
export function withLateSample(watch: Watch, sample: Sample, buffer: SampleBuffer): Watch {
  const { gate: { sequential }, tally, startMs, looks, ended } = watch
  const closedMs = nextLookMs(watch) - stepMs(watch.gate)
  if (!tally || sequential?.counted.is !== 'stream' || !holds(startMs, closedMs, sample)) return watch
  const counted = withSample(sequential.counted.requests, tally, sample, buffer.samples, startMs)
  const last = looks.at(-1)
  if (ended || !last || !isBroken(sequential, counted)) return { ...watch, tally: counted }
  return { ...watch, tally: counted, ended: { is: 'breached', by: last, tally: counted } } // a budget: of a rate nothing has changed
}

function readSequential(watch: Watch, spec: SequentialSpec, tally: Tally, endMs: number, buffer: SampleBuffer): { tally: Tally; measurement: Measurement } | undefined {
  const { gate, startMs } = watch
  const { counted } = spec
  if (counted.is === 'stream') return readTally(gate, spec, counted.requests, tally, buffer, endMs - spec.blockMs)
  const answer = answerTo(watch, endMs, buffer.tickMs)
  if (!answer) return undefined
  const told = answer.is === 'value' ? { is: 'no-data' as const, why: 'a value, not counters' } : answer
  const { control } = counted
  return control ? readControlled(gate, spec, { ...counted, control }, tally, told, startMs, endMs) : readCounters(gate, spec, counted, tally, told, startMs, endMs)
}

/** Keeps an answer until its look is closed. An answer to no open look of this watch changes nothing. */
export function answered(watch: Watch, data: FactData<'slo.answer'>): Watch {
  const { evaluatedAtMs, answeredAtMs, answer } = data
  const isOurs = watch.gate.source === 'prometheus' && data.gate === watch.gate.name
    && (data.counted === true) === (watch.tally !== undefined) // the same gate's recovery asks for a value, and may ask at the same dates
    && evaluatedAtMs >= nextLookMs(watch) && (evaluatedAtMs - watch.startMs) % stepMs(watch.gate) === 0
  if (!isOurs || watch.answers.has(evaluatedAtMs)) return watch
  return { ...watch, answers: new Map(watch.answers).set(evaluatedAtMs, { answeredAtMs, answer }) }
}

/**
 * What Prometheus said to the look that ends then, or undefined while it may still say it. An answer is late when the next two looks were due
 * before it: what it says is no longer about now.
 */
function answerTo(watch: Watch, endMs: number, tickMs: number): Answer['answer'] | undefined {
  const lateAfterMs = 2 * stepMs(watch.gate)
  const found = watch.answers.get(endMs)
  if (!found) return tickMs > endMs + lateAfterMs + storingMs ? { is: 'no-data', why: 'Prometheus was not asked, or never answered' } : undefined
  const { answer, answeredAtMs } = found
  const isLate = answer.is !== 'no-data' && answeredAtMs > endMs + lateAfterMs
  return isLate ? { is: 'no-data', why: `answered ${answeredAtMs - endMs} ms late, after the next two looks` } : answer
}

function readAnswer(watch: Watch, endMs: number, tickMs: number): Measurement | undefined {
  const answer = answerTo(watch, endMs, tickMs)
  if (!answer) return undefined
  if (answer.is === 'no-data') return { is: 'no-data', why: answer.why }
  if (answer.is === 'counters') return { is: 'no-data', why: 'counters, not a value' }
  if (!Number.isFinite(answer.value)) return { is: 'no-data', why: `${answer.value} is not a number to hold against a limit` }
  const breaks = breaksRule(watch.gate.rule, answer.value)
  const partial = breaks ? undefined : whyPartial(answer.warnings) // as of counters: enough to break a limit, but not to hold one
  return partial === undefined ? { is: 'measured', value: answer.value, breaks, ...(answer.over && { over: answer.over }) } : { is: 'no-data', why: partial }
}

function look(watch: Watch, taken: Look): Watch {
  const { measurement, endMs } = taken
  const breakingInARow = measurement.is === 'measured' && measurement.breaks ? watch.breakingInARow + 1 : 0
  const lastReadableMs = measurement.is === 'measured' ? endMs : watch.lastReadableMs
  const answers = new Map(watch.answers)
  const warnings = [...new Set([...watch.warnings ?? [], ...answers.get(endMs)?.answer.warnings ?? []])].slice(0, keptWarnings)
  answers.delete(endMs)
  const atThen = watch.tally && { tally: watch.tally }
  const ended = watch.ended
    ?? (watch.phase !== 'recovery' && isBreached(watch, breakingInARow) ? { is: 'breached' as const, by: taken, ...atThen } : undefined)
    ?? (watch.phase !== 'recovery' && endMs - lastReadableMs >= watch.gate.noDataAfterMs ? { is: 'unreadable' as const, by: taken, ...atThen } : undefined)
  const looks = [...watch.looks, taken]
  return { ...watch, looks: watch.tally ? thinned(looks) : looks, breakingInARow, lastReadableMs, answers, ...(warnings.length > 0 && { warnings }), ...(ended && { ended }) }
}

const keptWarnings = 3

function isBreached({ gate, tally }: Watch, breakingInARow: number): boolean {
  return gate.sequential && tally ? isBroken(gate.sequential, tally) : breakingInARow >= gate.consecutive
}

/** `holding` waits for as many readable looks as a breach would take: fewer prove nothing. With a `limit` it waits until a pass is earned. */
export function watchStatus(watch: Watch): GateStatus {
  if (watch.ended) return watch.ended.is
  const last = watch.looks.at(-1)?.measurement
  if (!last) return 'pending'
  if (last.is === 'no-data') return 'no-data'
  if (watch.gate.sequential && watch.tally) return isBreaking(watch.gate.sequential, watch.tally) ? 'breaking' : watch.tally.enough ? 'holding' : 'pending'
  if (last.breaks) return 'breaking'
  return measuredLooks(watch) >= watch.gate.consecutive ? 'holding' : 'pending'
}

/** Share of looks that must have been readable for a pass. */
const readableShare = 0.9

/** Why the looks do not amount to a pass, or undefined. */
export function missingEvidence(watch: Watch): string | undefined {
  if (!watch.end?.complete) return 'its phase did not come to its end'
  if (watch.ended?.is === 'unreadable') return 'it could not be read for too long'
  const measured = measuredLooks(watch)
  const due = Math.floor((watch.end.atMs - watch.startMs) / stepMs(watch.gate)) - (watch.tally?.counters?.baselines ?? 0)
  if (watch.tally === undefined && measured < watch.gate.consecutive) return `only ${measured} readable looks, fewer than the ${watch.gate.consecutive} that a breach takes`
  if (measured < readableShare * due) return `only ${measured} of ${due} looks were readable`
  const broken = watch.tally === undefined ? mostBrokenInARow(watch.looks) : 0
  if (broken >= watch.gate.consecutive) return `${broken} looks broke it with none between them that held, only such as could not be read`
  return watch.gate.sequential && watch.tally && missingForPass(watch.gate.sequential, watch.tally)
}

/** Of the looks that could be read. One that could not does not abort, but neither does it acquit. */
function mostBrokenInARow(looks: readonly Look[]): number {
  let [inARow, most] = [0, 0]
  for (const { measurement } of looks) {
    if (measurement.is === 'no-data') continue
    inARow = measurement.breaks ? inARow + 1 : 0
    most = Math.max(most, inARow)
  }
  return most
}

const measuredLooks = (watch: Watch): number => watch.tally?.measured ?? watch.looks.filter(({ measurement }) => measurement.is === 'measured').length

/** The measurement in words: `43 % (12 of 28 requests)`, `1 % above the control (5 bad of 100 requests against 4 of 100)`, `burns 20.1x its budget over 1m and 22x over 10s`. */
function printMeasurement({ rule }: GateSpec, measurement: Measurement): string {
  if (measurement.is === 'no-data') return `no data: ${measurement.why}`
  if (measurement.over) return `burns ${measurement.over.map(({ windowMs, value }, index) => `${times(value)}${index === 0 ? ' its budget' : ''} over ${printDuration(windowMs)}`).join(' and ')}`
  const value = rule.limit.unit === 'ratio' ? percent(measurement.value) : String(Number(measurement.value.toPrecision(6)))
  if (measurement.bad === undefined || measurement.total === undefined) return value
  const { bad, total, control } = measurement
  return control ? `${value} above the control (${bad} bad of ${total} requests against ${control.bad} of ${control.total})` : `${value} (${bad} bad of ${total} requests)`
}

const times = (value: number) => `${Number(value.toPrecision(3))}x`

/** What the looks say, with numbers, in one sentence. */
export function evidenceOf(watch: Watch): string {
  return `${looksInWords(watch)}${watch.warnings ? `; Prometheus warned: ${watch.warnings.join('; ')}` : ''}`
}

function looksInWords(watch: Watch): string {
  const { gate, looks, ended, phaseStartMs } = watch
  const limit = gate.rule.description
  const last = looks.at(-1)
  if (!last) return `${limit}: no look was taken`
  const tally = ended?.tally ?? watch.tally
  const measured = `${measuredLooks(watch)} of ${watch.tally?.blocks ?? looks.length} looks readable`
  if (gate.sequential && tally) {
    const standing = `${printCounts(tally)} requests${tally.counters ? printCounters(tally.counters) : ''}; ${printAgainst(gate.sequential, tally)}`
    if (!ended) return `${limit}: ${standing}, ${printForPass(gate.sequential, tally)}; ${measured}`
    const words = ended.is === 'breached' ? 'broken' : `not readable for ${gate.noDataAfterMs} ms`
    return `${limit}: ${words} ${ended.by.endMs - phaseStartMs} ms into the phase, with ${standing}; the last look ${printMeasurement(gate, ended.by.measurement)}; ${measured}`
  }
  if (ended) {
    const words = ended.is === 'breached' ? `broken in ${gate.consecutive} looks in a row` : `not readable for ${gate.noDataAfterMs} ms`
    return `${limit}: ${words}, ${ended.by.endMs - phaseStartMs} ms into the phase; the last of them ${printMeasurement(gate, ended.by.measurement)}; ${measured}`
  }
  const values = looks.flatMap(({ measurement }) => measurement.is === 'measured' ? [measurement] : [])
  const [first, ...rest] = values
  if (!first) return `${limit}: ${measured}; ${printMeasurement(gate, last.measurement)}`
  const isWorse = (a: number, b: number) => gate.rule.limit.breaksWhen === 'above' ? a > b : a < b
  const worst = rest.reduce((found, next) => isWorse(next.value, found.value) ? next : found, first)
  const breaking = values.filter(({ breaks }) => breaks).length
  return `${limit}: ${breaking} of ${values.length} readable looks broke it, the worst ${printMeasurement(gate, worst)}; ${measured}`
}
