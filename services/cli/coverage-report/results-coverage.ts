import { createReadStream } from 'node:fs'
import { glob, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { coverageFacts, foldCoverage, noCoverage, type CoverageState } from '#shared/coverage-fold.ts'
import { factsOnce } from '#shared/verdict-log.ts'
import { NoResults } from '../replay.ts'
import { readEventLog } from '../report/event-log.ts'

/** What the runs in these folders, and in those below them, say. `problems` are whole sentences: lines that are no facts. Throws NoResults. */
export async function foldResults(folders: readonly string[]): Promise<{ state: CoverageState; runs: number; problems: string[] }> {
  let state = noCoverage
  const problems: string[] = []
  const files = (await Promise.all(folders.map(folder => logsIn(folder, 'give the results folders of runs (--results), or ask a cluster (--cluster)')))).flat()
  if (files.length === 0) throw new NoResults(`no run has left its events.jsonl in ${folders.join(', ')} or below; give the results folders of runs`)
  for (const file of files) {
    const log = await readEventLog(createReadStream(file, 'utf8'), coverageFacts)
    problems.push(...log.problems.map(problem => `${file}: ${problem}`))
    state = factsOnce(log.facts).reduce(foldCoverage, state)
  }
  return { state, runs: files.length, problems }
}

/** The logs in a folder and below it. Throws NoResults, with the advice. */
export async function logsIn(folder: string, advice: string): Promise<string[]> {
  if (!(await stat(folder).catch(() => undefined))?.isDirectory()) throw new NoResults(`there is no folder ${folder}; ${advice}`)
  const files: string[] = []
  for await (const file of glob('**/events.jsonl', { cwd: folder })) files.push(join(folder, file))
  return files.sort()
}
