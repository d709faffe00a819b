import { randomBytes } from 'node:crypto'
import { z } from 'zod'

/**
 * What makes a signed command good for once. Whoever has heard one on the wire could send it again; the signature would still be right. So a
 * command that begins something bears a nonce and an expiry, under the signature, and whoever obeys it remembers the nonce until then. After a start
 * nothing is remembered: what was sent before it is refused. Dates are of the sender's clock, Unix epoch, milliseconds; receivers' clocks must agree
 * with it to within some seconds, as for the deadline of an inject.
 */
export interface Stamp {
  /** 128 random bits. */
  nonce: string
  issuedAtMs: number
  expiresAtMs: number
}

const dateMs = z.int().nonnegative().max(8_640_000_000_000_000)
export const stampSchema = z.strictObject({ nonce: z.string().regex(/^[\w-]{22}$/), issuedAtMs: dateMs, expiresAtMs: dateMs })

/** What a receiver knows of commands. `nonces`: until when each is remembered. */
export interface HeardCommands { startedAtMs: number; nonces: ReadonlyMap<string, number> }

/** No command is good for longer. */
const mostMs = 30_000
/** Further ahead a sender's clock may not be, so that no nonce has to be remembered for longer than both together. */
const mostAheadMs = 30_000
/** Each bears the scheduler's signature, so that only a scheduler gone wild comes to so many within a minute. */
export const mostRemembered = 10_000

export function newStamp(nowMs: number, goodForMs: number): Stamp {
  return { nonce: randomBytes(16).toString('base64url'), issuedAtMs: nowMs, expiresAtMs: nowMs + Math.min(goodForMs, mostMs) }
}

/** Whether the command may be obeyed; if not, `why`. Pure. */
export function hear({ startedAtMs, nonces }: HeardCommands, { nonce, issuedAtMs, expiresAtMs }: Stamp, nowMs: number): { heard: HeardCommands; why?: string } {
  const remembered = new Map([...nonces].filter(([, untilMs]) => untilMs >= nowMs))
  const refuse = (why: string) => ({ heard: { startedAtMs, nonces: remembered }, why })
  if (remembered.has(nonce)) return refuse('it was heard before, and a command is obeyed once')
  if (nowMs > expiresAtMs) return refuse(`it came ${nowMs - expiresAtMs} ms after its expiry; if it was sent just now, the clocks differ: set both by the same time server (NTP)`)
  if (issuedAtMs < startedAtMs) return refuse('it was sent before this service started, which cannot know whether it was obeyed by then; if it was sent just now, the clocks differ: set both by the same time server (NTP)')
  if (expiresAtMs > nowMs + mostMs + mostAheadMs) return refuse(`it expires only in ${expiresAtMs - nowMs} ms: the sender's clock is ahead; set both by the same time server (NTP)`)
  if (remembered.size >= mostRemembered) return refuse(`${remembered.size} commands came within a minute; it cannot be remembered`)
  return { heard: { startedAtMs, nonces: remembered.set(nonce, expiresAtMs) } }
}
