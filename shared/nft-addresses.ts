import { isIPv6 } from 'node:net'

/** Addresses of one family, and the nftables set that holds them. */
export interface AddressSet { family: 'ip' | 'ip6'; set: string; declaration: string }

/** Pure. One untimed set for each family that has addresses, called `<name>4` and `<name>6`: nftables has no set for both. */
export function addressSets(name: string, addresses: readonly string[]): AddressSet[] {
  const families = [
    { family: 'ip', set: `${name}4`, type: 'ipv4_addr', members: addresses.filter(address => !isIPv6(address)) },
    { family: 'ip6', set: `${name}6`, type: 'ipv6_addr', members: addresses.filter(address => isIPv6(address)) },
  ] as const
  return families.filter(({ members }) => members.length > 0).map(({ family, set, type, members }) => ({
    family, set, declaration: `
  set ${set} {
    type ${type}
    elements = { ${members.join(', ')} }
  }`,
  }))
}
