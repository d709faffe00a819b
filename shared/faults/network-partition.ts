import { z } from 'zod'
import { defineFault } from '#shared/fault.ts'
import { addressSets } from '#shared/nft-addresses.ts'
import { peerSides } from '#shared/target.ts'

/**
 * At the target's own devices, in both directions: a drop further up would tell local senders at once (EPERM), which no real network does.
 * A client's packets bear a Service's address until they have left the pod, so the addresses of Services that lead to the peers are cut too.
 */
export default defineFault({
  kind: 'network-partition',
  summary: 'Cuts a pod off from certain other pods or from the API server, while everybody else still reaches it',
  documentation: `
nftables rules at the ingress and egress of every device in the target's network namespace drop what comes from or goes to the peers: the pods
that \`from\` names (by labels, owner, node or role), and the Services that lead to them and to nobody else; with \`apiServer: true\` the Service
\`kubernetes\` and its endpoints. \`from\` may be a list of several sides. IPv4 and IPv6. Nobody is told: connections hang.
\`direction: in\` drops only what the peers send, \`out\` only what is sent to them: the half-open networks that confuse elections.

- Undone by deleting the fault's own table; other rules are neither read nor written.
- Read back: \`nft list set\` shows the lease and when it expires; afterwards the table is gone.
- Ends by itself: in the kernel, by the timeout of the lease, even when nothing of faultline is left.
- Needs: the agent on the target's node (SYS_ADMIN, NET_ADMIN, hostPID), nft, Linux 5.16 or later.
- Does not: follow peers that are born during the fault, or cut pods on the host's network, which is never touched.
`.trim(),
  targets: { pods: 'node' },
  duration: 'required',
  parameters: z.strictObject({
    from: peerSides.describe('The other side, or a list of several: pods, or the API server'),
    direction: z.enum(['both', 'in', 'out']).default('both').describe('What is dropped, as the target sees it'),
  }),
  peers: ({ from }) => from,
  plan: ({ direction }, { devices, peers }) => {
    const outer = devices.filter(device => device !== 'lo')
    const families = addressSets('peers', peers)
    const chain = (name: string, hook: 'ingress' | 'egress', device: string, side: 'saddr' | 'daddr') => `
  chain ${name} {
    type filter hook ${hook} device "${device}" priority 0;${families.map(({ family, set }) => `
    ${hook === 'ingress' ? 'iifname' : 'oifname'} @lease ${family} ${side} @${set} drop`).join('')}
  }`
    const chains = outer.map((device, index) => [
      direction === 'out' ? '' : chain(`in${index}`, 'ingress', device, 'saddr'),
      direction === 'in' ? '' : chain(`out${index}`, 'egress', device, 'daddr'),
    ].join(''))
    return [{ do: 'nft', lease: 'kernel', leaseSet: 'lease', leased: outer, rules: [...families.map(({ declaration }) => declaration), ...chains].join('') }]
  },
})
