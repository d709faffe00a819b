import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InvalidInput, messageOf } from '#shared/errors.ts'
import type { StoredFact } from '#shared/events.ts'
import { judge, printJudgement, type Judgement } from '#shared/verdict.ts'
import { readEventLog } from './report/event-log.ts'

/** The folder holds no run's results. */
export class NoResults extends InvalidInput {
  readonly code = 'no_results'
}

/**
 * Judges the facts of events.jsonl again, in whatever order and however often they stand there, and compares the bytes with verdict.json.
 * `problems` are whole sentences: lines that are no facts, a verdict.json that cannot be read. Throws NoResults.
 */
export async function replay(folder: string): Promise<Replay> {
  const { facts: _facts, ...found } = await replayFacts(folder)
  return found
}

export interface Replay { judgement: Judgement; identical: boolean; problems: string[] }

/** The same, with the facts themselves. */
export async function replayFacts(folder: string): Promise<Replay & { facts: StoredFact[] }> {
  const { facts, problems } = await readFacts(join(folder, 'events.jsonl'))
  const judgement = judge(facts)
  try {
    const recorded = await readFile(join(folder, 'verdict.json'))
    return { facts, judgement, identical: recorded.equals(Buffer.from(printJudgement(judgement))), problems }
  } catch (error) {
    return { facts, judgement, identical: false, problems: [...problems, `verdict.json cannot be read, so there is nothing to compare with: ${messageOf(error)}`] }
  }
}

async function readFacts(path: string): ReturnType<typeof readEventLog> {
  const log = await readEventLog(createReadStream(path, 'utf8')).catch((cause: unknown) => {
    throw new NoResults(`${path} cannot be read: ${messageOf(cause)}; give the results folder of one run`, { cause })
  })
  if (log.facts.length === 0) throw new NoResults(`${path} holds no fact${log.problems.length > 0 ? ` (${log.problems[0]})` : ''}; give the results folder of one run`)
  return log
}
