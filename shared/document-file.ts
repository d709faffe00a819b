import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import type { z } from 'zod'
import { messageOf } from '#shared/errors.ts'
import type { JsonSchema } from '#shared/experiment-schema.ts'
import { printPath, problemsOf, quoted, type PlainProblem, type Problem } from '#shared/experiment-problem.ts'
import { readYaml, type CompleteDocument, type Path } from '#shared/experiment-yaml.ts'

/** What a document of a file must be. */
export interface DocumentFormat<T> {
  /** `an experiment` */
  article: string
  /** `experiment` */
  noun: string
  schema: z.ZodType<T>
  jsonSchema: JsonSchema
  /** Puts into a document what it names in other files, or says what is wrong there; it is checked, and sent, as it is then. */
  complete?(plain: unknown): { plain: unknown; problems: Problem[] }
  nameOf(parsed: T): string
}

/** `document`: as written, plain JSON, completed. */
export interface ReadDocument<T> { document: unknown; parsed: T }

/** Either documents or problems, never both. */
export interface ReadDocuments<T> { documents: ReadDocument<T>[]; problems: Problem[] }

/** Fifty faults and a hundred gates take a quarter of it; more would only buy a hostile file time. */
export const maxFileBytes = 128 * 1024

/** The text of a file, or why it cannot be read as one. Nothing is thrown. */
export async function readTextFile(path: string, article: string): Promise<{ text: string } | { problem: Problem }> {
  const refused = (expected: string, found: string) => ({ problem: { file: path, line: 1, column: 1, path: '', expected, found } })
  try {
    // not blocking: opening a named pipe would wait for a writer for ever
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const stat = await file.stat()
    if (!stat.isFile()) return refused('a file', stat.isDirectory() ? 'a directory' : 'a device, pipe or socket')
    const bytes = await readAtMost(file, maxFileBytes + 1)
    if (bytes.length > maxFileBytes) return refused(`${article} file of at most ${maxFileBytes / 1024} KiB`, `${Math.ceil(Math.max(stat.size, bytes.length) / 1024)} KiB`)
    const text = textOf(bytes)
    return text === undefined ? refused('a text file in UTF-8', 'binary content') : { text }
  } catch (error) {
    return refused('a file that can be read', inWords(error))
  }
}

/** The two that a person meets, without the name of a system call. */
function inWords(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ENOENT') return 'no such file'
  return code === 'EACCES' ? 'no permission to read it' : messageOf(error)
}

/** The size that a file system states may be wrong (0 in /proc) or change while reading, so the bytes are counted as they come. */
async function readAtMost(file: FileHandle, limit: number): Promise<Buffer> {
  const buffer = Buffer.alloc(limit)
  let filled = 0
  while (filled < limit) {
    const { bytesRead } = await file.read(buffer, filled, limit - filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return buffer.subarray(0, filled)
}

function textOf(bytes: Uint8Array): string | undefined {
  if (bytes.includes(0)) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** Pure: one document or several to what they say, or to every problem at once, in the order of the text. Never throws. */
export function parseDocuments<T>(text: string, fileName: string, format: DocumentFormat<T>): ReadDocuments<T> {
  const { documents, positionOf } = readYaml(text)
  const place = (offset: number, path: Path) => ({ file: fileName, ...positionOf(offset), path: printPath(path) })
  if (documents.length === 0) return { documents: [], problems: [{ ...place(0, []), expected: format.article, found: 'no document in it' }] }

  const read: ReadDocument<T>[] = []
  const problems: Problem[] = []
  const names = new Set<string>()
  for (const document of documents) {
    problems.push(...document.flaws.map(({ offset, path, expected, found }) => (
      { ...place(offset, path), expected, ...(found !== undefined && { found: quoted(found) }) })))
    if (!document.complete) continue
    const { plain, problems: elsewhere } = format.complete?.(document.plain) ?? { plain: document.plain, problems: [] }
    if (elsewhere.length > 0) {
      problems.push(...elsewhere)
      continue
    }
    const parsed = format.schema.safeParse(plain)
    if (!parsed.success) {
      problems.push(...newProblems({ ...document, plain }, parsed.error.issues, format.jsonSchema).map(({ path, at, says }) => ({
        ...place(at === 'key' ? document.keyOffsetOf(path) : document.offsetOf(path), path), ...says,
      })))
      continue
    }
    const name = format.nameOf(parsed.data)
    const namePath = ['metadata', 'name']
    if (names.has(name)) problems.push({ ...place(document.offsetOf(namePath), namePath), expected: `another name for each ${format.noun} in a file`, found: quoted(name) })
    names.add(name)
    read.push({ document: plain, parsed: parsed.data })
  }
  if (problems.length === 0) return { documents: read, problems }
  return { documents: [], problems: problems.toSorted((a, b) => a.line - b.line || a.column - b.column) }
}

/** What the schema finds beyond the flaws, which are told already, and with their cause. */
function newProblems(document: CompleteDocument, issues: readonly z.core.$ZodIssue[], jsonSchema: JsonSchema): PlainProblem[] {
  return ofItsKind(issues.flatMap(issue => problemsOf(issue, document.plain, jsonSchema)))
    .filter(({ path }) => !document.flaws.some(flaw => beginsWith(path, flaw.path) || beginsWith(flaw.path, path)))
}

/** A document of another kind, or of another tool, is told as that, and not by every key that it lacks. */
function ofItsKind(problems: readonly PlainProblem[]): readonly PlainProblem[] {
  const other = problems.filter(({ path: [first, ...rest], says }) => rest.length === 0 && (first === 'apiVersion' || first === 'kind') && says.found !== 'nothing')
  return other.some(({ says }) => says.didYouMean === undefined) ? other : problems
}

const beginsWith = (path: Path, beginning: Path) => beginning.every((step, index) => path[index] === step)
