import { z } from 'zod'
import { defineFault } from '#shared/fault.ts'
import { addressSets } from '#shared/nft-addresses.ts'

/**
 * At the devices that lead off the node, in both directions: a drop further up would tell the kubelet at once (EPERM), which no real network does. Where
 * pods' traffic goes through a tunnel, that device is among them, and what it sends through the node's own may pass: it was sorted out before.
 */
export default defineFault({
  kind: 'node-isolate',
  summary: 'Cuts a node off from the API server and from all other nodes; it comes back by itself',
  documentation: `
nftables rules in the node's own network namespace, at the ingress and egress of every device over which a route with a gateway leads, drop all packets:
of the kubelet, of the pods, to the API server and to other nodes. What stays on the node is not touched. The one exemption is the flow between faultline's
agents on this node and its NATS servers, TCP port 4222. Nobody is told: connections hang.

- Undone by deleting the fault's own table; other rules are neither read nor written.
- Read back: \`nft list set\` shows the lease and when it expires; afterwards the table is gone.
- Ends by itself: in the kernel, by the timeout of the lease, even when nothing of faultline is left.
- Needs: a node with the label faultline.dev/chaos=allowed that carries none of faultline's own control pods; the agent on it (SYS_ADMIN, NET_ADMIN, hostPID),
  nft, Linux 5.16 or later; NATS servers that are pods of faultline. With a PodDisruptionBudget that allows less than what runs there it is refused.
- Does not: cut nodes whose traffic a driver takes past these hooks (XDP, SR-IOV), or the console of the machine.
`.trim(),
  targets: { nodes: 'node' },
  duration: 'required',
  parameters: z.strictObject({}),
  peers: () => [{ faultline: 'nats' }],
  plan: (_, { devices: seen, peers }) => {
    const devices = seen.filter(device => device !== 'lo')
    const families = addressSets('nats', peers)
    const tunnelled = devices.length > 1 ? ['udp dport { 4789, 6081, 8472, 51820, 51821 } accept', 'ip protocol { 4, 47 } accept', 'ip6 nexthdr { 4, 41, 47 } accept'] : []
    const chain = (name: string, hook: 'ingress' | 'egress', device: string) => `
  chain ${name} {
    type filter hook ${hook} device "${device}" priority 0;${[
      ...families.map(({ family, set }) => hook === 'ingress' ? `${family} saddr @${set} tcp sport 4222 accept` : `${family} daddr @${set} tcp dport 4222 accept`),
      ...tunnelled,
      'ether type arp accept', // neighbours are still known when it comes back
      `${hook === 'ingress' ? 'iifname' : 'oifname'} @lease drop`,
    ].map(rule => `\n    ${rule}`).join('')}
  }`
    const chains = devices.map((device, index) => chain(`in${index}`, 'ingress', device) + chain(`out${index}`, 'egress', device))
    return [{ do: 'nft', lease: 'kernel', leaseSet: 'lease', leased: devices, rules: [...families.map(({ declaration }) => declaration), ...chains].join('') }]
  },
})
