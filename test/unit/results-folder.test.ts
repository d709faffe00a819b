import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { demandResultsFolder } from '../../services/cli/results-folder.ts'
import { temporaryFolder } from '../parts/child.ts'

test('a folder that is there, or can be made, is taken, and not made', () => {
  using folder = temporaryFolder('results-folder')
  mkdirSync(join(folder.path, 'there'))
  for (const name of ['there', 'new', 'new/below']) demandResultsFolder(join(folder.path, name))
  assert.deepEqual(readdirSync(folder.path), ['there'])
})

test('a file, and what would be below one, is refused, whoever asks', () => {
  using folder = temporaryFolder('results-folder')
  writeFileSync(join(folder.path, 'file'), '')
  for (const name of ['file', 'file/below']) {
    assert.throws(() => demandResultsFolder(join(folder.path, name)), { code: 'results_unwritable', exitCode: 3, message: /file is no folder; name a folder that can be written, and nothing was begun$/ })
  }
})

test('a folder in which none can be made is refused, root or not', () => {
  for (const path of ['/proc', '/proc/results', '/proc/results/below']) assert.throws(() => demandResultsFolder(path), { code: 'results_unwritable', exitCode: 3 }, path)
})
