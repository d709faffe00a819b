import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inColumns } from '../../services/cli/columns.ts'

test('each column is as wide as its widest cell, whichever row that is in; rows may be short, and nothing trails', () => {
  assert.deepEqual(inColumns([['gate', 'seen', 'why'], ['p95', 'not yet', ''], ['availability', '7']]), [
    'gate          seen     why',
    'p95           not yet',
    'availability  7',
  ])
  assert.deepEqual(inColumns([]), [])
})
