/** Plays its share of the seeds in a thread of its own, since virtual time is one for a whole thread; with a mutation, on the mutated sources. */
import { parentPort as main, workerData } from 'node:worker_threads'
import type { SeedOutcome, Share } from './seeds.ts'

const { seeds, isGentle, mutation } = workerData as Share
if (mutation) (await import('./mutate.ts')).mutate(mutation) // before anything of faultline is loaded
const plan = isGentle ? (await import('./gentle.ts')).gentlePlanOf : (await import('./plan.ts')).planOf
const { simulate } = await import('./simulation.ts')

for (const seed of seeds) {
  const { violations, fired, verdicts, simulatedMs } = await simulate(plan(seed))
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- of a thread, not of a window
  main?.postMessage({ seed, violations, fired: [...fired], verdicts, simulatedMs } satisfies SeedOutcome)
}
