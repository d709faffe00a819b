import { z } from 'zod'

/** Who had a node's power cut, and until when (monotonic clock, which all processes of one boot share). */
export const leaseSchema = z.strictObject({ holder: z.string(), endsMs: z.number() })
export type Lease = z.output<typeof leaseSchema>

export const start = ({ holder, leaseMs }: { holder: string; leaseMs: number }, nowMs: number): Lease => ({ holder, endsMs: nowMs + leaseMs })

/** Undefined when it cannot be renewed: it is over, or another's. */
export function renewed(lease: Lease | undefined, asked: { holder: string; leaseMs: number }, nowMs: number): Lease | undefined {
  return lease && lease.holder === asked.holder && nowMs < lease.endsMs ? start(asked, nowMs) : undefined
}
