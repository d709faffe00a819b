import { z } from 'zod'
import { defineFault } from '#shared/fault.ts'

/** The classic: does anybody notice when a process is gone? Whoever supervises the process is what is really tested. */
export default defineFault({
  kind: 'kill',
  summary: 'Kills the target process, with or without its descendants',
  documentation: `
Sends \`signal\` to the target: exactly the process that the plan named, checked by its start time right before, so that a recycled
PID is never hit. Done in an instant: it has no duration and nothing to undo; whoever supervises the process starts it again, or nobody does.

- Read back: the process is gone (or a zombie that its parent has not collected) within three seconds. A process that ignores
  SIGTERM is not gone, so the fault is not confirmed and the run cannot pass.
- Needs: the right to signal the process (same user, or root).
- Does not: start the process again, or touch processes that are not the target. With \`tree: true\` all its descendants die with it.
`.trim(),
  targets: { process: 'local' },
  duration: 'none',
  alone: 'processes',
  parameters: z.strictObject({
    signal: z.enum(['SIGKILL', 'SIGTERM']).default('SIGKILL').describe('SIGKILL: dead at once. SIGTERM: asked to end, as at a deployment'),
    tree: z.boolean().default(false).describe('Also all descendants of the process'),
  }),
  plan: ({ signal, tree }) => [{ do: 'kill', signal, tree, lease: 'none' }],
})
