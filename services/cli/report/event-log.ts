import canonicalize from 'canonicalize'
import { z } from 'zod'
import { messageOf } from '#shared/errors.ts'
import { parseFact, type StoredFact } from '#shared/events.ts'

const lineSchema = z.strictObject({ stream: z.int().positive(), fact: z.unknown() })

/** `events.jsonl`: one line a fact, in the stream's order, each with its place in the stream; canonical JSON (RFC 8785). */
export function printEventLog(facts: readonly StoredFact[]): string {
  return facts.toSorted((a, b) => a.stream - b.stream).map(({ stream, fact }) => `${canonicalize({ stream, fact })}\n`).join('')
}

/** Reads it back. A line that cannot be read, such as a last one cut short, is a problem and not a fact. Never throws. */
export function parseEventLog(text: string): { facts: StoredFact[]; problems: string[] } {
  const facts: StoredFact[] = []
  const problems: string[] = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '') continue
    try {
      const { stream, fact } = lineSchema.parse(JSON.parse(line))
      facts.push(parseFact(fact, stream))
    } catch (error) {
      problems.push(`events.jsonl:${index + 1}: not a fact, left out: ${messageOf(error).split('\n')[0] ?? ''}`)
    }
  }
  return { facts, problems }
}
