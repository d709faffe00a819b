import { z } from 'zod'
import { defineFault } from '#shared/fault.ts'
import { dnsLabel } from '#shared/units.ts'

/** A pod that hangs. Kubernetes sees it as running until a probe finds out, which is what is tested. */
export default defineFault({
  kind: 'pod-pause',
  summary: 'Stops every process of a pod\'s containers; connections stay open and nobody answers',
  documentation: `
SIGSTOP to every process of the pod's containers, or of \`container\` alone, looked for again until none is new. The kernel goes on accepting
connections; only timeouts and probes notice. A liveness probe that fails meanwhile has the kubelet restart the container, which ends the pause
for it: that is the system healing itself.

- Undone by SIGCONT to every process that was journaled, and to every stopped descendant found then.
- Read back: the state of each process in /proc is T; afterwards none is.
- Ends by itself: at its duration, or when its lease is not renewed, by a reverter outside the agent that was started before the fault.
- Needs: the agent on the pod's node, with hostPID and KILL.
- Does not: stop the sandbox, which holds the network, or pods of a namespace that has not opted in.
`.trim(),
  targets: { pods: 'node' },
  duration: 'required',
  alone: 'processes',
  parameters: z.strictObject({ container: dnsLabel().optional().describe('Only this container (default: all of the pod)') }),
  plan: ({ container }) => [{ do: 'pause-tree', ...(container !== undefined && { container }), lease: 'reverter' }],
})
