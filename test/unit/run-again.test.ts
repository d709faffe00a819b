import assert from 'node:assert/strict'
import { test } from 'node:test'
import { filesToRunAgain, mostAgain } from '../run-again.mjs'

const failure = (file: string, name = 'it holds') => `✖ ${file}:12: ${name}\n    AssertionError [ERR_ASSERTION]: a sentence of a.test.ts\n        at TestContext.<anonymous> (file:///b.test.ts:3:1)\n`

test('a file of which a test has failed is run again once, however many of its tests have', () => {
  assert.deepEqual(filesToRunAgain(''), [])
  assert.deepEqual(filesToRunAgain(failure('test/integration/run.test.ts')), ['test/integration/run.test.ts'])
  assert.deepEqual(filesToRunAgain(failure('test/integration/run.test.ts') + failure('test/integration/run.test.ts', 'and so does this')), ['test/integration/run.test.ts'])
  assert.deepEqual(filesToRunAgain('✖ test/integration/run.test.ts: test/integration/run.test.ts\n    it ended with 1\n'), ['test/integration/run.test.ts'])
})

test('where many have failed none is run again, nor where it is not known which', () => {
  const failures = Array.from({ length: mostAgain + 1 }, (_, index) => failure(`test/cluster/faultline/${index}.test.ts`))
  assert.equal(filesToRunAgain(failures.slice(1).join('')).length, mostAgain)
  assert.deepEqual(filesToRunAgain(failures.join('')), [])
  assert.deepEqual(filesToRunAgain(failures.slice(1).join(''), mostAgain - 1), [])
  assert.deepEqual(filesToRunAgain(`${failure('test/integration/run.test.ts')}✖ a name without a place\n`), [])
})
