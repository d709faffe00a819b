import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import { nkeys } from 'nats'

/**
 * Ed25519 (RFC 8032) as nkeys writes it: a seed begins with SU, a public key with U; both end in a checksum, so that a slip of the pen is no key. nkeys
 * checks the text, and Node.js's OpenSSL signs and verifies: nkeys' own JavaScript takes 4 to 10 ms for each, and every command waits for two.
 */

export interface Signer {
  readonly publicKey: string
  /** In base64. */
  sign(text: string): string
}

/** Whether one of the keys that count has signed a text. False also for what is no signature at all. */
export type Verify = (text: string, signature: Uint8Array) => boolean

export const publicKeyPattern = /^U[A-Z2-7]{55}$/

export function newSigningKey(): { seed: string; publicKey: string } {
  const pair = nkeys.createUser()
  return { seed: new TextDecoder().decode(pair.getSeed()), publicKey: pair.getPublicKey() }
}

/** Throws nkeys' error for what is no seed. */
export function signerOf(seed: string): Signer {
  const publicKey = nkeys.fromSeed(new TextEncoder().encode(seed)).getPublicKey()
  // RFC 8037: d is the seed (after a prefix of two bytes), x the public key (after one of one)
  const key = createPrivateKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', d: base64url(decode(seed).subarray(2, 34)), x: publicBytes(publicKey) } })
  return { publicKey, sign: text => sign(null, Buffer.from(text), key).toString('base64') }
}

/** Any of the keys is good. Throws nkeys' error for what is no public key. */
export function verifierOf(...publicKeys: readonly string[]): Verify {
  const keys = publicKeys.map(publicKey => createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x: publicBytes(nkeys.fromPublic(publicKey).getPublicKey()) } }))
  return (text, signature) => {
    const bytes = Buffer.from(text)
    return keys.some(key => verify(null, bytes, key, signature))
  }
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
    return verifierOf(publicKey)(text, Buffer.from(signature, 'base64'))
  } catch {
    return false
  }
}

const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')
const publicBytes = (publicKey: string): string => base64url(decode(publicKey).subarray(1, 33))

/** Base32 (RFC 4648) of a text that nkeys has found to be a key. */
function decode(text: string): Uint8Array {
  const bits = Array.from(text, letter => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0')).join('')
  return Uint8Array.from(bits.match(/.{8}/g) ?? [], byte => Number.parseInt(byte, 2))
}
