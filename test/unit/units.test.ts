import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { bitRate, byteSize, dnsLabel, duration, durationMs, printDuration, ratio } from '#shared/units.ts'

test('every whole number of milliseconds up to a day is printed so that it is read back as itself', () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 86_400_000 }), ms => {
    assert.equal(durationMs(printDuration(ms)), ms)
    assert.equal(duration().parse(printDuration(ms)), ms)
  }))
})

test('a duration without a unit, negative, unending or with a foreign unit is refused', () => {
  for (const text of ['30', '-1s', '1e3s', '1d', 's', '', ' 1s', '1s ', '1 s', 'Infinitys']) assert.equal(duration().safeParse(text).success, false, text)
  assert.equal(duration().safeParse(30).success, false)
})

test('a duration outside its limits is refused with both limits in the message', () => {
  const result = duration({ minMs: 1_000, maxMs: 60_000 }).safeParse('2m')
  assert.match(result.error?.issues[0]?.message ?? '', /between 1s and 1m/)
})

test('a ratio is a percentage or a fraction of one, and never more than all', () => {
  assert.equal(ratio().parse('1%'), 0.01)
  assert.equal(ratio().parse('99.9%'), 0.999)
  assert.equal(ratio().parse(0.05), 0.05)
  for (const wrong of ['101%', '1.5', '%', '-1%', 1.5, -0.1, Number.NaN, Number.POSITIVE_INFINITY]) assert.equal(ratio().safeParse(wrong).success, false, String(wrong))
})

test('a name that could leave its folder or its subject is refused', () => {
  for (const name of ['..', '../x', 'a/b', 'a.b', 'A', '-a', 'a-', '', 'a b', 'a*', 'a>', 'x'.repeat(64)]) assert.equal(dnsLabel().safeParse(name).success, false, name)
  assert.equal(dnsLabel().parse('database-pause'), 'database-pause')
})

test('a rate has a unit and becomes bits per second, a size has one and becomes bytes; both have limits', () => {
  assert.deepEqual(['8kbit', '1.5mbit', '100gbit', '8000bit'].map(text => bitRate().parse(text)), [8_000, 1_500_000, 100e9, 8_000])
  for (const wrong of ['10', '10mb', '-1mbit', '7kbit', '101gbit', 'mbit']) assert.equal(bitRate().safeParse(wrong).success, false, wrong)
  assert.deepEqual(['1024Ki', '64Mi', '2Gi'].map(text => byteSize().parse(text)), [2 ** 20, 2 ** 26, 2 ** 31])
  for (const wrong of ['64', '64M', '1023Ki', '1.5Gi', '1025Gi']) assert.equal(byteSize().safeParse(wrong).success, false, wrong)
})
