import { z } from 'zod'
import { defineFault } from '#shared/fault.ts'
import { dnsLabel } from '#shared/units.ts'

/** A container that is short of processor time: its own limit throttles it, and an autoscaler sees the usage as the pod's. */
export default defineFault({
  kind: 'cpu-stress',
  summary: 'Burns processor time inside a pod\'s containers, at the cost of their CPU limits',
  documentation: `
Starts \`workers\` processes in the CPU cgroups of each of the pod's containers, or of \`container\` alone, each busy for \`percent\` of every 100 ms.
They count as the container: its CPU limit throttles all together, and metrics and the HorizontalPodAutoscaler see their time as the pod's.
They have nothing else of the container: not its files, not its PID namespace. Most of their memory, some 20 MiB each, counts as the node's alone.

- Undone by ending the workers, each by PID and start time.
- Read back: they are in the cgroup, and their processor time in /proc grows; afterwards none of them is there.
- Ends by itself: each worker knows its end, reads the lease itself, and also ends when its reverter or the container's first process is gone. A
  worker that is killed by somebody else ends the fault early, and the run cannot pass.
- Needs: the agent on the pod's node (SYS_ADMIN, SYS_PTRACE, hostPID), cgroup v1 or v2.
- Does not: slow down a container without a CPU limit on a node with idle processors, where there is time for both.
`.trim(),
  targets: { pods: 'node' },
  duration: 'required',
  disruptive: false,
  parameters: z.strictObject({
    workers: z.int().min(1).max(256).optional().describe('Busy processes in each container (default: as many as it has processors)'),
    percent: z.number().min(1).max(100).default(100).describe('Share of the time that each is busy'),
    container: dnsLabel().optional().describe('Only this container (default: all of the pod)'),
  }),
  plan: ({ workers, percent, container }, { cpuCount }) => [
    { do: 'burn-cpu', workers: workers ?? cpuCount, loadPercent: percent, inside: true, ...(container !== undefined && { container }), lease: 'reverter' },
  ],
})
