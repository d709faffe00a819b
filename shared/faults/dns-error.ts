import { isIPv4 } from 'node:net'
import { z } from 'zod'
import { defineFault, FaultImpossible, type Step } from '#shared/fault.ts'

/**
 * Silence is a drop at the devices. An answer needs somebody who gives it: packets to each name server are rewritten, one by one, to a responder
 * on the loopback, and its answers back. No connection tracking takes part in that, which would hold a flow to the responder after the lapse.
 */
export default defineFault({
  kind: 'dns-error',
  summary: 'Lets the DNS queries of a target fail: no answer, SERVFAIL or NXDOMAIN',
  documentation: `
\`mode: timeout\`: nftables rules at the egress of every device in the target's network namespace but the loopback drop what goes to port 53, over UDP and
TCP, so that resolvers wait for nothing. \`servfail\`, \`nxdomain\`: queries over UDP to the name servers of the target's /etc/resolv.conf are answered, at
once, with that error; what goes to port 53 of anybody else, or over TCP, is rejected.

- Undone by deleting the fault's own table, and ending the responder.
- Read back: \`nft list set\` shows the lease and when it expires, the responder is there; afterwards neither is.
- Ends by itself: in the kernel, by the timeout of the lease; packets are rewritten one by one, so no socket stays with the responder.
- Needs: root, nft, a target in a network namespace of its own (a container), for timeout Linux 5.16 or later, for the others name servers with IPv4 addresses.
- Does not: touch names that are known without asking (/etc/hosts, caches in the target), a resolver on the target's own loopback, DNS over TLS
  or HTTPS, or tell one name from another.
`.trim(),
  targets: { process: 'local', pods: 'node' },
  duration: 'required',
  alone: 'name resolution',
  parameters: z.strictObject({
    mode: z.enum(['timeout', 'servfail', 'nxdomain']).default('timeout').describe('No answer at all, or an answer that says why there is none'),
  }),
  plan: ({ mode }, target): Step[] => {
    const outer = target.devices.filter(device => device !== 'lo')
    const common = { lease: 'kernel', leaseSet: 'lease', leased: outer } as const
    if (mode === 'timeout') {
      const rules = outer.map((device, index) => `
  chain out${index} {
    type filter hook egress device "${device}" priority 0;
    oifname @lease udp dport 53 drop
    oifname @lease tcp dport 53 drop
  }`)
      return [{ ...common, do: 'nft', rules: rules.join('') }]
    }
    const servers = target.nameservers.filter(server => isIPv4(server) && !server.startsWith('127.'))
    if (servers.length === 0) throw new FaultImpossible(`no name server with an IPv4 address beyond the loopback is in its /etc/resolv.conf; mode: timeout needs none`)
    const rules = `
  chain ask {
    type route hook output priority mangle;${servers.map((server, index) => `
    oifname @lease ip daddr ${server} udp dport 53 ip daddr set 127.0.0.1 udp dport set $port${index}`).join('')}
  }
  chain answer {
    type filter hook output priority filter;${servers.map((server, index) => `
    ip saddr 127.0.0.1 udp sport $port${index} ip saddr set ${server} udp sport set 53`).join('')}
    oifname @lease tcp dport 53 reject with tcp reset
    oifname @lease udp dport 53 reject
  }`
    const why = `queries are answered with ${mode.toUpperCase()} by a responder in the target's network namespace`
    return [{ ...common, do: 'divert', family: 'inet', to: { program: 'dns-responder', answer: mode, servers: servers.length }, why, rules }]
  },
})
