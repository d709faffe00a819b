import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newSigningKey, signerOf, verifierOf } from '#shared/signing-key.ts'
import { checkVoucher, voucherIssuer } from '../../services/injector/voucher.ts'

const { seed, publicKey } = newSigningKey()
const issuerOf = (by: string) => voucherIssuer(() => signerOf(by))
const verify = verifierOf(publicKey)
const pod = { id: 'pod:u1', pod: { namespace: 'shop', name: 'web', uid: 'u1', node: 'n1' }, description: 'shop/web on n1' }
const voucher = issuerOf(seed).issue(pod, 1_000)

test('a voucher holds for its pod until its date', () => {
  checkVoucher(voucher, pod, verify, 1_000)
  assert.throws(() => checkVoucher(voucher, pod, verify, 1_001), /expired 1 ms ago/)
})

test('a voucher for a node holds for that node alone', () => {
  const node = { id: 'node:u1', node: { name: 'n1', uid: 'u1' }, description: 'node n1' }
  const given = issuerOf(seed).issue(node, 1_000)
  checkVoucher(given, node, verify, 0)
  assert.throws(() => checkVoucher(given, pod, verify, 0), /for another/)
  assert.throws(() => checkVoucher(voucher, node, verify, 0), /for another/)
})

test('a voucher for another pod or namespace, by another signer, changed or missing is refused', () => {
  const check = (given: string | undefined, target = pod) => () => checkVoucher(given, target, verify, 0)
  assert.throws(check(undefined), /without a voucher/)
  assert.throws(check(voucher, { ...pod, id: 'pod:u2' }), /for another/)
  assert.throws(check(voucher, { ...pod, pod: { ...pod.pod, namespace: 'kube-system' } }), /for another/)
  assert.throws(check(issuerOf(newSigningKey().seed).issue(pod, 1_000)), /signed by somebody else/)
  const [, signature] = voucher.split('.')
  const longer = Buffer.from(JSON.stringify({ id: 'pod:u1', where: 'shop', expiresAtMs: 9e9 })).toString('base64url')
  for (const changed of [`${longer}.${signature}`, voucher.slice(0, -3), `${voucher.slice(0, 5)}A${voucher.slice(6)}`, '', '.', 'x.y']) assert.throws(check(changed), /signed by somebody else/, changed)
})
