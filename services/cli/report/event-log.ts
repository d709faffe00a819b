import canonicalize from 'canonicalize'
import { z } from 'zod'
import { messageOf } from '#shared/errors.ts'
import { parseFact, type FactType, type StoredFact } from '#shared/events.ts'

const lineSchema = z.strictObject({ stream: z.int().positive(), fact: z.unknown() })
const typedSchema = z.object({ type: z.string() })

/** `events.jsonl`: one line a fact, in the stream's order, each with its place in the stream; canonical JSON (RFC 8785). */
export function printEventLog(facts: readonly StoredFact[]): string {
  return facts.toSorted((a, b) => a.stream - b.stream).map(({ stream, fact }) => `${canonicalize({ stream, fact })}\n`).join('')
}

/**
 * Reads it back from pieces of text cut anywhere. A line that is no fact, such as a last one cut short, is left out and told as a problem.
 * `types`: only facts of these are read, which spares the checking of thousands of samples.
 */
export async function readEventLog(chunks: AsyncIterable<string> | Iterable<string>, types?: readonly FactType[]): Promise<{ facts: StoredFact[]; problems: string[] }> {
  const wanted = types && new Set(types.map(type => `dev.faultline.${type}`))
  const facts: StoredFact[] = []
  const problems: string[] = []
  for await (const { number, text, ended } of linesOf(chunks)) {
    try {
      const { stream, fact } = lineSchema.parse(JSON.parse(text))
      const typed = wanted && typedSchema.safeParse(fact).data
      if (typed && !wanted.has(typed.type)) continue
      facts.push(parseFact(fact, stream))
    } catch (error) {
      problems.push(`events.jsonl:${number}: ${ended ? 'not a fact' : 'cut short, the log may lack more than this'}; left out: ${firstProblem(error)}`)
    }
  }
  const runs = new Set(facts.map(({ fact }) => fact.subject))
  if (runs.size > 1) problems.push(`events.jsonl: holds facts of ${runs.size} runs (${[...runs].slice(0, 3).join(', ')}); a results folder is of one`)
  return { facts, problems }
}

/** Not node:readline, which also ends lines at U+2028 and U+2029: JSON leaves those as they are within strings. */
async function* linesOf(chunks: AsyncIterable<string> | Iterable<string>): AsyncGenerator<{ number: number; text: string; ended: boolean }> {
  let number = 0
  let rest = ''
  for await (const chunk of chunks) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const text of lines) {
      number += 1
      if (text.trim() !== '') yield { number, text, ended: true }
    }
  }
  if (rest.trim() !== '') yield { number: number + 1, text: rest, ended: false }
}

function firstProblem(error: unknown): string {
  const issue = error instanceof z.ZodError ? error.issues[0] : undefined
  return issue ? `${issue.path.join('.') || 'line'}: ${issue.message}` : messageOf(error)
}
