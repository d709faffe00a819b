import { z } from 'zod'
import type { Path } from '#shared/experiment-yaml.ts'
import type { GateRule, SloBinding } from '#shared/gate.ts'
import { readServiceLevels, type ReadServiceLevels } from '#shared/openslo-levels.ts'
import { printDuration } from '#shared/units.ts'

/**
 * The part of the experiment format that is about SLOs. A file is named, and read by the command on the machine where it is: what is sent, kept and
 * judged holds the documents themselves, so that it can be judged again wherever it is.
 */
export const sloItem = z.strictObject({
  file: z.string().min(1).max(1_000).optional().describe('Path of an OpenSLO v1 file, relative to the experiment file; the command puts the documents that gates need beside it'),
  documents: z.array(z.record(z.string(), z.unknown())).max(100).optional().describe('OpenSLO v1 documents: SLO, SLI, DataSource'),
})

export type SloItems = readonly z.output<typeof sloItem>[] | undefined

/** The SLOs of an experiment, and where each document stands in it. */
export interface ExperimentSlos extends ReadServiceLevels { pathOf(document: number): Path }

export function readSlos(items: SloItems = []): ExperimentSlos {
  const documents = items.flatMap(({ documents: inItem = [] }, item) => inItem.map((document, index) => ({ document, path: ['slos', item, 'documents', index] })))
  return { ...readServiceLevels(documents.map(({ document }) => document)), pathOf: document => documents[document]?.path ?? ['slos'] }
}

type Problem = (path: Path, message: string) => void

/** Issues of the documents themselves come as they are, for their words; the rest is told to `problem`. */
export function checkSlos(items: SloItems = [], { issues, pathOf }: ExperimentSlos, context: z.core.$RefinementCtx, problem: Problem): void {
  for (const [index, { file, documents }] of items.entries()) {
    if (documents === undefined) problem(['slos', index], file === undefined ? 'a file, or documents' : 'documents; files are read by the commands of faultline, from the disk of whoever gives the command')
    for (const [number, document] of (documents ?? []).entries()) {
      const details = z.object({ kind: z.literal('DataSource'), spec: z.object({ connectionDetails: z.unknown() }) }).safeParse(document)
      if (details.success && details.data.spec.connectionDetails !== undefined) problem(['slos', index, 'documents', number, 'spec', 'connectionDetails'], 'no such key in an experiment, which is kept as it is written; faultline has its own settings for Prometheus')
    }
  }
  for (const { path: [document, ...path], ...issue } of issues) context.issues.push({ ...issue, path: [...pathOf(Number(document)), ...path], input: undefined, continue: true })
}

/** A gate's rule once its SLO is known, or why it has none: at a path of the experiment, or at a key of the gate's own. */
export type Bound = { rule: GateRule } | { problems: { where: { path: Path } | { key: string }; expected: string }[] }

export function bindRule(rule: GateRule, slos: ExperimentSlos): Bound {
  return rule.slo ? bindSlo(rule.slo, slos) : { rule }
}

function bindSlo({ name, key, bind }: SloBinding, { levels, pathOf }: ExperimentSlos): Bound {
  const found = levels.find(level => level.name === name)
  if (!found) {
    const names = levels.map(level => level.name)
    return { problems: [{ where: { key }, expected: names.length === 0 ? 'the name of an SLO; the experiment has none under slos' : `the name of an SLO under slos: ${names.join(', ')}` }] }
  }
  if (!found.level) return { problems: found.refusals.map(({ path: [document, ...path], expected }) => ({ where: { path: [...pathOf(Number(document)), ...path] }, expected })) }
  const bound = bind(found.level)
  return bound.is === 'bound' ? { rule: bound.rule } : { problems: [{ where: { key: bound.key }, expected: bound.expected }] }
}

interface RangedItem { phase: string; window?: number | undefined; interval: number; consecutive?: number | undefined }

/** Rules between the keys of a gate whose rule has a range of its own. `phaseMs`: how long the during phase is planned. */
export function checkRange({ phase, window, interval, consecutive = 2 }: RangedItem, kind: string, { range }: Pick<GateRule, 'range'>, phaseMs: number, problem: Problem): void {
  if (!range) return
  if (window !== undefined) problem(['window'], `no such key; the ranges of this ${kind} gate are its own`)
  const neededMs = range.longestMs + consecutive * interval
  if (phase !== 'during' || !range.isAnchored || neededMs <= phaseMs) return
  const mostMs = phaseMs - consecutive * interval - (range.beforeMs ?? 0)
  problem([kind, range.key], `${mostMs > 0 ? `a range of at most ${printDuration(mostMs)}` : 'a longer hold'}: the gate is judged for ${printDuration(phaseMs)}, and its first look comes when ${printDuration(range.longestMs)} have passed`)
}
