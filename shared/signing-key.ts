import { nkeys } from 'nats'

/** Ed25519 (RFC 8032) as nkeys writes it: a seed begins with SU, a public key with U; both end in a checksum, so that a slip of the pen is no key. */

export interface Signer {
  readonly publicKey: string
  /** In base64. */
  sign(text: string): string
}

export const publicKeyPattern = /^U[A-Z2-7]{55}$/

export function newSigningKey(): { seed: string; publicKey: string } {
  const pair = nkeys.createUser()
  return { seed: new TextDecoder().decode(pair.getSeed()), publicKey: pair.getPublicKey() }
}

/** Throws nkeys' error for what is no seed. */
export function signerOf(seed: string): Signer {
  const pair = nkeys.fromSeed(new TextEncoder().encode(seed))
  return { publicKey: pair.getPublicKey(), sign: text => Buffer.from(pair.sign(new TextEncoder().encode(text))).toString('base64') }
}

/** Whether a text is a public key, its checksum included. */
export function isPublicKey(text: string): boolean {
  try {
    return publicKeyPattern.test(text) && nkeys.fromPublic(text).getPublicKey() === text
  } catch {
    return false
  }
}

/** False also for what is no key and no signature at all. */
export function isSignedBy(publicKey: string, text: string, signature: string): boolean {
  try {
    return nkeys.fromPublic(publicKey).verify(new TextEncoder().encode(text), Buffer.from(signature, 'base64'))
  } catch {
    return false
  }
}
