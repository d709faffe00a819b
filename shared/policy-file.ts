import { parseDocuments, readTextFile } from '#shared/document-file.ts'
import type { Problem } from '#shared/experiment-problem.ts'
import { policyFormat, type Policy } from '#shared/policy.ts'

/** `document`: as written, plain JSON; it is what is sent. */
export interface WrittenPolicy { document: unknown; policy: Policy }

/** Reads one file: policies or problems, never both. A file that cannot be read is a problem in the result; nothing is thrown. */
export async function readPolicyFile(path: string): Promise<{ policies: WrittenPolicy[]; problems: Problem[] }> {
  const read = await readTextFile(path, policyFormat.article)
  return 'text' in read ? parsePolicies(read.text, path) : { policies: [], problems: [read.problem] }
}

/** Pure. Never throws. */
export function parsePolicies(text: string, fileName: string): { policies: WrittenPolicy[]; problems: Problem[] } {
  const { documents, problems } = parseDocuments(text, fileName, policyFormat)
  return { policies: documents.map(({ document, parsed }) => ({ document, policy: parsed })), problems }
}
