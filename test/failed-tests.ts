/**
 * A reporter of node:test: of each test that failed its file, its name and the begin of its error. What several processes have run is told in one list by these (run.mjs);
 * node's own list is at the end of what each of them says, and so in the middle of a log.
 */
import { relative } from 'node:path'
import type { TestEvent } from 'node:test/reporters'
import { inspect, stripVTControlCharacters } from 'node:util'

const mostLines = 30
/** Of these the first is told. */
const isPlace = (line: string): boolean => /^\s+at /.test(line)

export default async function* failedTests(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    if (event.type !== 'test:fail') continue
    const { name, file, line, todo, details: { error } } = event.data
    if (todo !== undefined && todo !== false) continue
    if ('failureType' in error && error.failureType === 'subtestsFailed') continue // they are told themselves
    const where = file === undefined ? '' : `${relative('', file)}${line === undefined ? '' : `:${line}`}: `
    const lines = stripVTControlCharacters(inspect(error.cause ?? error)).split('\n')
    const placeAt = lines.findIndex(isPlace)
    const said = lines.filter((text, index) => !isPlace(text) || index === placeAt).slice(0, mostLines)
    yield `✖ ${where}${name}\n${said.map(text => `    ${text}\n`).join('')}`
  }
}
