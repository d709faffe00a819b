import { z } from 'zod'
import { canonical, firstLink, nextLink } from '#shared/decision-record.ts'
import { messageOf } from '#shared/errors.ts'
import { parseFact, type FactType, type StoredFact } from '#shared/events.ts'
import { isDeeper } from '#shared/json-depth.ts'

/** `after` and `link` came later: older logs have neither. */
const lineSchema = z.strictObject({ stream: z.int().positive(), fact: z.unknown(), after: z.string().optional(), link: z.string().optional() })
/** A message is nested 100 deep at most (bus-nats.ts), and stands within a line. */
const mostLevels = 101
const typedSchema = z.object({ type: z.string() })

/** A fact as it stands in a log. `after` and `link`: the links of the chain before it and with it (decision-record.ts), as the line says. */
export interface LoggedFact { line: number; stored: StoredFact; after?: string | undefined; link?: string | undefined }

/**
 * `events.jsonl`: one line a fact, in the stream's order, each with its place in the stream and its link of its run's chain; canonical JSON (RFC 8785).
 */
export function printEventLog(facts: readonly StoredFact[]): string {
  const links = new Map<string, string>()
  return facts.toSorted((a, b) => a.stream - b.stream).map(stored => {
    const { stream, fact } = stored
    const after = links.get(fact.subject) ?? firstLink(fact.subject)
    const link = nextLink(after, stored)
    links.set(fact.subject, link)
    return `${canonical({ after, fact, link, stream })}\n`
  }).join('')
}

/**
 * Reads it back from pieces of text cut anywhere. A line that is no fact, such as a last one cut short, is left out and told as a problem.
 * `types`: only facts of these are read, which spares the checking of thousands of samples.
 */
export async function readEventLog(chunks: AsyncIterable<string> | Iterable<string>, types?: readonly FactType[]): Promise<{ facts: StoredFact[]; problems: string[] }> {
  const { logged, problems } = await readLoggedFacts(chunks, types)
  return { facts: logged.map(({ stored }) => stored), problems }
}

/** The same, with where each fact stands in the log and how it is linked there. */
export async function readLoggedFacts(chunks: AsyncIterable<string> | Iterable<string>, types?: readonly FactType[]): Promise<{ logged: LoggedFact[]; problems: string[] }> {
  const wanted = types && new Set(types.map(type => `dev.faultline.${type}`))
  const logged: LoggedFact[] = []
  const problems: string[] = []
  for await (const { number, text, ended } of linesOf(chunks)) {
    try {
      if (isDeeper(text, mostLevels)) throw new Error(`nested more than ${mostLevels} levels deep`)
      const { stream, fact, after, link } = lineSchema.parse(JSON.parse(text))
      const typed = wanted && typedSchema.safeParse(fact).data
      if (typed && !wanted.has(typed.type)) continue
      logged.push({ line: number, stored: parseFact(fact, stream), after, link })
    } catch (error) {
      problems.push(`events.jsonl:${number}: ${ended ? 'not a fact' : 'cut short, the log may lack more than this'}; left out: ${firstProblem(error)}`)
    }
  }
  const runs = new Set(logged.map(({ stored }) => stored.fact.subject))
  if (runs.size > 1) problems.push(`events.jsonl: holds facts of ${runs.size} runs (${[...runs].slice(0, 3).join(', ')}); a results folder is of one`)
  return { logged, problems }
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
