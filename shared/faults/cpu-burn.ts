import { z } from 'zod'
import { defineFault } from '#shared/fault.ts'

/** A noisy neighbour: competes for the processors that the target may use, and leaves the target itself alone. */
export default defineFault({
  kind: 'cpu-burn',
  summary: 'Keeps the processors busy that the target may run on',
  documentation: `
Starts \`workers\` processes beside the target, bound to the processors that the target may use (its CPU affinity), each busy for
\`percent\` of every 100 ms. The target is not touched: it competes with them, as with a noisy neighbour.

- Undone by ending the workers, each by PID and start time.
- Read back: every worker's processor time in /proc grows; afterwards none of them is there.
- Ends by itself: each worker knows its end, reads the lease itself, and also ends when its reverter is gone.
- Needs: nothing special; with \`taskset\` (util-linux) the workers keep to the target's processors, without it they run on all.
- Does not: leave the target's cgroup less quota (the workers are not in it), or slow down a machine with idle processors to spare.
`.trim(),
  targets: { process: 'local' },
  duration: 'required',
  parameters: z.strictObject({
    workers: z.int().min(1).max(256).optional().describe('Busy processes (default: as many as the target has processors)'),
    percent: z.number().min(1).max(100).default(100).describe('Share of the time that each is busy'),
  }),
  plan: ({ workers, percent }, { cpuCount }) => [{ do: 'burn-cpu', workers: workers ?? cpuCount, loadPercent: percent, lease: 'reverter' }],
})
