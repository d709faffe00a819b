import { z } from 'zod'
import { InvalidInput } from '#shared/errors.ts'
import { experimentSchema } from '#shared/experiment.ts'
import type { WrittenExperiment } from '#shared/experiment-file.ts'
import { printPlainProblems } from '#shared/experiment-problem.ts'
import { printDuration } from '#shared/units.ts'

/** The experiment has nothing that could be judged without its faults. */
class NothingToGate extends InvalidInput {
  readonly code = 'nothing_to_gate'
}

/** Its gates cannot be judged in so short a time, or not for the whole of it. */
class GateImpossible extends InvalidInput {
  readonly code = 'gate_impossible'
}

/** `notes`: what was changed beside the faults, in words. */
export interface GateOnly { written: WrittenExperiment; notes: string[] }

const document = z.looseObject({ metadata: z.looseObject({ name: z.string() }), gates: z.array(z.looseObject({ name: z.string(), phase: z.string().optional() })) })
/** A name is a label of at most 63 characters. */
const suffix = '-gate'

/**
 * An experiment's objectives without its chaos, for as long as that, or as its own hold. Pure. Throws NothingToGate, GateImpossible.
 *
 * The whole time is quiet now, so that what had to hold before the faults (`steady`) has to hold all along, and a breach of it fails the run. Gates that
 * time a recovery have nothing to recover from. It bears another name, so that its runs are never taken for the experiment's.
 */
export function gateOnly({ document: given, experiment }: WrittenExperiment, forMs = experiment.holdMs): GateOnly {
  const written = document.parse(given)
  const { name } = written.metadata
  const kept = written.gates.filter(gate => gate.phase !== 'recovery')
  const named = (phase: string) => written.gates.filter(gate => gate.phase === phase).map(gate => gate.name).join(', ')
  if (kept.length === 0) throw new NothingToGate(`${name} has gates of its recovery alone, and without faults there is none; give it a gate of the phase steady or during`)
  const changed = {
    ...written, metadata: { ...written.metadata, name: `${name.slice(0, 63 - suffix.length)}${suffix}` },
    faults: [], hold: printDuration(forMs), gates: kept.map(gate => ({ ...gate, phase: 'during' })),
  }
  const parsed = experimentSchema.safeParse(changed)
  if (!parsed.success) {
    throw new GateImpossible(`${name} cannot be judged for ${printDuration(forMs)} without its faults: ${printPlainProblems(parsed.error, changed).join('; ')}; change the file, or the time with --for`)
  }
  return {
    written: { document: changed, experiment: parsed.data },
    notes: [
      ...named('steady') === '' ? [] : [`${name}: judged for the whole time, not only at its begin: ${named('steady')}`],
      ...named('recovery') === '' ? [] : [`${name}: left out, since there is nothing to recover from: ${named('recovery')}`],
    ],
  }
}
