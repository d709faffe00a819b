import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { beginChain, canonical, experimentHashOf, extendChain, firstLink, isRecordSigned, nextLink, signRecord } from '#shared/decision-record.ts'
import { parseFact } from '#shared/events.ts'
import { isPublicKey, isSignedBy, newSigningKey, signerOf } from '#shared/signing-key.ts'
import { judge } from '#shared/verdict.ts'
import { verdictKeys } from '#shared/verdict-keys.ts'
import { recordOf } from '../parts/signed-record.ts'
import { document, logOf } from '../parts/verdict-log-builder.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const signer = signerOf(newSigningKey().seed)
const facts = recordOf(logOf(), signer)
const linkedBy = (all: typeof facts) => all.reduce((chain, stored) => extendChain(chain, stored), beginChain('r1'))

test('JSON has one canonical text, whatever the order of its keys and however its numbers are written', () => {
  assert.equal(canonical(JSON.parse('{"b":1e2,"a":[1.0,"\\u00e9",-0]}')), '{"a":[1,"é",0],"b":100}')
  fc.assert(fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue(), { noNullPrototype: true }), value => {
    const turned = Object.fromEntries(Object.entries(value).toReversed())
    assert.equal(canonical(turned), canonical(value))
    assert.equal(canonical(JSON.parse(canonical(value))), canonical(value))
  }))
  assert.equal(canonical(JSON.parse('{"b":1e999,"a":[-1e999]}')), '{"a":[null],"b":null}', 'nobody whose messages these are can keep a run from being judged')
  assert.throws(() => canonical(undefined), /JSON/)
})

test('an experiment\'s hash is that of its canonical text, and one limit more makes another', () => {
  assert.equal(experimentHashOf({ b: 1, a: 'é' }), sha256('{"a":"é","b":1}'))
  assert.equal(experimentHashOf(undefined), sha256('null'))
  assert.notEqual(experimentHashOf(document()), experimentHashOf(document({ gates: [] })))
})

test('the chain is what its description says, link by link, up to the seal and no further', () => {
  const seal = facts.findIndex(({ kind }) => kind === 'run.sealed')
  let link = sha256('faultline decision record 1\nr1')
  assert.equal(firstLink('r1'), link)
  for (const { stream, fact } of facts.slice(0, seal + 1)) link = sha256(`${link}\n${canonical({ fact, stream })}`)
  assert.deepEqual(linkedBy(facts), { link, facts: seal + 1, sealed: true, experimentHash: experimentHashOf(document()) })
  assert.ok(facts.length > seal + 1)
})

test('any change of any fact up to the seal gives another chain, and so does its place in the stream', () => {
  const whole = linkedBy(facts).link
  fc.assert(fc.property(fc.nat(linkedBy(facts).facts - 1), at => {
    const found = facts[at]
    assert.ok(found)
    for (const changed of [{ ...found, stream: found.stream + 1_000 }, parseFact({ ...found.fact, time: '2026-01-01T00:00:00.001Z' }, found.stream)]) assert.notEqual(linkedBy(facts.with(at, changed)).link, whole)
    assert.notEqual(linkedBy(facts.toSpliced(at, 1)).link, whole)
  }), { numRuns: 50 })
  assert.notEqual(nextLink(firstLink('r1'), facts[0] ?? assert.fail()), nextLink(firstLink('r2'), facts[0] ?? assert.fail()))
})

test('a signature is for one verdict of one run on one chain, by one key', () => {
  const { verdict, reasons, revertUnconfirmed } = judge(facts)
  const judged = { verdict, reasons, revertUnconfirmed }
  const record = signRecord('r1', judged, linkedBy(facts), signer)
  assert.ok(isRecordSigned('r1', judged, record))
  const other = signerOf(newSigningKey().seed)
  const wrong: [what: string, isSigned: boolean][] = [
    ['run', isRecordSigned('r2', judged, record)],
    ['verdict', isRecordSigned('r1', { ...judged, verdict: 'failed' }, record)],
    ['reasons', isRecordSigned('r1', { ...judged, reasons: [...reasons, 'x'] }, record)],
    ['revert', isRecordSigned('r1', { ...judged, revertUnconfirmed: true }, record)],
    ['chain', isRecordSigned('r1', judged, { ...record, chain: firstLink('r1') })],
    ['facts', isRecordSigned('r1', judged, { ...record, facts: record.facts - 1 })],
    ['experiment', isRecordSigned('r1', judged, { ...record, experimentHash: experimentHashOf({}) })],
    ['key', isRecordSigned('r1', judged, { ...record, key: other.publicKey })],
    ['no key', isRecordSigned('r1', judged, { ...record, key: 'nobody' })],
    ['no signature', isRecordSigned('r1', judged, { ...record, signature: '' })],
  ]
  assert.deepEqual(wrong.filter(([, isSigned]) => isSigned), [])
})

test('a seed gives its public key again, and what is no key or has a slip in it is none', () => {
  const { seed, publicKey } = newSigningKey()
  assert.equal(signerOf(seed).publicKey, publicKey)
  assert.ok(isPublicKey(publicKey))
  const slip = publicKey.slice(0, 20) + (publicKey[20] === 'A' ? 'B' : 'A') + publicKey.slice(21)
  for (const text of ['', 'U', seed, slip, publicKey.toLowerCase(), `${publicKey}A`]) assert.equal(isPublicKey(text), false, text)
  assert.ok(isSignedBy(publicKey, 'text', signerOf(seed).sign('text')))
  assert.throws(() => signerOf('SUNOSEED'))
})

test('trusted keys in the settings are a list, and one that is no key is refused by name', () => {
  const [a, b] = [newSigningKey().publicKey, newSigningKey().publicKey]
  const config = (value: string | undefined) => ({ get: () => value, need: () => value ?? '', fileOf: () => undefined })
  assert.deepEqual([verdictKeys(config(undefined)), verdictKeys(config('')), verdictKeys(config(`${a}, ${b}`))], [[], [], [a, b]])
  assert.throws(() => verdictKeys(config(`${a},UNKEY`)), /"UNKEY", which is no nkeys public key/)
})
