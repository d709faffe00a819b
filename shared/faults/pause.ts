import { z } from 'zod'
import { defineFault } from '#shared/fault.ts'

/**
 * Stops a process with its whole tree. The tree, because a stopped parent alone proves little: the backends of a stopped
 * PostgreSQL postmaster go on answering the sessions they have.
 */
export default defineFault({
  kind: 'pause',
  summary: 'Stops processes with their descendants, and continues them',
  documentation: `SIGSTOP to the matching processes and all their descendants, looked for again until no new one appears. Connections stay open and the
kernel goes on acknowledging data: to clients the service hangs, which is harder on them than a refused connection.

It is confirmed when every process of the tree is in state T (proc_pid_stat(5)), and reverted (SIGCONT) when none is.`,
  duration: 'required',
  parameters: z.strictObject({}),
  plan: () => [{ do: 'pause-tree', lease: 'reverter' }],
})
