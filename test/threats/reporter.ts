/**
 * A reporter of node:test, in the process of a test itself, since only there an error is whole: a line for each test that has come to its end. What else
 * is written to the same stream does not begin with the mark.
 */
import type { TestEvent } from 'node:test/reporters'

/** Of one test, what becomes an outcome (named-test.ts). */
export interface Told { name: string; is: 'passed' | 'failed' | 'broke' | 'skipped'; why: string }

export const mark = 'outcome of a test: '
/** Of an error that is no assertion of the test's own; the first lines say what it is. */
const mostCharacters = 1_000

export default async function* outcomes(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue
    if (event.data.nesting === 0) yield `\n${mark}${ascii(JSON.stringify(toldOf(event)))}\n`
  }
}

/** The same JSON, without anything in which somebody may see the end of a line (U+2028). */
const ascii = (json: string): string => json.replaceAll(/[^\x20-\x7e]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)

function toldOf({ type, data }: Extract<TestEvent, { type: 'test:pass' | 'test:fail' }>): Told {
  const { name, skip } = data
  if (skip !== undefined && skip !== false) return { name, is: 'skipped', why: skip === true ? 'it is skipped' : skip }
  if (type === 'test:pass') return { name, is: 'passed', why: '' }
  const { error } = data.details
  const assertion = isOfTheTest(error) ? assertionIn(error) : undefined
  return { name, is: assertion ? 'failed' : 'broke', why: (assertion ?? causeOf(error)).message.slice(0, mostCharacters) }
}

/** Not of a hook, which only prepares, and not of its time limit. */
const isOfTheTest = (error: object): boolean => 'failureType' in error && ['testCodeFailure', 'uncaughtException', 'unhandledRejection'].includes(String(error.failureType))

/** A property test has its assertion as its cause; disposing of parts after a failure may hide it in one of its own. */
function assertionIn(error: unknown): Error | undefined {
  if (!(error instanceof Error)) return undefined
  if ('code' in error && error.code === 'ERR_ASSERTION') return error
  const within: unknown[] = [error.cause, ...error instanceof SuppressedError ? [error.error, error.suppressed] : []]
  return within.map(assertionIn).find(found => found !== undefined)
}

const causeOf = (error: Error): Error => error.cause instanceof Error ? error.cause : error
