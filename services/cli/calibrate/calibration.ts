import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { InvalidInput } from '#shared/errors.ts'
import { calibrationSubject } from '#shared/experiment-calibration.ts'
import { experimentSchema, type Experiment, type GateSpec, type LoadSpec } from '#shared/experiment.ts'
import type { WrittenExperiment } from '#shared/experiment-file.ts'
import { percent } from '#shared/gate-share.ts'
import { printDuration } from '#shared/units.ts'
import { falseAbortsOf, missingMs, type FalseAborts, type SequentialGate } from './false-aborts.ts'
import { adviseGate, type GateAdvice } from './gate-advice.ts'
import { NoRecording, type Recording } from './recording.ts'

/** What recordings without faults say of an experiment's gates with a limit. Plain JSON: `faultline calibrate --json`. */
export interface CalibrationReport {
  experiment: string
  /** Of what it was measured with (`calibrationSubject`). */
  subject: string
  measuredAt: string
  alpha: number
  /** How long the gates are judged in a run. */
  phaseMs: number
  runs: string[]
  /** Fault-free time, all runs together. */
  recordedMs: number
  gates: GateAdvice[]
  /** Gates with a limit that recordings of the load say nothing of. */
  leftOut: { gate: string; why: string }[]
  /** With the file's blocks and bursts; null: no recording is as long as the gates are judged. */
  asWritten: MeasuredAborts | null
  /** With those that are needed, where they differ; null: they do not, or no run can have them. */
  asNeeded: MeasuredAborts | null
  /** Blocks and bursts to be written: the file's, where those are enough. */
  settings: { gate: string; blockMs: number; burst: number }[]
  /** `fits`: the file's blocks and bursts are enough. `change`: some are not, or more runs than alpha are aborted. `unknown`: too little was seen to say. */
  outcome: 'fits' | 'change' | 'unknown'
  notes: string[]
}

export type MeasuredAborts = FalseAborts & {
  /** More fault-free time without a false abort that it takes to show that fewer than alpha of runs are aborted; 0: it is shown. */
  missingMs: number
}

/** The experiment has no gate that promises how often it is wrong. */
class NothingToCalibrate extends InvalidInput {
  readonly code = 'nothing_to_calibrate'
}

/** Pure. Throws NothingToCalibrate, and NoRecording where none has the experiment's load. */
export function calibrate({ document, experiment }: WrittenExperiment, recordings: readonly Recording[], nowMs: number): CalibrationReport {
  const { name, holdMs: phaseMs } = experiment
  const { gates, leftOut } = gatesToCalibrate(experiment)
  const fitting = recordings.filter(({ load }) => experiment.load && isSameLoad(load, experiment.load))
  if (fitting.length === 0) throw new NoRecording(`${name}: no recording has its load; runs without faults must have the same users, locustfile and parameters`)
  const advised = gates.map(gate => ({ gate, advice: adviseGate(gate, fitting, phaseMs) }))
  const advice = advised.map(each => each.advice)
  const { alpha } = gates[0].sequential.pass // the experiment's, and so that of each gate
  const measured = (found: readonly SequentialGate[]): MeasuredAborts | null => {
    const aborts = falseAbortsOf(found, fitting, phaseMs)
    return aborts ? { ...aborts, missingMs: missingMs(aborts, alpha, phaseMs) } : null
  }
  const settings = advice.map(settingsOf)
  const changed = advice.some(isTooLittle) ? withSettings(document, settings) : undefined
  const asWritten = measured(gates)
  return {
    experiment: name, subject: calibrationSubject(document), measuredAt: `${new Date(nowMs).toISOString().slice(0, 19)}Z`, alpha, phaseMs,
    runs: fitting.map(({ run }) => run), recordedMs: fitting.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0), gates: advice, leftOut,
    asWritten, asNeeded: changed?.experiment ? measured(gatesToCalibrate(changed.experiment).gates) : null, settings,
    outcome: asWritten && asWritten.atLeast > alpha ? 'change' : outcomeOf(advice),
    notes: [
      ...fitting.flatMap(({ notes }) => notes), ...advised.flatMap(worseThanLimit), ...changed?.problems ?? [],
      ...asWritten ? [] : [`no recording is as long as the gates are judged (${printDuration(phaseMs)}), so that false aborts cannot be counted`],
    ],
  }
}

const isTooLittle = ({ block, burst }: GateAdvice): boolean => block.is === 'too-short' || burst.is === 'too-small'

function outcomeOf(advice: readonly GateAdvice[]): CalibrationReport['outcome'] {
  if (advice.some(gate => isTooLittle(gate) || gate.block.is === 'impossible')) return 'change'
  return advice.some(({ block, burst }) => block.is === 'unknown' || burst.is === 'unknown') ? 'unknown' : 'fits'
}

function worseThanLimit({ gate: { name, sequential: { pass: { budget } } }, advice: { bad, total } }: { gate: SequentialGate; advice: GateAdvice }): string[] {
  const share = bad / total // NaN where no request was counted, which is more than no limit
  return share > budget ? [`${name}: without a fault ${percent(share)} of the requests were bad, more than its limit of ${percent(budget)}; an abort of that is not false`] : []
}

/** Those with a limit; a gate that reads elsewhere than in the load has no samples to be calibrated from. Throws NothingToCalibrate. */
export function gatesToCalibrate({ name, gates }: Experiment): { gates: [SequentialGate, ...SequentialGate[]]; leftOut: { gate: string; why: string }[] } {
  const [first, ...more] = gates.filter(readsLoad)
  const elsewhere = gates.filter(gate => gate.sequential && !readsLoad(gate))
  if (!first) throw new NothingToCalibrate(`${name}: no gate with a limit reads the load; only those promise how often they are wrong, and their block and burst are what is calibrated (docs/gates.md)`)
  return { gates: [first, ...more], leftOut: elsewhere.map(gate => ({ gate: gate.name, why: `it reads ${gate.source}, and recordings hold the requests of the load` })) }
}

const readsLoad = (gate: GateSpec): gate is SequentialGate => gate.sequential?.counted.is === 'stream'

/** How fast it was built up, and where the service is, may be otherwise. */
const isSameLoad = (a: LoadSpec, b: LoadSpec): boolean => isDeepStrictEqual([a.users, a.locustfile, a.parameters], [b.users, b.locustfile, b.parameters])

/** What is enough is left as it is: a longer block than needed is its author's choice. */
function settingsOf({ gate, block, burst }: GateAdvice): CalibrationReport['settings'][number] {
  return { gate, blockMs: block.is === 'too-short' ? block.neededMs : block.nowMs, burst: burst.is === 'too-small' ? burst.needed : burst.now }
}

const documentWithGates = z.looseObject({ gates: z.array(z.looseObject({ name: z.string() })) })

/** The same experiment with these blocks and bursts, or why there can be none. */
function withSettings(document: unknown, settings: CalibrationReport['settings']): { experiment?: Experiment; problems: string[] } {
  const written = documentWithGates.parse(document)
  const gates = written.gates.map(gate => {
    const found = settings.find(setting => setting.gate === gate.name)
    return found ? { ...gate, block: printDuration(found.blockMs), burst: found.burst } : gate
  })
  const parsed = experimentSchema.safeParse({ ...written, gates })
  if (parsed.success) return { experiment: parsed.data, problems: [] }
  return { problems: parsed.error.issues.map(({ path, message }) => `with what is needed, ${path.join('.')} would have to be ${message}`) }
}
