import { InvalidInput } from '#shared/errors.ts'
import type { WrittenExperiment } from '#shared/experiment-file.ts'
import { duration } from '#shared/units.ts'
import { gateOnly } from './gate-only.ts'
import { evidenceWarnings } from './plan/evidence-warnings.ts'
import { noLookBefore } from './plan/look-before.ts'

class GateOptionInvalid extends InvalidInput {
  readonly code = 'gate_option_invalid'
}

/** `forMs` is undefined: each experiment as long as its own hold. */
export interface GateChoice { forMs: number | undefined }

/** What follows `--for`. Throws GateOptionInvalid. */
export function parseGateFor(text: string | undefined): GateChoice {
  if (text === undefined) return { forMs: undefined }
  const parsed = duration({ minMs: 1_000 }).safeParse(text)
  if (parsed.success) return { forMs: parsed.data }
  throw new GateOptionInvalid(`--for: expected ${parsed.error.issues[0]?.message ?? 'a duration'}, found ${text}`)
}

/** The experiments of a file, or with a choice only their gates. What is changed, which of them no run can pass, which gates none can fail, and which begin their faults without a look before, is told on standard error. */
export function experimentsToRun(written: readonly WrittenExperiment[], gate: GateChoice | undefined): readonly WrittenExperiment[] {
  const changed = gate ? written.map(experiment => gateOnly(experiment, gate.forMs)) : written.map(experiment => ({ written: experiment, notes: [] }))
  const notes = changed.flatMap(({ written: { experiment }, notes: said }) => {
    const noLook = noLookBefore(experiment)
    return [
      ...said.map(note => `note: ${note}\n`),
      ...evidenceWarnings(experiment).flatMap(({ gate, about, never, says }) => (
        never ? [`warning: ${experiment.name} can never pass: ${gate}: ${says}\n`] : about === 'limit' ? [`warning: ${experiment.name}: ${gate}: ${says}\n`] : [])),
      ...noLook === undefined ? [] : [`warning: ${experiment.name}: ${noLook}\n`],
    ]
  })
  process.stderr.write(notes.join(''))
  return changed.map(({ written: experiment }) => experiment)
}
