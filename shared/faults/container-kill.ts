import { z } from 'zod'
import { defineFault } from '#shared/fault.ts'
import { dnsLabel } from '#shared/units.ts'

/** A crash, as the kernel's out-of-memory killer or a bug makes it: the pod stays, its container is started again by the kubelet. */
export default defineFault({
  kind: 'container-kill',
  summary: 'Kills the first process of a pod\'s containers; the kubelet starts them again',
  documentation: `
Sends \`signal\` to the first process of each container of the pod, or of \`container\` alone, and so ends the container. The pod keeps its name, its
address and its node; its restart policy decides what comes next, with a back-off that grows with each crash.

- Done in an instant: it has no duration and nothing to undo.
- Read back: the process is gone within three seconds.
- Needs: the agent on the pod's node, with hostPID and KILL.
- Does not: delete the pod (pod-kill does), or touch pods of a namespace that has not opted in.
`.trim(),
  targets: { pods: 'node' },
  duration: 'none',
  alone: 'processes',
  parameters: z.strictObject({
    container: dnsLabel().optional().describe('Only this container (default: all of the pod)'),
    signal: z.enum(['SIGKILL', 'SIGTERM']).default('SIGKILL').describe('SIGKILL: dead at once. SIGTERM: asked to end'),
  }),
  plan: ({ container, signal }) => [{ do: 'kill', signal, tree: false, ...(container !== undefined && { container }), lease: 'none' }],
})
