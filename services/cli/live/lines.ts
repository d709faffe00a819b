import { experimentSchema, type Experiment } from '#shared/experiment.ts'
import { printTold, tellFact } from '../timeline.ts'
import type { View } from './view.ts'

/** One line a fact, for logs and pipes. */
export function linesView(output: NodeJS.WritableStream): View {
  let startedMs: number | undefined
  let experiment: Experiment | undefined
  return {
    show(stored) {
      startedMs ??= Date.parse(stored.fact.time)
      if (stored.kind === 'run.submitted') experiment = experimentSchema.safeParse(stored.fact.data.experiment).data
      const told = tellFact(stored, { startedMs, experiment })
      if (told) output.write(`${printTold(told)}\n`)
    },
    end: () => undefined,
  }
}
