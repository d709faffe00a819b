import { z } from 'zod'
import { defineFault } from '#shared/fault.ts'

/** Competes with a process for the CPUs that it may run on. */
export default defineFault({
  kind: 'cpu-burn',
  summary: 'Takes CPU time from a process',
  documentation: `Starts busy processes with the target's own CPU affinity (sched_setaffinity(2)), so that they compete with it and not with the rest of the
machine. Other processes on the same CPUs slow down too.`,
  duration: 'required',
  parameters: z.strictObject({
    workers: z.int().min(1).max(1_024).optional().describe('Busy processes; one for each CPU of the target when left out'),
    load: z.int().min(1).max(100).default(100).describe('Percent of a CPU that each takes'),
  }),
  plan: ({ workers, load }, { cpuCount }) => [{ do: 'burn-cpu', workers: workers ?? cpuCount, loadPercent: load, lease: 'reverter' }],
})
