import { readdirSync, readFileSync } from 'node:fs'
import { parse } from 'yaml'

export interface CorpusFile { name: string; bytes: Uint8Array }
type Path = readonly (string | number)[]

const folder = new URL('./', import.meta.url)

/** The experiment that the file format was agreed on; every mutation is one change to it. */
export const soundText = readFileSync(new URL('valid/issue.yaml', folder), 'utf8')

/** More than 200 files, the same ones each time, none of which is an experiment: written by hand, one change to a sound one, and sheer size. */
export function adversarialFiles(maxBytes: number): CorpusFile[] {
  return [...handWritten(), ...mutations(), ...floods(maxBytes)]
}

function handWritten(): CorpusFile[] {
  const invalid = new URL('invalid/', folder)
  return readdirSync(invalid).sort().map(name => ({ name, bytes: readFileSync(new URL(name, invalid)) }))
}

/** In no place of the sound experiment is one of these allowed. */
const hostileValues = {
  infinite: '.inf', tag: '!!js/function x', alias: '*nowhere', nul: '"\\0"', proto: '{__proto__: 1}', null: '~', deep: `${'['.repeat(60)}${']'.repeat(60)}`,
}

function mutations(): CorpusFile[] {
  const sound: unknown = parse(soundText)
  const files: { name: string; text: string }[] = []
  for (const path of leavesOf(sound)) {
    for (const [name, raw] of Object.entries(hostileValues)) files.push({ name: `${path.join('.')}-${name}`, text: written(sound, path, () => raw) })
  }
  for (const path of keysOf(sound)) {
    const key = String(path.at(-1))
    files.push({ name: `${path.join('.')}-misspelt`, text: written(sound, path, value => value, `${key}x`) })
    files.push({ name: `${path.join('.')}-twice`, text: written(sound, path, value => `${value}, ${key}: ${value}`) })
  }
  const whole = JSON.stringify(sound)
  for (let part = 1; part < 10; part += 1) files.push({ name: `cut-${part}`, text: whole.slice(0, Math.floor(whole.length * part / 10)) })
  return files.map(({ name, text }) => ({ name: `${name}.yaml`, bytes: Buffer.from(text) }))
}

/** Each as large as is still read whole, and one that is not. Some made a YAML library or a recursive reader fall over. */
function floods(maxBytes: number): CorpusFile[] {
  const full = (unit: string, start = '', end = '') => start + unit.repeat(Math.floor((maxBytes - start.length - end.length) / unit.length)) + end
  const texts: Record<string, string> = {
    brackets: full('['), braces: full('{'), maps: full('{a: '), dashes: full('- '), questions: full('? '), colons: full(': '), compact: full('a: '),
    commas: full(',', '['), comments: full('#\n'), 'comments-in-list': full('#\n', '['), words: full('x '), lines: full('x\n'), 'lines-in-list': full('x\n', '['),
    backslashes: full('\\', '"'), tags: full('!a '), anchors: full('&a '), aliases: full('*a,', '[', ']'), directives: full('%a\n'), documents: full('---\n'),
    experiments: full('a\n---\n'), closing: full('}\n'), literal: full(' x\n', 'a: |\n'), keys: numbered(index => `key${index}: 1\n`),
    'keys-in-map': numbered(index => `key${index}: 1,`, '{', '}'), 'key-again': full('? a\n,', '{', '}'), 'anchors-apart': numbered(index => `&a${index} x,`, '[', ']'),
    'too-large': full('#\n') + '#\n#\n',
  }
  return Object.entries(texts).map(([name, text]) => ({ name: `flood-${name}.yaml`, bytes: Buffer.from(text) }))
}

const numbered = (print: (index: number) => string, start = '', end = '') => start + Array.from({ length: 6_000 }, (_, index) => print(index)).join('') + end

/** The document as flow YAML, with the value at `path` written by `write` and its key renamed. */
function written(document: unknown, path: Path, write: (value: string) => string, rename?: string): string {
  const visit = (value: unknown, rest: Path): string => {
    const [step, ...below] = rest
    if (step === undefined) return write(JSON.stringify(value))
    if (Array.isArray(value)) return `[${value.map((item, index) => index === step ? visit(item, below) : JSON.stringify(item)).join(', ')}]`
    return `{${entriesOf(value).map(([key, item]) => {
      if (key !== step) return `${key}: ${JSON.stringify(item)}`
      return `${below.length === 0 && rename ? rename : key}: ${visit(item, below)}`
    }).join(', ')}}`
  }
  return visit(document, path)
}

const entriesOf = (value: unknown): [string | number, unknown][] => {
  if (Array.isArray(value)) return value.map((item, index) => [index, item])
  return typeof value === 'object' && value !== null ? Object.entries(value) : []
}

function pathsOf(value: unknown, path: Path = []): { path: Path; value: unknown }[] {
  return entriesOf(value).flatMap(([step, item]) => [{ path: [...path, step], value: item }, ...pathsOf(item, [...path, step])])
}

const leavesOf = (document: unknown) => pathsOf(document).filter(({ value }) => typeof value !== 'object').map(({ path }) => path)
const keysOf = (document: unknown) => pathsOf(document).filter(({ path }) => typeof path.at(-1) === 'string').map(({ path }) => path)
