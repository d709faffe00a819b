import { parseDocuments, readTextFile, type DocumentFormat } from '#shared/document-file.ts'
import type { Problem } from '#shared/experiment-problem.ts'
import { experimentJsonSchema } from '#shared/experiment-schema.ts'
import { experimentSchema, type Experiment } from '#shared/experiment.ts'
import { onlyNeededDocuments, putSloFiles, readSloFiles, type SloFiles } from '#shared/slo-file.ts'

export { maxFileBytes } from '#shared/document-file.ts'
export { renderProblem, type Problem } from '#shared/experiment-problem.ts'

/** `document`: as written, plain JSON, with what it names in SLO files put in; it is what is sent, and parsing it again gives the same experiment. */
export interface WrittenExperiment { document: unknown; experiment: Experiment }

/** Either experiments or problems, never both: a file with one bad document starts nothing. */
export interface ReadResult { experiments: WrittenExperiment[]; problems: Problem[] }

const format: DocumentFormat<Experiment> = {
  article: 'an experiment', noun: 'experiment', schema: experimentSchema, jsonSchema: experimentJsonSchema, nameOf: ({ name }) => name,
}

/** Reads one file, and the SLO files that it names. A file that cannot be read is a problem in the result; nothing is thrown. */
export async function readExperimentFile(path: string): Promise<ReadResult> {
  const read = await readTextFile(path, format.article)
  return 'text' in read ? readExperiments(read.text, path) : { experiments: [], problems: [read.problem] }
}

/** The same of a text that was read from `path` already. */
export async function readExperiments(text: string, path: string): Promise<ReadResult> {
  return parseExperiments(text, path, await readSloFiles(text, path))
}

/**
 * Pure: one document or several to experiments, or to every problem at once, in the order of the text. Never throws. Without `sloFiles`, as for what
 * comes over the wire, no experiment may name any.
 */
export function parseExperiments(text: string, fileName: string, sloFiles: SloFiles = new Map()): ReadResult {
  const { documents, problems } = parseDocuments(text, fileName, { ...format, complete: plain => putSloFiles(plain, sloFiles) })
  return { experiments: documents.map(({ document, parsed }) => ({ document: sloFiles.size === 0 ? document : onlyNeededDocuments(document), experiment: parsed })), problems }
}
