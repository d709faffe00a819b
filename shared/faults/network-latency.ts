import { isIPv6 } from 'node:net'
import { z } from 'zod'
import { defineFault, FaultImpossible, type FaultTarget, type Step } from '#shared/fault.ts'
import { peerSides } from '#shared/target.ts'
import { duration } from '#shared/units.ts'

/** Of connections that were led to the proxy, so that they, and no others, are reset when the lease is over. */
const mark = '0x0fa17000'
/** What the proxy itself connects from (services/injector/delay-proxy.ts). */
const proxysPorts = '61000-65535'
const common = { lease: 'kernel', leaseSet: 'lease' } as const

interface Delay { delay: number; jitter: number; ports: number[] | undefined; hasPeers: boolean }

/** Delays what the target sends, and so each round trip once, whoever began it: by the kernel's own queue, else through a proxy. */
export default defineFault({
  kind: 'network-latency',
  summary: 'Delays what a target sends, and so every answer it gives and gets',
  documentation: `
Each round trip takes \`delay\` longer (\`jitter\`: up to so much more or less, uniform), to everybody, or to the peers of \`to\` alone: pods by their labels, and the
Services that lead to them and to nobody else. One of two ways, and the plan says which and why:

- **netem**, where the kernel has sch_netem and sch_htb: packets are steered into a delaying queue by rules under the lease. All protocols, open
  connections too. Devices whose root qdisc somebody has set are kept as they are, and the fault is refused.
- **Redirect**, elsewhere: new TCP connections are led through a proxy in the target's network namespace that passes on later what the target sends.
  Without \`to\`: those that others make to the ports that are listened on; the server sees them come from its own address. With \`to\`: those that the target
  makes to the peers' \`ports\`, which must be named. Connections that were open before, UDP and ICMP are not delayed.

- Undone by deleting the fault's own table, then its queues or its proxy; connections through the proxy end with it.
- Read back: \`nft list set\` shows the lease and when it expires, tc the queue; afterwards neither they nor the proxy are there.
- Ends by itself: in the kernel, by the timeout of the lease: what is not steered passes the queue by, nothing new is redirected, and what was is reset.
- Needs: root, nft, tc, a target in a network namespace of its own (a container), Linux 5.16 or later for netem.
- Does not: delay what comes in (each round trip would be delayed twice), or the loopback.
`.trim(),
  targets: { pods: 'node', process: 'local' },
  duration: 'required',
  disruptive: false,
  alone: 'latency',
  parameters: z.strictObject({
    delay: duration({ minMs: 1, maxMs: 60_000 }).describe('How much longer a round trip takes'),
    jitter: duration({ maxMs: 60_000 }).default(0).describe('Up to so much more or less, uniform'),
    to: peerSides.optional().describe('Only what goes to these pods, and to the Services that lead to them, or to the API server (default: everybody)'),
    ports: z.array(z.int().min(1).max(65_535)).min(1).max(64).optional().describe('TCP ports of the peers; needed with `to` where the kernel has no netem'),
  }),
  peers: ({ to }) => to,
  plan: ({ delay, jitter, to, ports }, target) => {
    const wanted: Delay = { delay, jitter, ports, hasPeers: to !== undefined }
    return target.canDelay ? [byQueue(wanted, target)] : [to === undefined ? byProxyIn(wanted, target) : byProxyOut(wanted, target)]
  },
})

function byQueue({ delay, jitter, ports, hasPeers }: Delay, { devices, peers }: FaultTarget): Step {
  const outer = devices.filter(device => device !== 'lo')
  const families = [{ family: 'ip', addresses: peers.filter(peer => !isIPv6(peer)) }, { family: 'ip6', addresses: peers.filter(isIPv6) }].filter(({ addresses }) => addresses.length > 0)
  const toPorts = ports ? ` tcp dport { ${ports.join(', ')} }` : ''
  const whom = hasPeers ? families.map(({ family, addresses }) => `${family} daddr { ${addresses.join(', ')} }${toPorts} `) : [toPorts === '' ? '' : `${toPorts.trim()} `]
  const rules = outer.map((device, index) => `
  chain out${index} {
    type filter hook egress device "${device}" priority 0;${whom.map(condition => `
    oifname @lease ${condition}meta priority set fa17:10`).join('')}
  }`)
  return { ...common, do: 'delay-queue', delayMs: delay, jitterMs: jitter, leased: outer, rules: rules.join(''), why: 'by netem: this kernel has sch_netem and sch_htb' }
}

const noNetem = 'by redirect of new TCP connections: this kernel lacks sch_netem or sch_htb'
const resetAtLapse = `
  chain lapse {
    type filter hook input priority filter;
    ct mark ${mark} iifname != @lease reject with tcp reset
  }`

/** What others connect to: the target's own ports. */
function byProxyIn({ delay, jitter, ports }: Delay, { devices, listening }: FaultTarget): Step {
  const chosen = ports ?? listening
  if (chosen.length === 0) throw new FaultImpossible('it listens on no TCP port, and this kernel has no netem to delay anything else; name the peers that it connects to (`to`, `ports`)')
  const rules = `
  chain in {
    type nat hook prerouting priority -101;${chosen.map((port, index) => `
    iifname @lease tcp dport ${port} ct mark set ${mark} redirect to :$port${index}`).join('')}
  }${resetAtLapse}`
  const to = { program: 'delay-proxy', delayMs: delay, jitterMs: jitter, routes: chosen.map(port => ({ port })) } as const
  return { ...common, do: 'divert', family: 'inet', leased: devices.filter(device => device !== 'lo'), to, rules, why: `${noNetem}; to ${chosen.join(', ')}` }
}

/** What the target connects to. The loopback is leased too: the packets of redirected connections come over it. */
function byProxyOut({ delay, jitter, ports }: Delay, { devices, peers }: FaultTarget): Step {
  if (!ports) throw new FaultImpossible('this kernel has no netem, so connections to the peers are redirected, and their `ports` must be named')
  const routes = peers.flatMap(host => ports.map(port => ({ host, port })))
  const rules = `
  chain out {
    type nat hook output priority -101;
    tcp sport ${proxysPorts} return${routes.map(({ host, port }, index) => `
    oifname @lease ${isIPv6(host) ? 'ip6' : 'ip'} daddr ${host} tcp dport ${port} ct mark set ${mark} redirect to :$port${index}`).join('')}
  }${resetAtLapse}`
  const to = { program: 'delay-proxy', delayMs: delay, jitterMs: jitter, routes } as const
  return { ...common, do: 'divert', family: 'inet', leased: devices, to, rules, why: `${noNetem}; to ${routes.length} destinations` }
}
