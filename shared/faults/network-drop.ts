import { z } from 'zod'
import { defineFault } from '#shared/fault.ts'

/**
 * A black hole, at the devices: a drop further up (postrouting) would tell local senders at once (EPERM), which no real network
 * does. Every rule hangs on the lease, so the kernel's own timer ends it (nftables(8): set, timeout).
 */
export default defineFault({
  kind: 'network-drop',
  summary: 'Drops every packet to and from the target\'s network namespace',
  documentation: `
nftables rules at the ingress and egress of every device in the target's network namespace, loopback included, drop all packets
of IPv4, IPv6 and anything else. Nobody is told: connections hang until their timeouts.

- Undone by deleting the fault's own table; other rules are neither read nor written.
- Read back: \`nft list set\` shows the lease and when it expires; afterwards the table is gone.
- Ends by itself: in the kernel, by the timeout of the lease, even when nothing of faultline is left.
- Needs: root, nft, Linux 5.16 or later, and a target in a network namespace of its own (a container). A target in the
  host's or in the agent's namespace is refused, always.
- Does not: spare anybody. All processes in the namespace are cut off, also from each other; devices added later are not covered.
`.trim(),
  targets: { process: 'local', pods: 'node' },
  duration: 'required',
  parameters: z.strictObject({}),
  plan: (_, { devices }) => [{
    do: 'nft', lease: 'kernel', leaseSet: 'lease', leased: devices,
    rules: devices.map((device, index) => `
  chain in${index} {
    type filter hook ingress device "${device}" priority 0;
    iifname @lease drop
  }
  chain out${index} {
    type filter hook egress device "${device}" priority 0;
    oifname @lease drop
  }`).join(''),
  }],
})
