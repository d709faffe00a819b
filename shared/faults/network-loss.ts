import { z } from 'zod'
import { defineFault } from '#shared/fault.ts'

/**
 * Inbound only. A drop on the sending side is seen by the sender's own TCP, which then sends again at once: measured, 2 % lost
 * at the sender costs almost nothing, 2 % lost at the receiver costs two thirds of the throughput, as on a real line.
 */
export default defineFault({
  kind: 'network-loss',
  summary: 'Drops a share of the packets that reach the target\'s network namespace',
  documentation: `
nftables rules at the ingress of every device in the target's network namespace, loopback included, drop each packet with
the probability \`percent\`, of IPv4, IPv6 and anything else. TCP sends again, so there is latency before there are errors.

- Undone by deleting the fault's own table; other rules are neither read nor written.
- Read back: \`nft list set\` shows the lease and when it expires; afterwards the table is gone.
- Ends by itself: in the kernel, by the timeout of the lease, even when nothing of faultline is left.
- Needs: root, nft, and a target in a network namespace of its own (a container). A target in the host's or in the agent's
  namespace is refused, always.
- Does not: lose what the target sends; use \`network-drop\` to cut both directions. Devices added later are not covered.
`.trim(),
  targets: { process: 'local', pods: 'node' },
  duration: 'required',
  parameters: z.strictObject({
    percent: z.number().min(0.01).max(100).describe('Probability that a packet is lost'),
  }),
  plan: ({ percent }, { devices }) => [{
    do: 'nft', lease: 'kernel', leaseSet: 'lease', leased: devices,
    rules: devices.map((device, index) => `
  chain in${index} {
    type filter hook ingress device "${device}" priority 0;
    iifname @lease ${percent === 100 ? '' : `numgen random mod 10000 < ${Math.round(percent * 100)} `}drop
  }`).join(''),
  }],
})
