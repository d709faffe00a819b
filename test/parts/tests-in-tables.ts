import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'

const root = new URL('../../', import.meta.url)
const textOf = (path: string) => readFileSync(new URL(path, root), 'utf8')

/** A row of a Markdown table whose last cell is `file`: title of a test. */
export interface TestedRow { subject: string; file: string; title: string }

/** The rows of a document's tables. Throws when one names no test. `subject`: the first column, and its head in each table. */
export function testedRows(document: string, subject: string): TestedRow[] {
  const rows = textOf(document).split('\n').filter(line => line.startsWith('| ') && !line.startsWith(`| ${subject} |`))
  return rows.map(line => {
    const [, first, file, title] = /^\| ([^|]+) \|(?: [^|]+ \|)+ `(test\/[\w./-]+\.test\.ts)`: ([^|]+) \|$/.exec(line) ?? []
    assert.ok(first !== undefined && file !== undefined && title !== undefined, `a row whose last cell is not \`file\`: test: ${line}`)
    return { subject: first, file, title }
  })
}

/** Each test is in the file that is named, under this very title, and each subject stands once. */
export function assertTested(rows: readonly TestedRow[]): void {
  for (const { subject, file, title } of rows) {
    const titles = [...textOf(file).matchAll(/\btest\((['`])((?:\\.|(?!\1).)*)\1/g)].map(([, , written = '']) => written.replaceAll(/\\(.)/g, '$1'))
    assert.ok(titles.includes(title), `${subject}: ${file} has no test "${title}"`)
  }
  assert.equal(new Set(rows.map(({ subject }) => subject)).size, rows.length, 'each once')
}
