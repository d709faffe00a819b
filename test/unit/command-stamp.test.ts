import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hear, mostRemembered, newStamp, stampSchema, type HeardCommands, type Stamp } from '#shared/command-stamp.ts'

const nowMs = 1_000_000
const nobody: HeardCommands = { startedAtMs: nowMs - 10_000, nonces: new Map() }
const stamp = (changes: Partial<Stamp> = {}): Stamp => ({ ...newStamp(nowMs, 10_000), ...changes })

test('a command is obeyed once, as long as it is good and for ever after', () => {
  const one = stamp()
  const first = hear(nobody, one, nowMs)
  assert.equal(first.why, undefined)
  assert.match(hear(first.heard, one, nowMs + 9_999).why ?? '', /heard before/)
  assert.match(hear(first.heard, one, nowMs + 10_001).why ?? '', /1 ms after its expiry/)
  assert.equal(hear(first.heard, stamp(), nowMs).why, undefined, 'another one is another one')
})

test('what was sent before the start is refused, since it may have been obeyed then; what was sent with it is taken', () => {
  assert.match(hear(nobody, stamp({ issuedAtMs: nobody.startedAtMs - 1 }), nowMs).why ?? '', /before this service started/)
  assert.equal(hear(nobody, stamp({ issuedAtMs: nobody.startedAtMs }), nowMs).why, undefined)
})

test('a sender whose clock is far ahead is told so, instead of being remembered for long', () => {
  assert.match(hear(nobody, newStamp(nowMs + 40_000, 30_000), nowMs).why ?? '', /clock is ahead/)
  assert.equal(hear(nobody, newStamp(nowMs + 20_000, 30_000), nowMs).why, undefined)
})

test('what is remembered is bounded, by forgetting what has expired and then by refusing', () => {
  const full: HeardCommands = { ...nobody, nonces: new Map(Array.from({ length: mostRemembered }, (_, n) => [`n${n}`, nowMs + 5])) }
  assert.match(hear(full, stamp(), nowMs).why ?? '', /cannot be remembered/)
  const later = hear(full, stamp(), nowMs + 6)
  assert.deepEqual([later.why, later.heard.nonces.size], [undefined, 1])
})

test('a stamp is 128 random bits and two dates, and nothing else', () => {
  const [one, other] = [newStamp(nowMs, 99_000), newStamp(nowMs, 99_000)]
  assert.notEqual(one.nonce, other.nonce)
  assert.equal(Buffer.from(one.nonce, 'base64url').length, 16)
  assert.deepEqual([one.issuedAtMs, one.expiresAtMs], [nowMs, nowMs + 30_000], 'never good for longer than half a minute')
  assert.deepEqual(stampSchema.parse(one), one)
  for (const wrong of [{ ...one, nonce: 'short' }, { ...one, issuedAtMs: -1 }, { ...one, more: 1 }, { nonce: one.nonce }]) assert.throws(() => stampSchema.parse(wrong))
})

test('whatever comes in whatever order and at whatever times, no command is obeyed twice, unless the receiver\'s clock goes back', () => {
  const stamps = fc.array(fc.record({ nonce: fc.constantFrom('a', 'b', 'c'), issuedAtMs: fc.nat(1_000), goodForMs: fc.nat(500) }), { minLength: 1, maxLength: 5 })
  fc.assert(fc.property(stamps, fc.array(fc.tuple(fc.nat(20), fc.nat(10))), (sent, arrivals) => {
    const once = new Map(sent.map(({ nonce, issuedAtMs, goodForMs }) => [nonce, { nonce, issuedAtMs, expiresAtMs: issuedAtMs + goodForMs }]))
    const commands = [...once.values()]
    let heard: HeardCommands = { startedAtMs: 0, nonces: new Map() }
    let atMs = 0
    const obeyed: string[] = []
    for (const [laterMs, which] of arrivals) {
      atMs += laterMs
      const command = commands[which % commands.length]
      assert.ok(command)
      const answer = hear(heard, command, atMs)
      heard = answer.heard
      if (answer.why === undefined) obeyed.push(command.nonce)
    }
    assert.equal(new Set(obeyed).size, obeyed.length)
  }))
})
