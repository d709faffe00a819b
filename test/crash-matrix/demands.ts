/** What is demanded of every cell, whatever was disturbed. Pure: from what was seen from outside, and from the record. */
import type { StoredFact } from '#shared/events.ts'
import { judge, type Judgement } from '#shared/verdict.ts'
import { cutsRenewal, expectationOf, inGuestOf, nameOf, type Cell } from './table.ts'
import { faultKinds, type SeenFaults, type Span } from './subject.ts'

export interface Evidence {
  cell: Cell
  run: string
  /** When the disturbance began and when it was over (monotonic, milliseconds), and how it was seen; undefined when it was not. */
  fired?: { atMs: number; overMs: number; seen: string } | undefined
  /** What could not be done or looked at. */
  troubles: string[]
  seen: SeenFaults
  durationMs: number
  leaseMs: number
  /** As stored by the evaluator. */
  verdict?: string | undefined
  /** Everything that is in the stream from the cell's beginning on. */
  facts: readonly StoredFact[]
  /** Places in the stream that a server has acknowledged since then. */
  acknowledged: readonly number[]
  /** As before, and not one that was made anew. */
  isSameStream: boolean
  leftovers: readonly string[]
  /** Requests that the system answered with an error. */
  failures: number
}

export interface CellResult {
  cell: string
  verdict: string
  reasons: string[]
  fired: string | null
  /** How long after its lease or its duration the later fault was really over; negative when it was over before. Null when none was there. */
  lateMs: number | null
  leftovers: string[]
  /** Facts that were acknowledged and are not there. */
  lost: number
  acknowledged: number
  violations: string[]
  /** There are some, and all of them are of what was to come in time: where this machine itself paused meanwhile they say nothing of faultline. */
  isOfPace: boolean
  /** The whole cell, its looks before and after included. */
  tookMs: number
}

/** What is promised after a lease or a duration is over. */
const promisedMs = 1_000
/** So much of a fault's duration must have been asked for a pass (verdict.ts has the same bar for what it is told). */
const leastShareHeld = 0.5

export function judgeCell(evidence: Evidence): Omit<CellResult, 'tookMs'> {
  const { cell, run, fired, troubles, seen, facts, verdict = 'none', acknowledged, isSameStream, leftovers } = evidence
  const ofRun = facts.filter(({ fact }) => fact.subject === run)
  const judgement = judge(ofRun)
  const late = faultKinds.flatMap(kind => seen[kind].map(span => latenessOf(span, evidence)))
  const places = new Set(facts.map(({ stream }) => stream))
  const lost = acknowledged.filter(place => !isSameStream || !places.has(place))
  const ofPace = [
    ...troubles,
    ...fired ? [] : ['the disturbance was not seen to happen'],
    ...faultKinds.flatMap(kind => lateEnds(kind, seen[kind], evidence)),
    ...missedPass(judgement, evidence),
  ]
  const others = [
    ...faultKinds.flatMap(kind => wrongWithFault(kind, seen[kind])),
    ...wrongWithVerdict(judgement, ofRun, evidence),
    ...isSameStream ? [] : ['the stream is another one than before, or could not be read'],
    ...acknowledged.length === 0 ? ['no acknowledgement was seen on any wire, so nothing is known of lost facts'] : [],
    ...lost.length === 0 ? [] : [`${lost.length} of ${acknowledged.length} acknowledged facts are not in the stream: ${lost.slice(0, 5).join(', ')}`],
    ...leftovers.map(line => `left behind: ${line}`),
  ]
  return {
    cell: nameOf(cell), verdict, reasons: judgement.reasons, fired: fired?.seen ?? null,
    lateMs: late.length === 0 ? null : Math.round(Math.max(...late)),
    leftovers: [...leftovers], lost: lost.length, acknowledged: acknowledged.length,
    violations: [...ofPace, ...others], isOfPace: ofPace.length > 0 && others.length === 0,
  }
}

function wrongWithFault(kind: string, spans: readonly Span[]): string[] {
  return [
    ...spans.length > 1 ? [`${kind} was there ${spans.length} times: a fault is done once`] : [],
    ...spans.some(({ toMs }) => toMs === undefined) ? [`${kind} is there still`] : [],
  ]
}

const lateEnds = (kind: string, spans: readonly Span[], evidence: Evidence): string[] => spans.map(span => latenessOf(span, evidence)).filter(lateMs => lateMs > promisedMs && Number.isFinite(lateMs))
  .map(lateMs => `${kind} was over ${Math.round(lateMs)} ms after its end was due`)

/** Milliseconds from when it had to be over to when it was. Infinity while it lasts. */
function latenessOf({ fromMs, toMs = Infinity }: Span, { cell, fired, durationMs, leaseMs }: Evidence): number {
  const byDuration = fromMs + durationMs
  const isCut = fired !== undefined && cutsRenewal(cell) && fromMs < fired.overMs // what begins afterwards is renewed as ever
  const byLease = isCut ? Math.max(fired.atMs, fromMs) + leaseMs : Infinity
  return toMs - Math.min(byDuration, byLease)
}

function wrongWithVerdict(judgement: Judgement, facts: readonly StoredFact[], evidence: Evidence): string[] {
  const { cell, verdict, failures } = evidence
  if (verdict === undefined) return ['no verdict came']
  const expectation = expectationOf(cell)
  const because = judgement.reasons.join('; ')
  return [
    ...verdict === judgement.verdict ? [] : [`the verdict is ${verdict}, and the facts say ${judgement.verdict}: ${because}`],
    ...expectation === 'never passes' && verdict === 'passed' ? ['a false pass: it cannot have seen all that a pass needs'] : [],
    ...verdict === 'failed' && failures === 0 ? [`a false failure: the system answered every request, and the verdict is failed: ${because}`] : [],
    ...verdict === 'inconclusive' && inGuestOf(cell).includes('prometheus') && !tellsOfClock(facts) ? [`nothing on record says that the clock of Prometheus is another: ${because}`] : [],
    ...verdict === 'passed' ? missingForPass(judgement, facts, evidence).map(what => `a false pass: ${what}`) : [],
  ]
}

/** Nothing that it needs was hurt; but who takes over does so in time only on a machine that goes on. */
const missedPass = ({ reasons }: Judgement, { cell, verdict }: Evidence): string[] =>
  verdict !== undefined && expectationOf(cell) === 'passes' && verdict !== 'passed' ? [`it had to pass, and is ${verdict}: ${reasons.join('; ')}`] : []

/** Some answer of Prometheus was put aside because of its clock. */
const tellsOfClock = (facts: readonly StoredFact[]) =>
  facts.some(stored => stored.kind === 'slo.answer' && stored.fact.data.answer.is === 'no-data' && /its clock is \d+ ms or more (?:ahead of|behind)/.test(stored.fact.data.answer.why))

/** What a pass says to have been, held against what was there and what is on record; none of the verdict's own words are taken for it. */
function missingForPass({ gates }: Judgement, facts: readonly StoredFact[], { seen, durationMs, failures }: Evidence): string[] {
  const missing: string[] = []
  for (const kind of faultKinds) {
    const heldMs = seen[kind].reduce((sum, { fromMs, toMs = fromMs }) => sum + toMs - fromMs, 0)
    if (heldMs < durationMs * leastShareHeld) missing.push(`${kind} was really there for ${Math.round(heldMs)} of its ${durationMs} ms`)
    const told = (fact: 'fault.injected' | 'fault.reverted') => facts.some(stored => stored.kind === fact && stored.fact.data.kind === kind && stored.fact.data.verified)
    if (!told('fault.injected') || !told('fault.reverted')) missing.push(`${kind} was not confirmed as ${told('fault.injected') ? 'reverted' : 'injected'}`)
  }
  for (const { name, phase, looks } of gates) {
    const readable = looks.filter(({ value }) => value !== null).length
    if (phase === 'during' && readable < looks.length * 0.9) missing.push(`${name} was readable in ${readable} of ${looks.length} looks`)
    if (looks.length === 0) missing.push(`${name} was never looked at`)
  }
  for (const [worker, indices] of Map.groupBy(facts.flatMap(stored => stored.kind === 'load.sample' ? [stored.fact.data] : []), ({ worker }) => worker)) {
    const known = new Set(indices.map(({ index }) => index))
    const span = Math.max(...known) - Math.min(...known) + 1
    if (known.size < span) missing.push(`${span - known.size} samples of ${worker} are missing`)
  }
  if (failures > 0) missing.push(`the system answered ${failures} requests with an error`)
  return missing
}
