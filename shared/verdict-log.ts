import type { StoredFact } from '#shared/events.ts'
import { greatestOf } from '#shared/extremes.ts'

/**
 * The facts that count, in the one order that counts: each (source, id) once, where it stands first in the stream, sorted by place in
 * the stream, up to and with run.sealed. A shuffled or doubled log gives the same.
 */
export function factsInOrder(facts: readonly StoredFact[]): StoredFact[] {
  const sorted = factsOnce(facts)
  const sealed = sorted.findIndex(({ kind }) => kind === 'run.sealed')
  return sealed === -1 ? sorted : sorted.slice(0, sealed + 1)
}

/** All of them, in the same order, each once. */
export function factsOnce(facts: readonly StoredFact[]): StoredFact[] {
  const firsts = new Map<string, StoredFact>()
  for (const stored of facts) {
    const key = JSON.stringify([stored.fact.source, stored.fact.id])
    const known = firsts.get(key)
    if (!known || stored.stream < known.stream) firsts.set(key, stored)
  }
  return [...firsts.values()].sort((a, b) => a.stream - b.stream)
}

/** Each source numbers its facts of a run from 1: where a number is missing, a line is. In words, or undefined when all are there. */
export function missingLines(inOrder: readonly StoredFact[]): string | undefined {
  const seen = new Map<string, Set<number>>()
  for (const { fact: { source, sequence } } of inOrder) seen.set(source, (seen.get(source) ?? new Set()).add(sequence))
  const gaps = [...seen].flatMap(([source, numbers]) => {
    const missing = greatestOf(numbers) - numbers.size
    return missing > 0 ? [`${missing} of ${source}`] : []
  })
  return gaps.length > 0 ? `log incomplete: missing are ${gaps.sort().join(', ')}` : undefined
}
