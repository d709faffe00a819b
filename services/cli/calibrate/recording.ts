import { InvalidInput } from '#shared/errors.ts'
import type { RunPhase, StoredFact } from '#shared/events.ts'
import { experimentSchema, type LoadSpec } from '#shared/experiment.ts'
import type { Sample } from '#shared/gate-blocks.ts'
import { samplesOnce } from '#shared/load-figures.ts'
import { factsInOrder } from '#shared/verdict-log.ts'

/** What a run without faults has recorded of its load. */
export interface Recording {
  run: string
  load: LoadSpec
  /** The hold, by the scheduler's clock, as gates see it. */
  startMs: number
  endMs: number
  /** By their end, each once. Those from before the hold are among them: a request may wait since then. */
  samples: readonly Sample[]
  /** What must be known of it, in words. */
  notes: string[]
}

/** The run is none from which can be learned how a service fails by itself. */
export class NoRecording extends InvalidInput {
  readonly code = 'no_recording'
}

/** The facts of one run, in any order. Pure. Throws NoRecording. */
export function recordingOf(facts: readonly StoredFact[]): Recording {
  const inOrder = factsInOrder(facts)
  const submitted = inOrder.find(stored => stored.kind === 'run.submitted')
  const run = submitted?.fact.subject ?? 'a run'
  const unfit = (why: string) => new NoRecording(`${run} shows nothing of how the service fails by itself: ${why}`)
  const parsed = experimentSchema.safeParse(submitted?.fact.data.experiment)
  if (!parsed.success) throw unfit('its log has no readable run.submitted')
  const { faults, load } = parsed.data
  if (faults.length > 0) throw unfit(`it had ${faults.length === 1 ? 'a fault' : 'faults'} (${faults.map(({ id }) => id).join(', ')}); give runs with faults: [], or let faultline calibrate make them`)
  if (!load) throw unfit('it had no load, and gates with a limit count the requests of the load')
  const beganMs = (phase: RunPhase) => inOrder.flatMap(stored => stored.kind === 'run.phase' && stored.fact.data.phase === phase ? [stored.fact.data.atMs] : [])[0]
  const [aborted] = inOrder.flatMap(stored => stored.kind === 'run.aborting' ? [stored.fact.data] : [])
  const [startMs, endMs] = [beganMs('hold'), beganMs('end') ?? aborted?.atMs]
  if (startMs === undefined || endMs === undefined) throw unfit('its hold was not told from begin to end')
  const samples = samplesOnce(inOrder.flatMap(stored => stored.kind === 'load.sample' ? [stored.fact.data] : [])).toSorted((a, b) => a.endMs - b.endMs)
  if (!samples.some(sample => sample.startMs >= startMs && sample.endMs <= endMs)) throw unfit('no load sample came in its hold')
  return { run, load, startMs, endMs, samples, notes: aborted ? [abortNote(run, aborted.cause, aborted.detail)] : [] }
}

function abortNote(run: string, cause: string, detail: string): string {
  return `${run} was aborted (${detail}), and what would have come after that nobody knows${cause === 'gate' ? ': runs whose gates abort them show too few false aborts' : ''}`
}
