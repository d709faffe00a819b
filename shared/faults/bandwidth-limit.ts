import { z } from 'zod'
import { defineFault } from '#shared/fault.ts'
import { bitRate } from '#shared/units.ts'

/**
 * Room for the largest packets that a virtual device carries in one (64 KiB), and for a tenth of a second at the rate. On top of it the kernel's
 * bucket of a rate in bytes holds what passes in one unit of its time, here a second (nft_limit_init in net/netfilter/nft_limit.c).
 */
const burstBytes = (bytesPerSecond: number) => Math.max(256 * 1_024, Math.round(bytesPerSecond / 10))

/**
 * What is over the rate is dropped, and TCP finds the rate by its losses, as on a line whose provider polices it. A shaper would need a root
 * qdisc at both ends of the pod's device; this needs none, and so is no other fault's rival.
 */
export default defineFault({
  kind: 'bandwidth-limit',
  summary: 'Limits how much a target sends and receives per second',
  documentation: `
nftables rules at the ingress and egress of every device in the target's network namespace but the loopback drop what comes faster than \`rate\`, for each
direction and device by itself. What a little more than a second of the rate amounts to passes at full speed first, and again after a pause.

- Undone by deleting the fault's own table; other rules are neither read nor written.
- Read back: \`nft list set\` shows the lease and when it expires; afterwards the table is gone.
- Ends by itself: in the kernel, by the timeout of the lease, even when nothing of faultline is left.
- Needs: root, nft, Linux 5.16 or later, and a target in a network namespace of its own (a container).
- Does not: queue. It drops, as a provider's policer does: TCP comes close to the rate, and its latency stays what it was; UDP loses the rest.
`.trim(),
  targets: { process: 'local', pods: 'node' },
  duration: 'required',
  disruptive: false,
  parameters: z.strictObject({
    rate: bitRate().describe('What still passes, per second: 500kbit, 10mbit, 1gbit'),
    direction: z.enum(['both', 'in', 'out']).default('both').describe('What is limited, as the target sees it'),
  }),
  plan: ({ rate, direction }, { devices }) => {
    const outer = devices.filter(device => device !== 'lo')
    const bytesPerSecond = Math.round(rate / 8)
    const chain = (name: string, hook: 'ingress' | 'egress', device: string) => `
  chain ${name} {
    type filter hook ${hook} device "${device}" priority 0;
    ${hook === 'ingress' ? 'iifname' : 'oifname'} @lease limit rate over ${bytesPerSecond} bytes/second burst ${burstBytes(bytesPerSecond)} bytes drop
  }`
    const rules = outer.map((device, index) => [
      direction === 'out' ? '' : chain(`in${index}`, 'ingress', device),
      direction === 'in' ? '' : chain(`out${index}`, 'egress', device),
    ].join(''))
    return [{ do: 'nft', lease: 'kernel', leaseSet: 'lease', leased: outer, rules: rules.join('') }]
  },
})
