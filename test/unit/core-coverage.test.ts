import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coverageOf, isEnough, printCoverage } from '../core-coverage.ts'

/** As node's lcov reporter writes a file: functions as [line, calls], branches as [line, times taken]. */
const record = (file: string, functions: [number, number][], branches: [number, number][]) => [
  'TN:', `SF:${file}`,
  ...functions.map(([line], index) => `FN:${line},anonymous_${index}`), ...functions.map(([, calls], index) => `FNDA:${calls},anonymous_${index}`), `FNF:${functions.length}`,
  ...branches.map(([line, count], index) => `BRDA:${line},${index},0,${count}`), `BRF:${branches.length}`,
  'DA:1,0', 'LH:0', 'LF:1', 'end_of_record', '',
].join('\n')
const taken = (count: number): [number, number][] => Array.from({ length: count }, (_, line) => [line + 1, 1])

test('a file has enough from 95 % of its branches on, and not with one less', () => {
  const lcov = record('a.ts', [[1, 1]], [...taken(19), [77, 0]]) + record('b.ts', [[1, 1]], [...taken(18), [77, 0], [12, 0]])
  const [a, b] = coverageOf(['a.ts', 'b.ts'], lcov)
  assert.ok(a && b)
  assert.deepEqual([a.taken, a.found, isEnough(a)], [19, 20, true])
  assert.deepEqual([b.taken, b.found, b.missedLines, isEnough(b)], [18, 20, [12, 77], false])
})

test('a function that is never called counts as a branch that is never taken: what is in it does not show otherwise', () => {
  const [core] = coverageOf(['a.ts'], record('a.ts', [[3, 1], [9, 0]], [[1, 1]]))
  assert.deepEqual(core, { file: 'a.ts', taken: 1, found: 2, missedLines: [9] })
})

test('a file that no test has loaded never has enough', () => {
  const [core] = coverageOf(['gone.ts'], record('a.ts', [], taken(1)))
  assert.ok(core)
  assert.equal(isEnough(core), false)
  assert.match(printCoverage([core]), /gone\.ts never loaded {2}NOT ENOUGH$/)
})

test('the table has a line for each file, and the lines in its code only of one that has not enough', () => {
  const lcov = record('a.ts', [], [...taken(99), [500, 0]]) + record('services/b.ts', [], [...taken(3), [40, 0]])
  assert.equal(printCoverage(coverageOf(['a.ts', 'services/b.ts'], lcov)), `Branches of the pure cores, at least 95 % of each
  a.ts           99/100  99.0 %
  services/b.ts     3/4  75.0 %  NOT ENOUGH: not taken in line 40`)
})
