import { z } from 'zod'
import { defineFault } from '#shared/fault.ts'

/**
 * Always the whole tree. A stopped postmaster alone goes on answering through its sessions' own processes, and a test that
 * measures nothing passes.
 */
export default defineFault({
  kind: 'pause',
  summary: 'Stops the target and all its descendants; connections stay open and nobody answers',
  documentation: `
SIGSTOP to the target and to every descendant, looked for again until none is new, so that no fork escapes. Sockets stay open and the
kernel goes on accepting connections: the hardest way for a dependency to fail, because nothing reports an error and only timeouts help.

- Undone by SIGCONT to every process that was journaled, and to every stopped descendant found then. Processes that were stopped
  before the fault stay stopped.
- Read back: the state of each process in /proc is T; afterwards none is.
- Ends by itself: at its duration, or when its lease is not renewed, by a reverter that was started before the fault and needs nobody.
- Needs: the right to signal the processes (same user, or root).
- Does not: stop time. Timers that ran out during the pause fire together after it, as they would after a long garbage collection.
`.trim(),
  targets: { process: 'local' },
  duration: 'required',
  alone: 'processes',
  parameters: z.strictObject({}),
  plan: () => [{ do: 'pause-tree', lease: 'reverter' }],
})
