import { z } from 'zod'
import { defineFault } from '#shared/fault.ts'

/**
 * Drops a share of the packets that reach the target's network namespace. Inbound, at the device: a drop on the sender's side is told
 * to its kernel at once, which no real network does and which throttles TCP far more (380 against 1,113 MB/s at 2 %).
 */
export default defineFault({
  kind: 'network-loss',
  summary: 'Drops a share of the packets that reach a network namespace',
  documentation: `Each packet that arrives at a device of the target's network namespace is dropped with the given probability, independently.

The kernel's own timer ends it: every rule hangs on a set element with a timeout. The machine's own network namespace is refused.
Needs root (or the rights of root in the namespace's user namespace) and nft.`,
  duration: 'required',
  parameters: z.strictObject({ percent: z.number().min(0.01).max(100).describe('Share of packets dropped') }),
  plan: ({ percent }, { devices }) => [{
    do: 'nft',
    lease: 'kernel',
    leaseSet: 'lease',
    rules: [
      'set lease { type ifname; flags timeout; }',
      ...devices.map((device, index) =>
        `chain in_${index} { type filter hook ingress device "${device}" priority 0; meta iifname @lease numgen random mod 10000 < ${Math.round(percent * 100)} drop; }`),
    ].join('\n'),
  }],
})
