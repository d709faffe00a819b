import { z } from 'zod'
import { defineFault } from '#shared/fault.ts'
import { byteSize, dnsLabel } from '#shared/units.ts'

const percent = z.string().regex(/^(?:[1-9]\d?|1\d\d)%$/, 'a share of the container\'s memory limit such as 80%').transform(text => ({ percentOfLimit: Number(text.slice(0, -1)) }))

/** A container that is short of memory: what it needs is taken by somebody who counts as itself. */
export default defineFault({
  kind: 'memory-stress',
  summary: 'Holds memory inside a pod\'s containers, at the cost of their memory limits',
  documentation: `
One process in the memory cgroup of each of the pod's containers, or of \`container\` alone, takes \`size\`, writes every page of it, and holds it until
the end. It counts as the container: less is left below its limit, its page cache is pushed out, and metrics see it as the pod's.

- Undone by ending the process, by PID and start time; the kernel gives the memory back at once.
- Read back: the process's resident memory is \`size\` within 20 s; the cgroup's usage before and after is told; afterwards the process is gone.
- Ends by itself: the process knows its end, reads the lease itself, and also ends when its reverter or the container's first process is gone.
- When the limit is reached: the kernel kills something in the container's cgroup. The process offers itself (oom_score_adj 1000), so it is the
  first to go as long as it may; but the kernel chooses, on cgroup v2 with memory.oom.group set it kills all of the cgroup, and then the
  container is started again. When the process is killed, the fault is not confirmed, or ends early: the run cannot pass.
- Needs: the agent on the pod's node (SYS_ADMIN, SYS_PTRACE, hostPID), cgroup v1 or v2. A share needs a limit.
- Does not: press on the node's own memory beyond \`size\`, or keep its pages from swap where the node has any.
`.trim(),
  targets: { pods: 'node' },
  duration: 'required',
  parameters: z.strictObject({
    size: z.union([byteSize().transform(bytes => ({ bytes })), percent]).describe('How much: 256Mi, or a share of the container\'s memory limit such as 80%'),
    container: dnsLabel().optional().describe('Only this container (default: all of the pod)'),
  }),
  plan: ({ size, container }) => [{ do: 'hold-memory', size, ...(container !== undefined && { container }), lease: 'reverter' }],
})
