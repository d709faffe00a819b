/** Bit numbers from linux/capability.h, of those that faultline's agents use. */
const bits = { CAP_KILL: 5, CAP_NET_ADMIN: 12, CAP_SYS_PTRACE: 19, CAP_SYS_ADMIN: 21 } as const

export type Capability = keyof typeof bits
export const capabilities: readonly Capability[] = ['CAP_KILL', 'CAP_NET_ADMIN', 'CAP_SYS_PTRACE', 'CAP_SYS_ADMIN']

/** The effective ones among them, from the text of /proc/<pid>/status. */
export function effectiveCapabilities(status: string): Capability[] {
  const mask = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`)
  return capabilities.filter(name => (mask >> BigInt(bits[name]) & 1n) === 1n)
}
