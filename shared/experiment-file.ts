import { parseDocuments, readTextFile, type DocumentFormat } from '#shared/document-file.ts'
import type { Problem } from '#shared/experiment-problem.ts'
import { experimentJsonSchema } from '#shared/experiment-schema.ts'
import { experimentSchema, type Experiment } from '#shared/experiment.ts'

export { maxFileBytes } from '#shared/document-file.ts'
export { renderProblem, type Problem } from '#shared/experiment-problem.ts'

/** `document`: as written, plain JSON; it is what is sent, and parsing it again gives the same experiment. */
export interface WrittenExperiment { document: unknown; experiment: Experiment }

/** Either experiments or problems, never both: a file with one bad document starts nothing. */
export interface ReadResult { experiments: WrittenExperiment[]; problems: Problem[] }

const format: DocumentFormat<Experiment> = {
  article: 'an experiment', noun: 'experiment', schema: experimentSchema, jsonSchema: experimentJsonSchema, nameOf: ({ name }) => name,
}

/** Reads one file. A file that cannot be read is a problem in the result; nothing is thrown. */
export async function readExperimentFile(path: string): Promise<ReadResult> {
  const read = await readTextFile(path, format.article)
  return 'text' in read ? parseExperiments(read.text, path) : { experiments: [], problems: [read.problem] }
}

/** Pure: one document or several to experiments, or to every problem at once, in the order of the text. Never throws. */
export function parseExperiments(text: string, fileName: string): ReadResult {
  const { documents, problems } = parseDocuments(text, fileName, format)
  return { experiments: documents.map(({ document, parsed }) => ({ document, experiment: parsed })), problems }
}
