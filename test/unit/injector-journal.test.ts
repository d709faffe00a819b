import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { entryId, openJournal, type JournalEntry } from '../../services/injector/journal.ts'
import { undoEntry } from '../../services/injector/undo.ts'

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'journal-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}
const name = { run: 'r', fault: '1-pause' }
const entry: JournalEntry = { ...name, id: entryId(name), kind: 'pause', bootId: 'an earlier boot', targets: [{ id: 'process:5:6', pid: 5, startTicks: 6, description: 'x' }], undos: [{ undo: 'continue', processes: [{ pid: 1, startTicks: 0 }], leave: [] }] }

test('what was written is there for the next start, until it is removed', t => {
  const folder = folderOf(t)
  openJournal(folder).write(entry)
  openJournal(folder).remember({ highestEpoch: { bucketCreatedMs: 1, revision: 2 }, tombstones: ['r'] })
  const next = openJournal(folder)
  assert.deepEqual(next.load(), { entries: [entry], memory: { highestEpoch: { bucketCreatedMs: 1, revision: 2 }, tombstones: ['r'] }, corrupt: [], halfWritten: [] })
  next.remove(entry.id)
  assert.deepEqual(readdirSync(folder), ['memory'])
})

test('an entry cut short at any byte, or changed in one, is reported and stays', t => {
  const folder = folderOf(t)
  const journal = openJournal(folder)
  journal.write(entry)
  const path = join(folder, `${entry.id}.entry`)
  const whole = readFileSync(path)
  for (let length = 0; length < whole.length - 1; length += 7) {
    writeFileSync(path, whole)
    truncateSync(path, length)
    const { entries, corrupt } = journal.load()
    assert.deepEqual([entries.length, corrupt.map(({ file }) => file)], [0, [path]])
  }
  writeFileSync(path, whole.toString().replace('"pid":1', '"pid":2'))
  assert.equal(journal.load().corrupt.length, 1)
  assert.deepEqual(readdirSync(folder), [`${entry.id}.entry`])
})

test('a file that was being written when the machine stopped is reported and removed', t => {
  const folder = folderOf(t)
  writeFileSync(join(folder, 'x.entry.half-77'), 'abc')
  assert.deepEqual(openJournal(folder).load().halfWritten, ['x.entry.half-77'])
  assert.deepEqual(readdirSync(folder), [])
})

test('what a death in the middle of a removal has left is gone at the next start: a new fault of that name must not count as reverted', t => {
  const folder = folderOf(t)
  const journal = openJournal(folder)
  const other = { ...entry, id: entryId({ ...name, fault: '2-pause' }) }
  for (const { id } of [entry, other]) {
    journal.writeLease(id, { leaseEndsMs: 1, endsMs: null })
    journal.markReverted(id, { cause: 'duration', observation: { verified: true, readBack: [], atMs: 1 } })
  }
  journal.write(other)
  openJournal(folder).load()
  assert.deepEqual(readdirSync(folder).sort(), ['entry', 'lease', 'reverted'].map(part => `${other.id}.${part}`))
})

test('what cannot be put into its place leaves no half of it', t => {
  const folder = folderOf(t)
  mkdirSync(join(folder, 'memory'))
  assert.throws(() => openJournal(folder).remember({ highestEpoch: null, tombstones: [] }), /EISDIR|EEXIST/)
  assert.deepEqual(readdirSync(folder), ['memory'])
})

test('where there is room for a part only, the file of before stays whole', t => {
  const folder = folderOf(t)
  const journal = JSON.stringify(new URL('../../services/injector/journal.ts', import.meta.url).href)
  const program = `import { openJournal } from ${journal}
    const journal = openJournal(process.argv[1])
    const remember = count => journal.remember({ highestEpoch: null, tombstones: Array.from({ length: count }, (_, index) => 'r' + index) })
    remember(1)
    try { remember(2000) } catch (error) { process.exitCode = error.code === 'EFBIG' ? 7 : 1 }`
  // a limit on the size of files has a write stop in the middle, as a full disk has, and needs no disk; the runner's own account of coverage would be cut off as well
  const { status, stderr } = spawnSync('sh', ['-c', 'unset NODE_V8_COVERAGE; trap "" XFSZ; ulimit -f 8; exec "$0" --input-type=module --eval "$1" "$2"', process.execPath, program, folder], { encoding: 'utf8' })
  assert.equal(status, 7, stderr)
  const { memory, corrupt, halfWritten } = openJournal(folder).load()
  assert.deepEqual([memory.tombstones, corrupt, halfWritten], [['r0'], [], []])
})

test('who says first that a fault was reverted is believed', t => {
  const journal = openJournal(folderOf(t))
  journal.write(entry)
  assert.equal(journal.isHeld(entry.id), true)
  const observation = { verified: true, readBack: [], atMs: 1 }
  journal.markReverted(entry.id, { cause: 'lease', observation })
  journal.markReverted(entry.id, { cause: 'restart', observation })
  assert.equal(journal.isHeld(entry.id), false)
  assert.equal(journal.readReverted(entry.id)?.cause, 'lease')
})

test('after a reboot no process is touched: its PIDs mean others', async () => {
  assert.deepEqual((await undoEntry(entry)).readBack, ['the machine has been started again since'])
})
