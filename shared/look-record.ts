import type { RecordedLook, StoredFact } from '#shared/events.ts'
import { emptyGates, fold, type GateState } from '#shared/gate-core.ts'

/**
 * The looks of a run's gates, one by one, as the fold takes them: the evaluator has them on record as it goes, and `faultline verify` takes them
 * again from the same facts. What a gate with a `limit` keeps of its looks for the reports is thinned out; these are all of them.
 */

/** How far each watch has been gathered: the end of its last look, under `phase/gate@start`. */
export type Gathered = ReadonlyMap<string, number>

/** What the latest fact has made the gates look at. Pure. */
export function freshLooks({ watches, recovery }: GateState, gathered: Gathered): { looks: RecordedLook[]; gathered: Gathered } {
  const looks: RecordedLook[] = []
  let ends: Map<string, number> | undefined
  for (const { gate, phase, startMs: beganMs, fresh } of [...watches, ...recovery]) {
    const key = `${phase}/${gate.name}@${beganMs}`
    for (const { startMs, endMs, ...look } of fresh) {
      if (endMs <= ((ends ?? gathered).get(key) ?? -Infinity)) continue // of an earlier fact: this one made it look at nothing
      ends ??= new Map(gathered)
      ends.set(key, endMs)
      looks.push({ gate: gate.name, phase, startMs: Math.max(0, startMs), endMs, ...look })
    }
  }
  return { looks, gathered: ends ?? gathered }
}

/** The looks that a fact has on record. */
export function looksIn({ kind, fact }: StoredFact): readonly RecordedLook[] {
  return kind === 'slo.tick' || kind === 'gate.status' || kind === 'gate.closed' ? fact.data.looks ?? [] : []
}

/** Those of them that are not on record by these. Of each gate they are told in their order, so the latest tells for all before it. */
export function notRecorded(looks: readonly RecordedLook[], recorded: readonly RecordedLook[]): readonly RecordedLook[] {
  if (looks.length === 0 || recorded.length === 0) return looks
  const untilMs = new Map<string, number>()
  for (const { phase, gate, endMs } of recorded) untilMs.set(`${phase}/${gate}`, Math.max(endMs, untilMs.get(`${phase}/${gate}`) ?? 0))
  return looks.filter(({ phase, gate, endMs }) => endMs > (untilMs.get(`${phase}/${gate}`) ?? -Infinity))
}

/** Every look that a run's facts make its gates take; facts in the order of the stream. Pure. */
export function looksOf(facts: readonly StoredFact[]): RecordedLook[] {
  let state = emptyGates(facts[0]?.fact.subject ?? '')
  let gathered: Gathered = new Map()
  return facts.flatMap(stored => {
    state = fold(state, stored)
    const found = freshLooks(state, gathered)
    gathered = found.gathered
    return found.looks
  })
}
