/** What the test cluster reads from files that another process may be writing, or was killed while writing. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readAuditLog } from '../cluster/audit.ts'
import { archiveOf } from '../cluster/images.ts'
import { mountsBelow } from '../cluster/mounts.ts'
import { parseRecord } from '../cluster/record.ts'

test('a line of the record that was cut off by a kill stands for nothing made, and the lines before it count', () => {
  const whole = '{"made":"namespace","name":"flc-cp"}\n'
  assert.deepEqual(parseRecord(`${whole}{"made":"cgr`), [{ made: 'namespace', name: 'flc-cp' }])
  assert.deepEqual(parseRecord(''), [])
  assert.throws(() => parseRecord('{"made":"something else"}\n'))
})

test('an audit entry that is still being written is not read yet', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'faultline-audit-'))
  const file = join(folder.path, 'audit.log')
  const entry = { auditID: 'a', stage: 'ResponseComplete', verb: 'delete', user: { username: 'admin' }, requestReceivedTimestamp: '2026-01-01T00:00:00.000000Z' }
  writeFileSync(file, `${JSON.stringify(entry)}\n${JSON.stringify(entry).slice(0, 30)}`)
  assert.deepEqual(readAuditLog(file), [entry])
})

test('mounts below a folder are found with spaces in their names, the last mounted first, and a neighbour whose name begins alike is left alone', () => {
  const line = (path: string) => `36 35 98:0 / ${path} rw,noatime - ext3 /dev/root rw`
  assert.deepEqual(mountsBelow('/x/a', ['/x/a', '/x/a/with\\040space', '/x/ab', '/x'].map(line).join('\n')), ['/x/a/with space', '/x/a'])
})

test('two tags of one image have two archives', () => {
  assert.notEqual(archiveOf('localhost/shop:1'), archiveOf('localhost/shop:2'))
})
