import { mostLooksInFact, type FactData, type RecordedLook, type StoredFact } from '#shared/events.ts'
import type { CounterRule, GateRule, RangeValue } from '#shared/gate.ts'
import { emptyGates, fold, reports, recoveryOf, type GateReport, type GateState } from '#shared/gate-core.ts'
import { wantedSamples, type WantedSamples } from '#shared/gate-counters.ts'
import { nextLookMs, stepMs, type Watch } from '#shared/gate-watch.ts'
import { freshLooks, looksIn, notRecorded, type Gathered } from '#shared/look-record.ts'
import { printDuration } from '#shared/units.ts'

/**
 * What the evaluator decides about one run, with no I/O and no clock of its own. What the gates say is the fold in shared/gate-core.ts;
 * here is what to do about it: tell, ask, judge.
 *
 *   (history is replayed) --caught-up--> live --run.sealed--> judge --run.judged--> done
 *
 * Its own facts have their effect when they come back by the stream, so that the verdict, folding the same stream, sees what it saw.
 */
export interface EvaluatorState {
  gates: GateState
  live: boolean
  judged: boolean
  /** Under `phase/gate`: the status that was last told. */
  told: ReadonlyMap<string, string>
  /** Under `phase/gate@start`: date of the last look that was asked for. */
  asked: ReadonlyMap<string, number>
  lastTickMs: number
  /** Prometheus gates whose history is in the log or on its way. */
  histories: ReadonlySet<string>
  /** It was told that the during phase is closed. */
  closed: boolean
  /** The during phase is over, at this date. */
  duringEndMs?: number
  gathered: Gathered
  /** Looks that are on record in no fact yet: the next one takes them along. */
  unrecorded: readonly RecordedLook[]
}

export type Input = { is: 'fact'; stored: StoredFact } | { is: 'caught-up' } | { is: 'tick' }

export type Effect =
  | { effect: 'tick'; data: FactData<'slo.tick'> }
  | { effect: 'status'; data: FactData<'gate.status'> }
  | { effect: 'closed'; data: FactData<'gate.closed'> }
  /** With `ranges`, each of them is asked for, and `leastOf` their answers is the answer to `query`. */
  | { effect: 'ask'; gate: string; query: string; ranges?: NonNullable<GateRule['ranges']>; freshForMs: number; evaluatedAtMs: number }
  | { effect: 'count'; gate: string; counters: CounterRule; control?: CounterRule; evaluatedAtMs: number; wanted: WantedSamples }
  | { effect: 'history'; gate: string; query: string; startMs: number; endMs: number; stepMs: number }
  | { effect: 'judge' }

type Answer = Exclude<FactData<'slo.answer'>['answer'], { is: 'counters' }>

const tickEveryMs = 500
/** Longest series of points in a history; Prometheus itself refuses more than 11,000. */
const historyPoints = 10_000
const historyStepMs = 100

export const begin = (run: string): EvaluatorState => ({
  gates: emptyGates(run), live: false, judged: false, told: new Map(), asked: new Map(), lastTickMs: 0, histories: new Set(), closed: false, gathered: new Map(), unrecorded: [],
})

export function step(state: EvaluatorState, input: Input, nowMs: number): { state: EvaluatorState; effects: Effect[] } {
  switch (input.is) {
    case 'fact': return act(take(state, input.stored), nowMs)
    case 'caught-up': return act({ ...state, live: true }, nowMs)
    case 'tick': return act(state, nowMs)
  }
}

function take(state: EvaluatorState, stored: StoredFact): EvaluatorState {
  const gates = fold(state.gates, stored)
  const { looks, gathered } = freshLooks(gates, state.gathered)
  const next = { ...state, gates, gathered, unrecorded: notRecorded(looks.length > 0 ? [...state.unrecorded, ...looks] : state.unrecorded, looksIn(stored)) }
  switch (stored.kind) {
    case 'run.judged': return { ...next, judged: true }
    case 'gate.closed': return { ...next, closed: true }
    case 'slo.history': return { ...next, histories: new Set(next.histories).add(stored.fact.data.gate) }
    case 'run.phase': {
      const { phase, atMs } = stored.fact.data
      const isEnd = phase === 'revert' || phase === 'recover' || phase === 'end'
      return isEnd && next.duringEndMs === undefined ? { ...next, duringEndMs: atMs } : next
    }
    case 'gate.status': { // live, what was told is known already; an older fact of ours that comes back must not undo it
      const { phase, gate, status } = stored.fact.data
      return next.live ? next : { ...next, told: new Map(next.told).set(`${phase}/${gate}`, status) }
    }
    default: return next
  }
}

function act(state: EvaluatorState, nowMs: number): { state: EvaluatorState; effects: Effect[] } {
  if (!state.live || state.judged) return { state, effects: [] }
  if (state.gates.sealed) return { state: { ...state, judged: true }, effects: [{ effect: 'judge' }] }
  const changed = reports(state.gates).filter(({ phase, gate, status }) => state.told.get(`${phase}/${gate}`) !== status)
  const told = new Map([...state.told, ...changed.map(({ phase, gate, status }): [string, string] => [`${phase}/${gate}`, status])])
  const isTickDue = nowMs - state.lastTickMs >= tickEveryMs
  const asking = ask({ ...state, told, lastTickMs: isTickDue ? nowMs : state.lastTickMs }, nowMs)
  const histories = askHistories(asking.state)
  const closes = !state.closed && isDuringClosed(state.gates)
  const looks = changed.length > 0 || isTickDue || closes ? state.unrecorded.slice(0, mostLooksInFact) : []
  const recorded = (isFirst: boolean) => isFirst && looks.length > 0 ? { looks } : {} // on whichever fact is stored first
  return {
    state: { ...histories.state, closed: state.closed || closes, unrecorded: state.unrecorded.slice(looks.length) },
    effects: [
      ...changed.map((report, index): Effect => ({ effect: 'status', data: { ...statusFact(report, nowMs), ...recorded(index === 0) } })),
      ...(isTickDue ? [{ effect: 'tick', data: { atMs: nowMs, ...recorded(changed.length === 0) } } as const] : []),
      ...asking.effects,
      ...histories.effects,
      ...(closes ? [{ effect: 'closed', data: { phase: 'during', atMs: nowMs, ...recorded(changed.length === 0 && !isTickDue) } } as const] : []),
    ],
  }
}

function statusFact({ measurement, ...rest }: GateReport, atMs: number): FactData<'gate.status'> {
  return { ...rest, ...(measurement && { measurement }), atMs }
}

function isDuringClosed({ watches }: GateState): boolean {
  const during = watches.filter(({ phase }) => phase === 'during')
  return during.length > 0 && during.every(watch => watch.end !== undefined && nextLookMs(watch) > watch.end.atMs)
}

/** Asks Prometheus for the looks that are due. A look whose answer would come too late by now is not asked for, and becomes no data. */
function ask(state: EvaluatorState, nowMs: number): { state: EvaluatorState; effects: Effect[] } {
  const asked = new Map(state.asked)
  const effects: Effect[] = []
  for (const watch of [...state.gates.watches, ...stillRecovering(state.gates)]) {
    const { gate, phase, startMs, end } = watch
    if (gate.source !== 'prometheus') continue
    const key = `${phase}/${gate.name}@${startMs}`
    const everyMs = stepMs(gate)
    const dueMs = Math.max(nextLookMs(watch), (asked.get(key) ?? 0) + (asked.has(key) ? everyMs : 0))
    const inTimeMs = startMs + Math.ceil((nowMs - 2 * everyMs - startMs) / everyMs) * everyMs // passed over, not walked through: a clock may leap by years
    for (let atMs = Math.max(dueMs, inTimeMs); atMs <= Math.min(nowMs, end?.atMs ?? Infinity); atMs += everyMs) {
      asked.set(key, atMs)
      if (!watch.answers.has(atMs)) effects.push(askAt(state, watch, atMs))
    }
  }
  return { state: { ...state, asked }, effects }
}

function askAt(state: EvaluatorState, watch: Watch, evaluatedAtMs: number): Effect {
  const { gate, tally, startMs } = watch
  if (gate.sequential?.counted.is === 'counters' && tally?.counters) {
    const { counters, control } = gate.sequential.counted
    return { effect: 'count', gate: gate.name, counters, ...(control && { control }), evaluatedAtMs, wanted: wantedSamples(startMs, gate.sequential, tally.counters) }
  }
  return { effect: 'ask', gate: gate.name, query: queryOf(state, watch), ...(gate.rule.ranges && { ranges: gate.rule.ranges }), freshForMs: gate.windowMs, evaluatedAtMs }
}

function stillRecovering({ experiment, recovery, recovering }: GateState): Watch[] {
  return recovery.filter(watch => !recovering || (experiment && recoveryOf(watch, experiment.recovery).is === 'watching'))
}

/** Once the during phase is over, each Prometheus gate of it is asked for at a fine step, to date a breach without the looks. Counters have dates of their own. */
function askHistories(state: EvaluatorState): { state: EvaluatorState; effects: Effect[] } {
  const { duringEndMs, gates: { watches } } = state
  if (duringEndMs === undefined) return { state, effects: [] }
  const wanted = watches.filter(({ phase, gate }) => phase === 'during' && gate.source === 'prometheus' && !gate.sequential && !state.histories.has(gate.name))
  const effects = wanted.map((watch): Effect => {
    const spanMs = Math.max(historyStepMs, duringEndMs - watch.startMs)
    const stepMs = Math.max(historyStepMs, Math.ceil(spanMs / historyPoints))
    return { effect: 'history', gate: watch.gate.name, query: queryOf(state, watch), startMs: watch.startMs, endMs: watch.startMs + spanMs, stepMs }
  })
  return { state: { ...state, histories: new Set([...state.histories, ...wanted.map(({ gate }) => gate.name)]) }, effects }
}

/** The answer of a gate with several ranges: the least of their values, or no data as soon as one of them has none. */
export function leastOf(ranges: NonNullable<GateRule['ranges']>, answers: readonly Answer[]): Answer {
  const over: RangeValue[] = []
  for (const [index, { windowMs }] of ranges.entries()) {
    const answer = answers[index]
    if (answer?.is !== 'value') return { is: 'no-data', why: `over ${printDuration(windowMs)}: ${answer?.why ?? 'not asked'}` }
    over.push({ windowMs, value: answer.value })
  }
  const warnings = [...new Set(answers.flatMap(answer => answer.warnings ?? []))]
  return { is: 'value', value: Math.min(...over.map(({ value }) => value)), over, ...(warnings.length > 0 && { warnings }) }
}

const queryOf = ({ gates: { run } }: EvaluatorState, { gate }: Watch) => gate.rule.query({ run, windowMs: gate.windowMs })
