import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { StoredFact } from '#shared/events.ts'
import { judge, printJudgement, type Judgement } from '#shared/verdict.ts'
import { printEventLog } from './event-log.ts'
import { printJunit } from './junit.ts'

/** Writes a run's results folder: what was recorded, and what follows from it. Each file is there whole or not at all. */
export async function writeReport(folder: string, facts: readonly StoredFact[]): Promise<{ judgement: Judgement; files: string[] }> {
  const judgement = judge(facts)
  const contents = {
    'events.jsonl': printEventLog(facts),
    'verdict.json': printJudgement(judgement),
    'report.json': `${JSON.stringify(judgement, null, 2)}\n`,
    'junit.xml': printJunit(judgement),
  }
  await mkdir(folder, { recursive: true })
  const files = Object.entries(contents).map(([name, text]) => ({ path: join(folder, name), text }))
  for (const { path, text } of files) {
    await writeFile(`${path}.new`, text)
    await rename(`${path}.new`, path)
  }
  return { judgement, files: files.map(({ path }) => path) }
}
