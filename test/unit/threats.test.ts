import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

const root = new URL('../../', import.meta.url)
const textOf = (path: string) => readFileSync(new URL(path, root), 'utf8')

interface Row { threat: string; file: string; name: string }

/** Each row of the tables: threat, defence, and `file`: name. */
function rowsOf(text: string): Row[] {
  const rows = text.split('\n').filter(line => line.startsWith('| ') && !line.startsWith('| threat |'))
  return rows.map(line => {
    const [, threat, file, name] = /^\| ([^|]+) \| [^|]+ \| `(test\/[\w./-]+\.test\.ts)`: ([^|]+) \|$/.exec(line) ?? []
    assert.ok(threat !== undefined && file !== undefined && name !== undefined, `a row that is not "threat | defence | \`file\`: test": ${line}`)
    return { threat, file, name }
  })
}

test('every threat of THREATS.md names a test that is in the file which it names', () => {
  const rows = rowsOf(textOf('THREATS.md'))
  assert.ok(rows.length >= 30, `${rows.length} rows`)
  for (const { threat, file, name } of rows) {
    const names = [...textOf(file).matchAll(/\btest\((['`])((?:\\.|(?!\1).)*)\1/g)].map(([, , written = '']) => written.replaceAll(/\\(.)/g, '$1'))
    assert.ok(names.includes(name), `${threat}: ${file} has no test "${name}"`)
  }
  assert.equal(new Set(rows.map(({ threat }) => threat)).size, rows.length, 'each threat once')
})
