import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertTested, testedRows } from '../parts/tests-in-tables.ts'

test('every trap of docs/false-passes.md names a test that is in the file which it names', () => {
  const rows = testedRows('docs/false-passes.md', 'trap')
  assert.ok(rows.length >= 25, `${rows.length} rows`)
  assertTested(rows)
})

test('a row without a test, and one whose test is not there, are told', () => {
  assert.throws(() => testedRows('docs/gates.md', 'trap'), /a row whose last cell is not/)
  const row = { subject: 'a trap', file: 'test/unit/false-passes.test.ts', title: 'nobody has written this' }
  assert.throws(() => assertTested([row]), /a trap: test\/unit\/false-passes\.test\.ts has no test "nobody has written this"/)
  const [real] = testedRows('docs/false-passes.md', 'trap')
  assert.ok(real)
  assert.throws(() => assertTested([real, real]), /each once/)
})
