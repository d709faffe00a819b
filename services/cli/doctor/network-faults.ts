import { findOnSystem, toolPath } from '#shared/tools.mjs'
import { attempt } from './attempt.ts'
import type { Check } from './check.ts'

/**
 * What the kernel lets this user do to a network, tried for real: each attempt in a new network namespace of its own, which
 * ends with the attempt. The host's own rules and queues are never read or written. (The kernel may load its own module for
 * what is asked of it, as it would for the fault.)
 */
export async function checkNetworkFaults(): Promise<Check[]> {
  const entries = await findNamespaces()
  const inNamespace = entries.asUser.worked ? ['unshare', '--user', '--map-root-user', '--net'] : undefined
  const enter = entries.directly.worked ? ['unshare', '--net'] : inNamespace
  const checks = [userNamespaces(entries.user.said, entries.user.worked), networkNamespaces(entries, enter)]
  if (!enter) return [...checks, impossible('no network namespace can be made')]
  const nft = nftPath()
  if (!nft) return [...checks, impossible('nft is missing')]
  const leases = await checkLeases(enter, nft)
  checks.push(leases, await checkHook(enter, nft, 'ingress'), await checkHook(enter, nft, 'egress'), await checkNetem(enter))
  return [...checks, leases.found === 'ok' ? possible(entries.directly.worked) : impossible('nftables sets have no timeouts here')]
}

async function findNamespaces() {
  const [user, directly, asUser] = await Promise.all([
    attempt(['unshare', '--user', '--map-root-user', 'true']),
    attempt(['unshare', '--net', 'true']),
    attempt(['unshare', '--user', '--map-root-user', '--net', 'true']),
  ])
  return { user, directly, asUser }
}
type Namespaces = Awaited<ReturnType<typeof findNamespaces>>

function userNamespaces(said: string, worked: boolean): Check {
  return worked
    ? { name: 'user namespaces', found: 'ok', detail: 'can be made', neededFor: [] }
    : { name: 'user namespaces', found: 'limited', detail: said, next: 'sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns', neededFor: [] }
}

function networkNamespaces({ asUser }: Namespaces, enter: readonly string[] | undefined): Check {
  const common = { name: 'network namespaces', neededFor: ['network faults' as const] }
  return enter
    ? { ...common, found: 'ok', detail: `can be made: ${enter.join(' ')}` }
    : { ...common, found: 'missing', detail: asUser.said, next: 'run as root, or let users make user namespaces' }
}

function nftPath(): string | undefined {
  try {
    return toolPath('nft')
  } catch {
    return undefined // has its own check
  }
}

/** A fault's shape in small: one rule that hangs on a set element, which the kernel itself removes. */
const leaseRules = `
table inet faultline_doctor {
  set lease { type ifname; flags timeout; elements = { "lo" timeout 60s } }
  chain out { type filter hook postrouting priority 0; oifname @lease drop; }
}`

async function checkLeases(enter: readonly string[], nft: string): Promise<Check> {
  const script = '"$0" -f - && exec "$0" list set inet faultline_doctor lease'
  const { worked, said } = await attempt([...enter, 'sh', '-c', script, nft], leaseRules)
  const common = { name: 'nft set timeouts', neededFor: ['network faults' as const] }
  return worked && said.includes('expires')
    ? { ...common, found: 'ok', detail: 'the kernel counts a lease down by itself' }
    : { ...common, found: 'missing', detail: firstLine(said), next: 'a kernel with nf_tables (CONFIG_NF_TABLES_INET)' }
}

async function checkHook(enter: readonly string[], nft: string, hook: 'ingress' | 'egress'): Promise<Check> {
  const rules = `table netdev faultline_doctor {\n chain c {\n type filter hook ${hook} device "lo" priority 0;\n }\n}\n`
  const { worked, said } = await attempt([...enter, nft, '-f', '-'], rules)
  const name = `netdev ${hook} hook`
  return worked
    ? { name, found: 'ok', detail: 'can be hooked', neededFor: [] }
    : { name, found: 'limited', detail: firstLine(said), next: `Linux ${hook === 'egress' ? '5.16' : '4.2'} or later; drops are seen by local senders (EPERM) without it`, neededFor: [] }
}

async function checkNetem(enter: readonly string[]): Promise<Check> {
  const common = { name: 'sch_netem, sch_htb', neededFor: [] }
  const tc = findOnSystem('tc')
  if (!tc) return { ...common, found: 'limited', detail: 'not tried: no tc', next: 'install iproute2' }
  const { worked, said } = await attempt([...enter, 'sh', '-c', addQueues, tc])
  return worked
    ? { ...common, found: 'ok', detail: 'packets can be delayed' }
    : { ...common, found: 'limited', detail: firstLine(said), next: 'modprobe sch_netem sch_htb, where the kernel has them; without, network-latency goes through a proxy' }
}

/** As network-latency does it: a class to be led into, and the queue below. */
const addQueues = '"$0" qdisc add dev lo root handle 1: htb && "$0" class add dev lo parent 1: classid 1:1 htb rate 1gbit quantum 60000 && "$0" qdisc add dev lo parent 1:1 netem delay 1ms'

function possible(asRoot: boolean): Check {
  const common = { name: 'network faults', neededFor: ['network faults' as const] }
  return asRoot
    ? { ...common, found: 'ok', detail: 'possible: drop and loss, ended by the kernel' }
    : { ...common, found: 'limited', detail: 'possible in network namespaces that this user made', next: 'run as root for all others' }
}

function impossible(why: string): Check {
  return { name: 'network faults', found: 'missing', detail: `not possible: ${why}`, next: 'see the lines above', neededFor: ['network faults'] }
}

const firstLine = (text: string) => text.split('\n')[0] ?? text
