import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mutatedSources } from '../parts/mutation.ts'
import { assertTested, testedRows } from '../parts/tests-in-tables.ts'
import { defences, threatRows, untried } from '../threats/defences.ts'
import { printTrials } from '../threats/report.ts'

test('every threat of THREATS.md names a test that is in the file which it names', () => {
  const rows = testedRows('THREATS.md', 'id')
  assert.ok(rows.length >= 30, `${rows.length} rows`)
  assertTested(rows)
  for (const { subject } of rows) assert.match(subject, /^[a-z0-9]+(?:-[a-z0-9]+)*$/, 'a row begins with its id')
})

test('every threat has a defence that can be taken out, which its own test sees, or says why not; and no defence is of a threat that is not there', () => {
  const rows = threatRows()
  for (const { id, defences: its } of rows) {
    assert.equal(its.length === 0, Object.hasOwn(untried, id), `${id}: ${its.length} defences (test/threats/defences.ts)`)
    assert.ok(its.length === 0 || its.some(({ test: other }) => other === undefined), `${id}: none that its own test is to see`)
  }
  const ids = rows.map(({ id }) => id)
  assert.deepEqual([...defences.map(({ row }) => row), ...Object.keys(untried)].filter(row => !ids.includes(row)), [])
})

test('each defence is there to be taken out, under a name of its own, and the test that sees it is, too', () => {
  for (const defence of defences) {
    for (const [url, source] of mutatedSources(defence)) assert.ok(source.length > 0, url)
    if (defence.test) assertTested([{ subject: defence.row, ...defence.test }])
  }
  const names = defences.map(({ row, name }) => `${row}: ${name}`)
  assert.deepEqual(names.filter((name, index) => names.indexOf(name) !== index), [])
})

test('a mutation whose text is not there exactly once is refused', () => {
  const change = (find: string) => ({ name: 'm', changes: [{ file: 'test/parts/mutation.ts', find, put: 'x' }] })
  assert.throws(() => mutatedSources(change('this is nowhere'.toUpperCase())), /the mutation "m" does not fit test\/parts\/mutation\.ts any more: its text is there 0 times/)
  assert.throws(() => mutatedSources(change('find')), /its text is there \d+ times/)
})

test('the table has a line for each defence, with what its test said, and says in bold what was not seen', () => {
  const trial = { row: 'csrf', defence: 'Origin', test: { file: 'test/unit/a.test.ts', title: 't' }, tookMs: 1_234 }
  assert.equal(printTrials([{ ...trial, is: 'seen', why: 'a | b\nc' }, { ...trial, row: 'other', is: 'unseen', why: '' }]), `\
| row of THREATS.md | without | removal | by | what its test says |
|---|---|---|---|---|
| csrf | Origin | seen | \`test/unit/a.test.ts\`, 1.2 s | a \\| b c |
| other | Origin | **not seen** | \`test/unit/a.test.ts\`, 1.2 s |  |

2 defences of 2 rows taken out: 1 seen, 1 not seen
`)
})
