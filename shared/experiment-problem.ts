import { closest, distance } from 'fastest-levenshtein'
import type { z } from 'zod'
import { experimentJsonSchema, schemaAt, valueAt, type JsonSchema } from '#shared/experiment-schema.ts'
import type { Path } from '#shared/experiment-yaml.ts'

/** One thing to change in an experiment file. Lines and columns count from 1; `path` is as in `faults[0].duration`, empty for all of it. */
export interface Problem {
  file: string
  line: number
  column: number
  path: string
  expected: string
  found?: string
  didYouMean?: string
}

/** A problem before its place in the text is known: at the key that ends the path, or at the value. */
export interface PlainProblem { path: Path; at: 'key' | 'value'; says: Pick<Problem, 'expected' | 'found' | 'didYouMean'> }

/** `file:line:column path: expected ..., found ...; did you mean "..."?` */
export function renderProblem({ file, line, column, path, expected, found, didYouMean }: Problem): string {
  return `${file}:${line}:${column}${path && ` ${path}`}: expected ${expected}`
    + (found === undefined ? '' : `, found ${found}`)
    + (didYouMean === undefined ? '' : `; did you mean ${quoted(didYouMean)}?`)
}

/** Each as `gates[0].block: expected ..., found ...`: of a document that is in no file. */
export function printPlainProblems({ issues }: z.ZodError, document: unknown): string[] {
  return issues.flatMap(issue => problemsOf(issue, document)).map(({ path, says: { expected, found } }) => (
    `${path.length > 0 ? `${printPath(path)}: ` : ''}expected ${expected}${found === undefined ? '' : `, found ${found}`}`))
}

export function printPath(path: Path): string {
  return path.map((step, index) => {
    if (typeof step === 'number') return `[${step}]`
    if (!/^[A-Za-z_][-\w]*$/.test(step)) return `[${quoted(step)}]`
    return index === 0 ? step : `.${step}`
  }).join('')
}

/** Short enough for a line, and nothing in it that a terminal would obey. */
export function quoted(text: string): string {
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text
  return JSON.stringify(shown).replace(/[\p{C}]/gu, character => `\\u{${character.codePointAt(0)?.toString(16)}}`)
}

/** What an issue of the schema asks of the document that was parsed. `jsonSchema`: the same schema, for the words of suggestions. */
export function problemsOf(issue: z.core.$ZodIssue, document: unknown, jsonSchema: JsonSchema = experimentJsonSchema): PlainProblem[] {
  const path = issue.path.filter(step => typeof step !== 'symbol') // no document has one
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys(schemaAt(path, document, jsonSchema)?.properties ?? {})
    return issue.keys.map(key => ({
      path: [...path, key],
      at: 'key',
      says: { expected: known.length > 0 ? `one of the keys ${known.join(', ')}` : 'no such key', found: quoted(key), ...nearest(key, known) },
    }))
  }
  const value = valueAt(path, document)
  const isCustom = issue.code === 'custom'
  return [{
    path,
    at: issue.code === 'invalid_key' ? 'key' : 'value',
    says: { expected: unitless(issue, value, schemaAt(path, document, jsonSchema)) ?? expectedBy(issue), ...(isCustom && typeof value === 'object' ? {} : { found: describe(value) }), ...suggestion(issue, value, schemaAt(path, document, jsonSchema)) },
  }]
}

function expectedBy(issue: z.core.$ZodIssue): string {
  if (!isZodsOwnWording(issue.message)) return issue.message
  switch (issue.code) {
    case 'invalid_type': return typeNames[issue.expected] ?? issue.expected
    case 'invalid_value': return oneOf(issue.values.map(String))
    case 'too_small': return `${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}${unitOf(issue.origin, issue.minimum)}`
    case 'too_big': return `${issue.inclusive === false ? 'less than' : 'at most'} ${issue.maximum}${unitOf(issue.origin, issue.maximum)}`
    case 'invalid_format': return issue.format === 'url' ? 'a URL such as http://127.0.0.1:8000' : `text in the format ${issue.format}`
    case 'invalid_union': return expectedByUnion(issue)
    case 'invalid_key': return `as a key: ${issue.issues.map(expectedBy).join(', ')}`
    default: return issue.message
  }
}

/** The alternatives that the value's type would fit say what is wrong with it; if it fits none, all of them are what was expected. */
function expectedByUnion(issue: z.core.$ZodIssueInvalidUnion): string {
  if (issue.errors.length === 0) return oneOf(optionsOf(issue)) // a discriminator that no alternative has
  const fitting = issue.errors.filter(alternative => !alternative.some(({ code, path }) => path.length === 0 && code === 'invalid_type'))
  const alternatives = (fitting.some(([first]) => first?.code !== 'invalid_value') ? fitting : issue.errors)
    .map(alternative => alternative.map(expectedBy).join(' and '))
  return [...new Set(alternatives)].join(' or ')
}

function suggestion(issue: z.core.$ZodIssue, value: unknown, schema: JsonSchema | undefined): { didYouMean?: string } {
  if (typeof value === 'string') return nearest(value, optionsOf(issue))
  if (typeof value !== 'number') return {}
  if (takesDuration(value, schema)) return value < mostLikelySeconds ? { didYouMean: `${value}s` } : {}
  return issue.code === 'too_big' && Number(issue.maximum) === 1 && value > 1 && value <= 100 ? { didYouMean: String(Number((value / 100).toPrecision(12))) } : {} // 95 for 0.95
}

/** A number of at least so many may be milliseconds: 500 is no more likely 500s than 500ms. */
const mostLikelySeconds = 100

/** The usual slip: a duration without its unit. */
function unitless(issue: z.core.$ZodIssue, value: unknown, schema: JsonSchema | undefined): string | undefined {
  return issue.code === 'invalid_type' && typeof value === 'number' && takesDuration(value, schema) ? `a duration with its unit, such as ${value}ms or ${value}s` : undefined
}

const takesDuration = (value: number, schema: JsonSchema | undefined): boolean => schema?.pattern !== undefined && new RegExp(schema.pattern).test(`${value}s`)

/** The words that an issue would have accepted in place of a word. */
function optionsOf(issue: z.core.$ZodIssue): string[] {
  if (issue.code === 'invalid_value') return issue.values.map(String)
  if (issue.code !== 'invalid_union') return []
  return 'options' in issue && Array.isArray(issue.options) ? issue.options.map(String) : issue.errors.flat().flatMap(optionsOf)
}

function nearest(word: string, known: readonly string[]): { didYouMean?: string } {
  if (known.length === 0 || word.length > 64) return {}
  const candidate = known.find(key => key.toLowerCase() === word.toLowerCase()) ?? closest(word, known)
  const allowance = Math.max(1, Math.floor(Math.max(word.length, candidate.length) / 3))
  const meant = distance(word.toLowerCase(), candidate.toLowerCase()) <= allowance ? candidate : ofItsParts(word, known)
  return meant === undefined ? {} : { didYouMean: meant }
}

/** Words of several parts are written in another order, or with one too many: kill-pod for pod-kill, process-pause for pause. */
function ofItsParts(word: string, known: readonly string[]): string | undefined {
  const partsOf = (text: string) => text.toLowerCase().split('-').toSorted()
  const parts = partsOf(word)
  return known.find(key => partsOf(key).join() === parts.join()) ?? known.find(key => parts.includes(key.toLowerCase()))
}

function describe(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'a map'
  return typeof value === 'string' ? quoted(value) : JSON.stringify(value)
}

const isZodsOwnWording = (message: string) => /^(?:Invalid|Too (?:small|big)|Unrecognized)\b/.test(message)
const oneOf = (words: readonly string[]) => `${words.length === 1 ? '' : 'one of '}${words.map(quoted).join(', ')}`
function unitOf(origin: string, count: number | bigint): string {
  const unit = origin === 'string' ? ' character' : origin === 'array' ? ' item' : undefined
  return unit === undefined ? '' : `${unit}${count === 1 ? '' : 's'}`
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'text', number: 'a number', int: 'a whole number', boolean: 'true or false', object: 'a map', record: 'a map', array: 'a list', null: 'null',
}
