import { z } from 'zod'
import type { Signer, Verify } from '#shared/signing-key.ts'
import { isPod, isWorkload, type BoundTarget } from '#shared/target.ts'
import { FaultRefused } from './fault-refused.ts'

/**
 * The API-side agent's word that a pod's namespace, or a node, has opted in. The agents on the nodes have no access to the API and cannot see labels;
 * they check the signature (nkeys), the target and the date, and trust nobody else, the scheduler included.
 */
export interface VoucherIssuer { issue(target: BoundTarget, expiresAtMs: number): string }

/** `where`: the namespace of a pod or a workload; a node is in none. */
const claims = z.strictObject({ id: z.string(), where: z.string(), expiresAtMs: z.number() })
const whereOf = (target: BoundTarget): string => isPod(target) ? target.pod.namespace : isWorkload(target) ? target.workload.namespace : ''
const encode = (text: string) => Buffer.from(text).toString('base64url')

/** `signer`: who signs now. */
export function voucherIssuer(signer: () => Signer): VoucherIssuer {
  return {
    issue(target, expiresAtMs) {
      const body = encode(JSON.stringify({ id: target.id, where: whereOf(target), expiresAtMs }))
      return `${body}.${Buffer.from(signer().sign(body), 'base64').toString('base64url')}`
    },
  }
}

/** Throws FaultRefused unless the voucher is for this very target, signed by the API-side agent, and still good. */
export function checkVoucher(voucher: string | undefined, target: BoundTarget, verify: Verify, nowMs: number): void {
  const refuse = (why: string): never => { throw new FaultRefused(`${target.id}: ${why}; without the API-side agent's word it counts as not opted in`) }
  const [body = '', signature = ''] = (voucher ?? '').split('.')
  if (voucher === undefined) return refuse('it comes without a voucher')
  if (!verify(body, Buffer.from(signature, 'base64url'))) return refuse('its voucher is signed by somebody else')
  const parsed = claims.parse(JSON.parse(Buffer.from(body, 'base64url').toString('utf8')))
  if (parsed.id !== target.id || parsed.where !== whereOf(target)) return refuse('its voucher is for another')
  if (parsed.expiresAtMs < nowMs) return refuse(`its voucher expired ${Math.round(nowMs - parsed.expiresAtMs)} ms ago`)
}
