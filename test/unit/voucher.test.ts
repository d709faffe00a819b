import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newCommandKeys } from '#shared/bus-nats.ts'
import { checkVoucher, voucherIssuer } from '../../services/injector/voucher.ts'

const keys = newCommandKeys()
const pod = { id: 'pod:u1', pod: { namespace: 'shop', name: 'web', uid: 'u1', node: 'n1' }, description: 'shop/web on n1' }
const voucher = voucherIssuer(keys.signingSeed).issue(pod.pod, 1_000)

test('a voucher holds for its pod until its date', () => {
  checkVoucher(voucher, pod, keys.commandKey, 1_000)
  assert.throws(() => checkVoucher(voucher, pod, keys.commandKey, 1_001), /expired 1 ms ago/)
})

test('a voucher for another pod or namespace, by another signer, changed or missing is refused', () => {
  const check = (given: string | undefined, target = pod) => () => checkVoucher(given, target, keys.commandKey, 0)
  assert.throws(check(undefined), /without a voucher/)
  assert.throws(check(voucher, { ...pod, pod: { ...pod.pod, uid: 'u2' } }), /for another pod/)
  assert.throws(check(voucher, { ...pod, pod: { ...pod.pod, namespace: 'kube-system' } }), /for another pod/)
  assert.throws(check(voucherIssuer(newCommandKeys().signingSeed).issue(pod.pod, 1_000)), /signed by somebody else/)
  const [, signature] = voucher.split('.')
  const longer = Buffer.from(JSON.stringify({ namespace: 'shop', uid: 'u1', expiresAtMs: 9e9 })).toString('base64url')
  for (const changed of [`${longer}.${signature}`, voucher.slice(0, -3), `${voucher.slice(0, 5)}A${voucher.slice(6)}`, '', '.', 'x.y']) assert.throws(check(changed), /signed by somebody else/, changed)
})
