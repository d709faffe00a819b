import { z } from 'zod'
import { defineFault } from '#shared/fault.ts'

/** Ends processes at once. Nothing stays behind, so there is no lease: bringing them back is the system's own work, and what is tested. */
export default defineFault({
  kind: 'kill',
  summary: 'Kills processes',
  documentation: `Sends a signal to the matching processes, each bound to its PID and start time, so that a recycled PID is never hit.

SIGKILL cannot be caught: the process has no time to finish requests or flush. SIGTERM asks: most servers drain.
It is confirmed when none of the targets runs any more. It needs to be root, or the user that the processes run as.`,
  duration: 'none',
  parameters: z.strictObject({
    signal: z.enum(['SIGKILL', 'SIGTERM']).default('SIGKILL').describe('SIGKILL: dies at once; SIGTERM: is asked to end'),
    tree: z.boolean().default(false).describe('Also all its descendants'),
  }),
  plan: ({ signal, tree }) => [{ do: 'kill', signal, tree, lease: 'none' }],
})
