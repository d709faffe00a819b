import { join, dirname, isAbsolute } from 'node:path'
import { z } from 'zod'
import { readTextFile } from '#shared/document-file.ts'
import { printPath, problemsOf, quoted, type PlainProblem, type Problem } from '#shared/experiment-problem.ts'
import { valueAt } from '#shared/experiment-schema.ts'
import { readYaml, type Path } from '#shared/experiment-yaml.ts'
import { openSloJsonSchema } from '#shared/openslo.ts'
import { readServiceLevels, type Refusal } from '#shared/openslo-levels.ts'

/** One document of an OpenSLO file, and where things stand in it. */
export interface FileDocument {
  plain: unknown
  place(path: Path, at: 'key' | 'value'): Pick<Problem, 'file' | 'line' | 'column' | 'path'>
}

/** Either documents or problems. */
export interface SloFile { documents: FileDocument[]; problems: Problem[] }

/** By their names as an experiment writes them. */
export type SloFiles = ReadonlyMap<string, SloFile>

const mostFiles = 20 // of an experiment; experiment.ts says so too

/** The files that the experiments of a text name under `slos`. What cannot be read is a problem in the result; nothing is thrown. */
export async function readSloFiles(text: string, experimentPath: string): Promise<SloFiles> {
  if (!text.includes('slos')) return new Map() // most files name none, and are not read twice
  const names = new Set(readYaml(text).documents.flatMap(document => document.complete ? filesNamedIn(document.plain) : []))
  return new Map(await Promise.all([...names].slice(0, mostFiles).map(async (name): Promise<[string, SloFile]> => (
    [name, await readSloFile(isAbsolute(name) ? name : join(dirname(experimentPath), name))]))))
}

export async function readSloFile(path: string): Promise<SloFile> {
  const read = await readTextFile(path, 'an OpenSLO')
  return 'text' in read ? parseSloFile(read.text, path) : { documents: [], problems: [read.problem] }
}

/** Pure: the documents of a file; a list of objects counts as so many documents, as OpenSLO's own tools take it. */
export function parseSloFile(text: string, fileName: string): SloFile {
  const { documents, positionOf } = readYaml(text)
  const place = (offset: number, path: Path) => ({ file: fileName, ...positionOf(offset), path: printPath(path) })
  const problems = documents.flatMap(({ flaws }) => flaws).map(({ offset, path, expected, found }) => ({ ...place(offset, path), expected, ...(found !== undefined && { found: quoted(found) }) }))
  if (problems.length > 0) return { documents: [], problems }
  const objects = documents.flatMap((document): FileDocument[] => {
    if (!document.complete) return []
    const { plain, offsetOf, keyOffsetOf } = document
    const at = (root: Path): FileDocument['place'] => (path, where) => {
      const whole = [...root, ...path]
      return place(where === 'key' ? keyOffsetOf(whole) : offsetOf(whole), whole)
    }
    return Array.isArray(plain) ? plain.map((item: unknown, index) => ({ plain: item, place: at([index]) })) : [{ plain, place: at([]) }]
  })
  return objects.length > 0 ? { documents: objects, problems } : { documents: [], problems: [{ ...place(0, []), expected: 'an OpenSLO v1 document', found: 'no document in it' }] }
}

/** Where a problem of a list of documents stands in its file. */
function placeProblem(documents: readonly FileDocument[], document: number, { path, at, says }: PlainProblem): Problem[] {
  const found = documents[document]
  return found ? [{ ...found.place(path, at), ...says }] : []
}

export function issueProblems(documents: readonly FileDocument[], issue: z.core.$ZodIssue): Problem[] {
  const [document, ...path] = issue.path
  const plain = documents[Number(document)]?.plain
  return problemsOf({ ...issue, path }, plain, openSloJsonSchema).flatMap(problem => placeProblem(documents, Number(document), problem))
}

export function refusalProblems(documents: readonly FileDocument[], { path: [document, ...path], expected }: Refusal): Problem[] {
  const value = valueAt(path, documents[Number(document)]?.plain)
  const found = typeof value === 'string' ? { found: quoted(value) } : {}
  return placeProblem(documents, Number(document), { path, at: 'value', says: { expected, ...found } })
}

const experimentWithSlos = z.looseObject({
  slos: z.array(z.looseObject({ file: z.string().optional(), documents: z.array(z.unknown()).optional() })),
  gates: z.unknown(),
})

function filesNamedIn(plain: unknown): string[] {
  const parsed = experimentWithSlos.safeParse(plain)
  return parsed.success ? parsed.data.slos.flatMap(({ file, documents }) => file === undefined || documents ? [] : [file]) : []
}

/** An experiment with the documents of its SLO files put in, or what is wrong in a file, with its place there. Pure. */
export function putSloFiles(plain: unknown, files: SloFiles): { plain: unknown; problems: Problem[] } {
  const parsed = experimentWithSlos.safeParse(plain)
  if (!parsed.success || files.size === 0) return { plain, problems: [] }
  const { slos, gates } = parsed.data
  const read = slos.map(({ file, documents }) => file === undefined || documents ? undefined : files.get(file))
  const unreadable = read.flatMap(file => file?.problems ?? [])
  if (unreadable.length > 0) return { plain, problems: unreadable }

  const inline = slos.flatMap(({ documents = [] }) => documents)
  const fromFiles = read.flatMap(file => file?.documents ?? [])
  const { levels, issues } = readServiceLevels([...fromFiles.map(document => document.plain), ...inline]) // what is inline is told by the experiment's own schema
  const words = new Set(textsIn(gates))
  const refusals = levels.flatMap(({ name, refusals: own }) => words.has(name) ? own : []) // those of an SLO that no gate names are nobody's trouble
  const problems = [...issues.flatMap(issue => issueProblems(fromFiles, issue)), ...refusals.flatMap(refusal => refusalProblems(fromFiles, refusal))]
  if (problems.length > 0) return { plain, problems }
  const put = slos.map((item, index) => {
    const file = read[index]
    return file ? { ...item, documents: file.documents.map(document => forTheRecord(document.plain)) } : item
  })
  return { plain: { ...parsed.data, slos: put }, problems }
}

/**
 * Of the documents that came from files, those alone that gates are made of: another team's change to another SLO of a file makes no other
 * experiment. Pure.
 */
export function onlyNeededDocuments(plain: unknown): unknown {
  const parsed = experimentWithSlos.safeParse(plain)
  if (!parsed.success) return plain
  const { slos, gates } = parsed.data
  const words = new Set(textsIn(gates))
  const all = slos.flatMap(({ documents = [] }) => documents)
  const needed = new Set(readServiceLevels(all).levels.flatMap(({ name, document, uses }) => words.has(name) ? [document, ...uses] : []).map(index => all[index]))
  return { ...parsed.data, slos: slos.map(item => item.file === undefined || !item.documents ? item : { ...item, documents: item.documents.filter(document => needed.has(document)) }) }
}

/** Every text in a value: which of a gate's keys name an SLO is the gate's own business. */
function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : []
}

const dataSource = z.object({ apiVersion: z.string(), kind: z.literal('DataSource'), metadata: z.object({ name: z.string() }), spec: z.object({ type: z.string() }) })

/** How to reach a data source may hold secrets, and is left out of what is sent and kept. */
function forTheRecord(plain: unknown): unknown {
  const parsed = dataSource.safeParse(plain)
  return parsed.success ? parsed.data : plain
}
