import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertTested, testedRows } from '../parts/tests-in-tables.ts'

test('every threat of THREATS.md names a test that is in the file which it names', () => {
  const rows = testedRows('THREATS.md', 'threat')
  assert.ok(rows.length >= 30, `${rows.length} rows`)
  assertTested(rows)
})
