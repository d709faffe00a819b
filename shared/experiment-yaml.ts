import { Composer, Lexer, LineCounter, Parser, isAlias, isScalar, isSeq, type CST, type Document, type Pair, type ParsedNode, type Scalar } from 'yaml'

export type Path = readonly (string | number)[]

/** Something in the file that no schema needs to see. `offset`: characters from the file's start. `found`: as the file has it. */
export interface Flaw { offset: number; path: Path; expected: string; found?: string }

/** Not `complete`: the text is not YAML, or was too much to read; its flaws are all that is known of it. */
export type PlainDocument = { complete: false; flaws: Flaw[] } | CompleteDocument

/** One document as plain JSON. A flawed value stands there as null, a flawed key is left out. */
export interface CompleteDocument {
  complete: true
  flaws: Flaw[]
  plain: unknown
  /** Where the value at a path begins; for a path that is not there, the nearest thing around it. */
  offsetOf: (path: Path) => number
  /** Where the key that a path ends with is written. */
  keyOffsetOf: (path: Path) => number
}

export interface YamlText {
  documents: PlainDocument[]
  positionOf: (offset: number) => { line: number; column: number }
}

/** A hostile file costs no more than this: deeper calls, copies of copies, and lists without end are refused, not read. */
// tokens: some of the work of the YAML library grows with the square of a list's length
const limits = { depth: 50, tokens: 50_000, nodes: 10_000, aliases: 100, documents: 100, flaws: 100 }

/** As prototypes and their properties, these mean something to JavaScript whatever the file means by them. */
const dangerousKeys: readonly string[] = ['__proto__', 'constructor', 'prototype']

/** Pure: text to plain documents. Never throws, whatever the text. Documents without content are left out. */
export function readYaml(text: string): YamlText {
  const lines = new LineCounter()
  lines.addNewLine(0)
  const positionOf = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
  const syntax = tokensOf(text, lines)
  if ('flaw' in syntax) return { documents: [unreadable([syntax.flaw])], positionOf }

  const documents: PlainDocument[] = []
  // uniqueKeys is off because it compares each key with all others; `plainDocument` looks each up once
  const composer = new Composer({ version: '1.2', schema: 'core', merge: false, uniqueKeys: false, resolveKnownTags: false, strict: true, logLevel: 'silent' })
  for (const document of composer.compose(syntax.tokens, false, text.length)) {
    if (documents.length === limits.documents) {
      documents.push(unreadable([{ offset: document.range[0], path: [], expected: `at most ${limits.documents} documents in a file` }]))
      break
    }
    if (!isEmpty(document)) documents.push(plainDocument(document))
  }
  return { documents, positionOf }
}

/** The parser keeps its nesting in a list of its own; the composer after it calls itself, so deep files must not reach it. */
function tokensOf(text: string, lines: LineCounter): { tokens: CST.Token[] } | { flaw: Flaw } {
  const parser = new Parser(lines.addNewLine)
  const tokens: CST.Token[] = []
  const tooMuch = (expected: string) => ({ flaw: { offset: parser.offset, path: [], expected } })
  let count = 0
  for (const lexeme of new Lexer().lex(text)) {
    tokens.push(...parser.next(lexeme))
    count += 1
    if (count > limits.tokens) return tooMuch(`at most ${limits.tokens} YAML tokens`)
    if (parser.stack.length > limits.depth + 2) return tooMuch(`at most ${limits.depth} levels of nesting`) // the document and a scalar stand there too
  }
  tokens.push(...parser.end())
  return { tokens }
}

function isEmpty(document: Document.Parsed): boolean {
  if (document.errors.length > 0 || document.warnings.length > 0) return false
  const { contents } = document
  return contents === null || (isScalar(contents) && contents.value === null && contents.source === '' && !contents.tag && !contents.anchor)
}

const unreadable = (flaws: Flaw[]): PlainDocument => ({ complete: false, flaws })

function plainDocument(document: Document.Parsed): PlainDocument {
  const troubles = [...document.errors, ...document.warnings].slice(0, limits.flaws)
  if (troubles.length > 0) {
    return unreadable(troubles.map(trouble => ({ offset: trouble.pos[0], path: [], expected: expectedInstead(trouble) })))
  }
  const { version, explicit } = document.directives.yaml
  if (explicit && version !== '1.2') {
    return unreadable([{ offset: document.range[0], path: [], expected: 'YAML 1.2', found: `%YAML ${version}` }])
  }

  const flaws: Flaw[] = []
  const valueOffsets = new Map<string, number>()
  const keyOffsets = new Map<string, number>()
  const anchored = new Map<string, ParsedNode>()
  const around = new Set<ParsedNode>()
  let nodeCount = 0
  let aliasCount = 0
  let stopped = false

  const flaw = (offset: number, path: Path, expected: string, found?: string): null => {
    if (!stopped) flaws.push({ offset, path, expected, ...(found !== undefined && { found }) })
    if (flaws.length >= limits.flaws) stopped = true
    return null
  }
  const stop = (offset: number, path: Path, expected: string): null => {
    flaw(offset, path, expected)
    stopped = true
    return null
  }

  function visit(node: ParsedNode | null, path: Path, fallbackOffset: number): unknown {
    const offset = node ? node.range[0] : fallbackOffset
    valueOffsets.set(pathKey(path), offset)
    if (stopped || node === null) return null
    nodeCount += 1
    if (nodeCount > limits.nodes) return stop(offset, path, `at most ${limits.nodes} values, aliases counted as what they stand for`)
    if (isAlias(node)) {
      aliasCount += 1
      if (aliasCount > limits.aliases) return stop(offset, path, `at most ${limits.aliases} aliases`)
      const target = anchored.get(node.source)
      if (!target) return flaw(offset, path, 'an alias of an anchor that stands before it', `*${node.source}`)
      if (around.has(target)) return flaw(offset, path, 'an alias that is not within its own anchor', `*${node.source}`)
      if (path.length > limits.depth) return flaw(offset, path, `at most ${limits.depth} levels of nesting`)
      return visit(target, path, offset)
    }
    if ('anchor' in node && node.anchor) anchored.set(node.anchor, node)
    if (isScalar(node)) return scalar(node, path, offset)
    around.add(node)
    const plain = isSeq(node) ? node.items.map((item, index) => visit(item, [...path, index], offset)) : map(node.items, path)
    around.delete(node)
    return plain
  }

  function map(pairs: Pair<ParsedNode, ParsedNode | null>[], path: Path): Record<string, unknown> {
    const entries = new Map<string, unknown>()
    for (const { key, value } of pairs) {
      const offset = key.range[0]
      const name = isScalar(key) ? key.value : undefined
      if (typeof name !== 'string') {
        const source = isScalar(key) ? key.source : '?'
        flaw(offset, [...path, source], 'text as a key', source)
        continue
      }
      const here = [...path, name]
      if (entries.has(name)) flaw(offset, here, 'each key once; this one stands above already')
      else if (dangerousKeys.includes(name)) flaw(offset, here, 'another key; this one is refused everywhere', name)
      else if (name === '<<') flaw(offset, here, 'keys written out; merge keys are not part of YAML 1.2', name)
      else if (!isClean(name)) flaw(offset, here, 'a key without control characters', name)
      else {
        keyOffsets.set(pathKey(here), offset)
        entries.set(name, visit(value, here, offset))
      }
      if (stopped) break
    }
    return Object.fromEntries(entries)
  }

  function scalar({ value, source }: Scalar.Parsed, path: Path, offset: number): unknown {
    switch (typeof value) {
      case 'boolean': return value
      case 'number': return Number.isFinite(value) ? value + 0 : flaw(offset, path, 'a finite number', source) // + 0: JSON has no -0
      case 'string': return isClean(value) ? value : flaw(offset, path, 'text without control characters', value)
      default: return value === null ? null : flaw(offset, path, 'text, a number, true, false or null', source)
    }
  }

  const plain = visit(document.contents, [], document.range[0])
  if (stopped) return unreadable(flaws)
  const nearest = (offsets: Map<string, number>, path: Path): number => {
    let offset = document.range[0]
    for (let length = 0; length <= path.length; length += 1) offset = offsets.get(pathKey(path.slice(0, length))) ?? offset
    return offset
  }
  return { complete: true, flaws, plain, offsetOf: path => nearest(valueOffsets, path), keyOffsetOf: path => nearest(keyOffsets, path) }
}

const pathKey = (path: Path) => JSON.stringify(path)

/** A NUL ends an argument, an unpaired surrogate has no UTF-8, and the other control characters move a terminal's cursor. */
const isClean = (text: string) => text.isWellFormed() && !/[^\P{Cc}\n\t]/u.test(text)

function expectedInstead({ code, message }: { code: string; message: string }): string {
  const reason = message.replace(/\n[^]*$/, '').slice(0, 200).replace(/\p{C}/gu, '?')
  return `${code === 'TAG_RESOLVE_FAILED' ? 'a value without a tag' : 'YAML'}; ${reason}`
}
