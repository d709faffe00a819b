import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InvalidInput, messageOf } from '#shared/errors.ts'
import { judge, printJudgement, type Judgement } from '#shared/verdict.ts'
import { parseEventLog } from './report/event-log.ts'

/** The folder holds no run's results. */
export class NoResults extends InvalidInput {
  readonly code = 'no_results'
}

/** Judges the facts of events.jsonl again, in whatever order and however often they stand there. Throws NoResults. */
export async function replay(folder: string): Promise<{ judgement: Judgement; identical: boolean; problems: string[] }> {
  const read = async (name: string) => {
    try {
      return await readFile(join(folder, name), 'utf8')
    } catch (cause) {
      throw new NoResults(`${join(folder, name)} cannot be read: ${messageOf(cause)}; give the results folder of one run`, { cause })
    }
  }
  const { facts, problems } = parseEventLog(await read('events.jsonl'))
  if (facts.length === 0) throw new NoResults(`${join(folder, 'events.jsonl')} holds no fact${problems.length > 0 ? `: ${problems[0]}` : ''}`)
  const judgement = judge(facts)
  return { judgement, identical: printJudgement(judgement) === await read('verdict.json'), problems }
}
