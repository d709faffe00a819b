import { z } from 'zod'
import { experimentSchema } from '#shared/experiment.ts'
import type { WrittenExperiment } from '#shared/experiment-file.ts'
import { printDuration } from '#shared/units.ts'

const loaded = z.looseObject({ metadata: z.looseObject({ name: z.string() }) })
/** A name is a label of at most 63 characters. */
const suffix = '-calibrate'

/**
 * An experiment's load without its faults, probes and gates, for as long as that. In their place is a gate that nothing breaks, since a gate that aborts ends
 * the recording just where it would be of interest. It bears another name, so that its runs are never taken for the experiment's. Pure.
 */
export function recordingRun({ document: given }: WrittenExperiment, forMs: number): WrittenExperiment {
  const { probes: _probes, calibration: _calibration, alpha: _alpha, ...written } = loaded.parse(given)
  const document = {
    ...written, metadata: { name: `${written.metadata.name.slice(0, 63 - suffix.length)}${suffix}` }, faults: [], hold: printDuration(forMs),
    gates: [{ name: 'recorded', phase: 'during', errorRate: { max: '100%' }, minRequests: 1, noDataAfter: printDuration(forMs) }],
  }
  return { document, experiment: experimentSchema.parse(document) }
}
