import { nkeys } from 'nats'
import { z } from 'zod'
import type { BoundPod } from '#shared/target.ts'
import { FaultRefused } from './fault-refused.ts'

/**
 * The API-side agent's word that a pod's namespace has opted in. The agents on the nodes have no access to the API and cannot see labels;
 * they check the signature (nkeys), the pod and the date, and trust nobody else, the scheduler included.
 */
export interface VoucherIssuer { issue(pod: BoundPod['pod'], expiresAtMs: number): string }

const claims = z.strictObject({ namespace: z.string(), uid: z.string(), expiresAtMs: z.number() })
const encode = (text: string | Uint8Array) => Buffer.from(text).toString('base64url')

export function voucherIssuer(seed: string): VoucherIssuer {
  const pair = nkeys.fromSeed(new TextEncoder().encode(seed))
  return {
    issue({ namespace, uid }, expiresAtMs) {
      const body = encode(JSON.stringify({ namespace, uid, expiresAtMs }))
      return `${body}.${encode(pair.sign(new TextEncoder().encode(body)))}`
    },
  }
}

/** Throws FaultRefused unless the voucher is for this very pod, signed by the API-side agent, and still good. */
export function checkVoucher(voucher: string | undefined, { id, pod }: BoundPod, publicKey: string, nowMs: number): void {
  const refuse = (why: string): never => { throw new FaultRefused(`${id}: ${why}; without the API-side agent's word its namespace counts as not opted in`) }
  const [body = '', signature = ''] = (voucher ?? '').split('.')
  if (voucher === undefined) return refuse('it comes without a voucher')
  if (!isSigned(body, signature, publicKey)) return refuse('its voucher is signed by somebody else')
  const parsed = claims.parse(JSON.parse(Buffer.from(body, 'base64url').toString('utf8')))
  if (parsed.uid !== pod.uid || parsed.namespace !== pod.namespace) return refuse('its voucher is for another pod')
  if (parsed.expiresAtMs < nowMs) return refuse(`its voucher expired ${Math.round(nowMs - parsed.expiresAtMs)} ms ago`)
}

/** nkeys throws on a signature that is not even as long as one. */
function isSigned(body: string, signature: string, publicKey: string): boolean {
  try {
    return nkeys.fromPublic(publicKey).verify(new TextEncoder().encode(body), Buffer.from(signature, 'base64url'))
  } catch {
    return false
  }
}
