import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { nkeys } from 'nats'
import { isSignedBy, newSigningKey, signerOf, verifierOf } from '#shared/signing-key.ts'

test('whatever the key and the text, the signature is the one that nkeys makes, and each takes the other\'s', () => {
  fc.assert(fc.property(fc.constant(null).map(newSigningKey), fc.string({ unit: 'binary' }), ({ seed, publicKey }, text) => {
    const pair = nkeys.fromSeed(Buffer.from(seed))
    const bytes = new TextEncoder().encode(text)
    const signature = signerOf(seed).sign(text)
    assert.equal(signerOf(seed).publicKey, publicKey)
    assert.equal(signature, Buffer.from(pair.sign(bytes)).toString('base64'))
    assert.ok(nkeys.fromPublic(publicKey).verify(bytes, Buffer.from(signature, 'base64')))
    assert.ok(isSignedBy(publicKey, text, signature))
    assert.ok(!isSignedBy(publicKey, `${text}.`, signature))
    assert.ok(!isSignedBy(newSigningKey().publicKey, text, signature))
  }), { numRuns: 20 })
})

test('what is no signature is none, and what is no key is refused by nkeys', () => {
  const { seed, publicKey } = newSigningKey()
  const verify = verifierOf(publicKey)
  for (const signature of [new Uint8Array(), new Uint8Array(63), new Uint8Array(64), new Uint8Array(65)]) assert.equal(verify('text', signature), false)
  const slip = publicKey.endsWith('A') ? `${publicKey.slice(0, -1)}B` : `${publicKey.slice(0, -1)}A`
  assert.throws(() => verifierOf(slip), nkeys.NKeysError)
  assert.equal(isSignedBy(slip, 'text', signerOf(seed).sign('text')), false)
  assert.throws(() => signerOf(publicKey), nkeys.NKeysError)
})
