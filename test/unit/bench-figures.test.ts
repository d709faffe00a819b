import assert from 'node:assert/strict'
import { test } from 'node:test'
import { median, p99, printMs, quantile } from '../bench/figures.ts'

/** 1 to `count`, the greatest first. */
const upTo = (count: number) => Array.from({ length: count }, (_, index) => count - index)

test('the median of an odd number of values is the middle one, of an even number halfway between the two in the middle, in whatever order they come', () => {
  assert.equal(median([9, 1, 5]), 5)
  assert.equal(median([9, 1, 5, 7]), 6)
})

test('p99 of thirty values is the greatest, of a thousand one of the ten greatest', () => {
  assert.equal(p99(upTo(30)), 30)
  const [least, most] = [990, 1_000]
  const found = p99(upTo(1_000))
  assert.ok(found > least && found < most, `${found}`)
})

test('one value is all of its quantiles, and no values have none', () => {
  assert.equal(p99([7]), 7)
  assert.equal(median([7]), 7)
  assert.throws(() => quantile([], 0.5), /no values/)
})

test('figures are printed in milliseconds up to a second', () => {
  assert.deepEqual([printMs(86.6), printMs(999.4), printMs(2_434)], ['87 ms', '999 ms', '2.43 s'])
})
