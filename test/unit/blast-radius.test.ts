import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { blastRadius, overCap, takes, usualBlastRadius } from '#shared/blast-radius.ts'
import { pickJoining, pickTargets } from '../../services/injector/process-targets.ts'

test('a share is rounded down, and is one at least; a number, one and all are what they say', () => {
  assert.deepEqual([takes('50%', 5), takes('50%', 1), takes('1%', 10), takes('100%', 7)], [2, 1, 1, 7])
  assert.deepEqual([takes('one', 5), takes('all', 5), takes(3, 5)], [1, 5, 3])
})

test('a share never takes more than it says, unless that would be nobody', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 500 }), (percent, matching) => {
    const taken = takes(`${percent}%`, matching)
    assert.ok(taken === 1 || taken * 100 <= percent * matching)
    assert.ok(taken >= 1 && taken <= matching)
  }))
})

test('ten targets are the usual cap, whatever their share', () => {
  assert.equal(overCap(usualBlastRadius, 10, 10), undefined)
  assert.match(overCap(usualBlastRadius, 11, 100) ?? '', /would hit 11 targets, and blastRadius.maxTargets is 10/)
})

test('a share that is capped is refused above the cap, and a lone target is the whole of what matches', () => {
  const half = blastRadius.parse({ maxShare: '50%' })
  assert.equal(overCap(half, 2, 4), undefined)
  assert.match(overCap(half, 3, 4) ?? '', /3 of 4 targets that match, and blastRadius.maxShare is 50%/)
  assert.match(overCap(half, 1, 1) ?? '', /1 of 1/)
})

test('whoever picks targets refuses what is over the cap, and picks the same share again in the same run', () => {
  const found = Array.from({ length: 8 }, (_, index) => ({ id: `pod:${index}` }))
  assert.throws(() => pickTargets(found, 'all', 'r', blastRadius.parse({ maxTargets: 7 })), /would hit 8/)
  const quarter = pickTargets(found, '25%', 'r')
  assert.equal(quarter.length, 2)
  assert.deepEqual(pickTargets(found.toReversed(), '25%', 'r'), quarter)
})

test('as many join as are missing from what is asked for of those that match now, and none above the cap', () => {
  const found = ['a', 'b', 'c', 'd'].map(id => ({ id }))
  const join = (held: string[], ...[pick, radius]: [Parameters<typeof pickJoining>[2], Parameters<typeof pickJoining>[4]?]) => pickJoining(found, { held, isFree: () => true }, pick, 'r', radius).map(({ id }) => id)
  assert.deepEqual([join(['a', 'b', 'c'], 'all'), join(['a', 'b', 'c', 'd'], 'all')], [['d'], []])
  assert.deepEqual([join(['a'], 'one'), join(['gone'], 'one').length], [[], 1])
  assert.deepEqual([join(['a'], '50%').length, join(['a', 'b'], '50%'), join(['a', 'b'], '25%')], [1, [], []])
  assert.equal(join(['a'], 9).length, 3)
  assert.deepEqual(join(['gone'], 'one'), pickJoining(found.toReversed(), { held: ['gone'], isFree: () => true }, 'one', 'r').map(({ id }) => id), 'the same run, the same choice')
  assert.throws(() => join(['a', 'b', 'c'], 'all', blastRadius.parse({ maxTargets: 3 })), /would hit 4 targets/)
  assert.deepEqual(join(['a', 'b', 'c', 'd'], 'all', blastRadius.parse({ maxTargets: 3 })), [], 'nobody is to join')
  assert.deepEqual(pickJoining([], { held: ['gone'], isFree: () => true }, 'all', 'r'), [])
  assert.deepEqual(pickJoining(found, { held: ['gone'], isFree: ({ id }) => id === 'c' }, 3, 'r'), [{ id: 'c' }], 'who was spared stays spared')
})
