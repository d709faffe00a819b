import { z } from 'zod'
import { defineFault } from '#shared/fault.ts'

/**
 * A black hole around the target's network namespace: in at each device's ingress, out at its egress. Not in the output hooks: a drop
 * there tells the sender at once (EPERM on UDP), which no real network does. nft(8), family netdev; egress needs Linux 5.16.
 */
export default defineFault({
  kind: 'network-drop',
  summary: 'Drops all packets of a network namespace',
  documentation: `Drops what arrives at and what leaves every device of the target's network namespace, loopback included, IPv4 and IPv6.

The kernel's own timer ends it: every rule hangs on a set element with a timeout. The machine's own network namespace is refused.
Needs root (or the rights of root in the namespace's user namespace) and nft.`,
  duration: 'required',
  parameters: z.strictObject({}),
  plan: (_, { devices }) => [{
    do: 'nft',
    lease: 'kernel',
    leaseSet: 'lease',
    rules: [
      'set lease { type ifname; flags timeout; }',
      ...devices.flatMap((device, index) => [
        `chain in_${index} { type filter hook ingress device "${device}" priority 0; meta iifname @lease drop; }`,
        `chain out_${index} { type filter hook egress device "${device}" priority 0; meta oifname @lease drop; }`,
      ]),
    ].join('\n'),
  }],
})
