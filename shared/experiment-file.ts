import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import type { z } from 'zod'
import { messageOf } from '#shared/errors.ts'
import { printPath, problemsOf, quoted, type PlainProblem, type Problem } from '#shared/experiment-problem.ts'
import { readYaml, type CompleteDocument, type Path } from '#shared/experiment-yaml.ts'
import { experimentSchema, type Experiment } from '#shared/experiment.ts'

export { renderProblem, type Problem } from '#shared/experiment-problem.ts'

/** `document`: as written, plain JSON; it is what is sent, and parsing it again gives the same experiment. */
export interface WrittenExperiment { document: unknown; experiment: Experiment }

/** Either experiments or problems, never both: a file with one bad document starts nothing. */
export interface ReadResult { experiments: WrittenExperiment[]; problems: Problem[] }

/** Fifty faults and a hundred gates take a quarter of it; more would only buy a hostile file time. */
export const maxFileBytes = 128 * 1024

/** Reads one file. A file that cannot be read is a problem in the result; nothing is thrown. */
export async function readExperimentFile(path: string): Promise<ReadResult> {
  const refused = (expected: string, found: string): ReadResult => ({ experiments: [], problems: [{ file: path, line: 1, column: 1, path: '', expected, found }] })
  try {
    // not blocking: opening a named pipe would wait for a writer for ever
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const stat = await file.stat()
    if (!stat.isFile()) return refused('a file', stat.isDirectory() ? 'a directory' : 'a device, pipe or socket')
    const bytes = await readAtMost(file, maxFileBytes + 1)
    if (bytes.length > maxFileBytes) return refused(`an experiment file of at most ${maxFileBytes / 1024} KiB`, `${Math.ceil(Math.max(stat.size, bytes.length) / 1024)} KiB`)
    const text = textOf(bytes)
    return text === undefined ? refused('a text file in UTF-8', 'binary content') : parseExperiments(text, path)
  } catch (error) {
    return refused('a file that can be read', messageOf(error))
  }
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

/** Pure: one document or several to experiments, or to every problem at once, in the order of the text. Never throws. */
export function parseExperiments(text: string, fileName: string): ReadResult {
  const { documents, positionOf } = readYaml(text)
  const place = (offset: number, path: Path) => ({ file: fileName, ...positionOf(offset), path: printPath(path) })
  if (documents.length === 0) return { experiments: [], problems: [{ ...place(0, []), expected: 'an experiment', found: 'no document in it' }] }

  const experiments: WrittenExperiment[] = []
  const problems: Problem[] = []
  const names = new Set<string>()
  for (const document of documents) {
    problems.push(...document.flaws.map(({ offset, path, expected, found }) => (
      { ...place(offset, path), expected, ...(found !== undefined && { found: quoted(found) }) })))
    if (!document.complete) continue
    const parsed = experimentSchema.safeParse(document.plain)
    if (!parsed.success) {
      problems.push(...newProblems(document, parsed.error.issues).map(({ path, at, says }) => ({
        ...place(at === 'key' ? document.keyOffsetOf(path) : document.offsetOf(path), path), ...says,
      })))
      continue
    }
    const { name } = parsed.data
    const namePath = ['metadata', 'name']
    if (names.has(name)) problems.push({ ...place(document.offsetOf(namePath), namePath), expected: 'another name for each experiment in a file', found: quoted(name) })
    names.add(name)
    experiments.push({ document: document.plain, experiment: parsed.data })
  }
  if (problems.length === 0) return { experiments, problems }
  return { experiments: [], problems: problems.toSorted((a, b) => a.line - b.line || a.column - b.column) }
}

/** What the schema finds beyond the flaws, which are told already, and with their cause. */
function newProblems(document: CompleteDocument, issues: readonly z.core.$ZodIssue[]): PlainProblem[] {
  return issues
    .flatMap(issue => problemsOf(issue, document.plain))
    .filter(({ path }) => !document.flaws.some(flaw => beginsWith(path, flaw.path) || beginsWith(flaw.path, path)))
}

const beginsWith = (path: Path, beginning: Path) => beginning.every((step, index) => path[index] === step)
