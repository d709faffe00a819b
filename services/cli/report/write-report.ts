import type { StoredFact } from '#shared/events.ts'
import { judge, printJudgement, type Judgement } from '#shared/verdict.ts'
import { printEventLog } from './event-log.ts'
import { printJunit } from './junit.ts'
import { printReportHtml } from './report-html.ts'
import { printReportJson } from './report-json.ts'
import { printReportMarkdown } from './report-markdown.ts'
import { openResultsFolder } from './results-writer.ts'
import { reportOf } from './run-report.ts'

/**
 * Writes a run's results folder: what was recorded, and what follows from it. Each file is there whole or not at all, and what was
 * recorded is there first. `files` are paths.
 */
export async function writeReport(folder: string, facts: readonly StoredFact[]): Promise<{ judgement: Judgement; files: string[] }> {
  const files: string[] = []
  const writeInto = await openResultsFolder(folder)
  const write = async (name: string, text: string) => void files.push(await writeInto(name, text))
  await write('events.jsonl', printEventLog(facts))
  const stats = facts.flatMap(stored => stored.kind === 'load.stats' ? [stored.fact.data.stats] : []).at(-1)
  if (stats) await write('locust-stats.json', `${JSON.stringify(stats, null, 2)}\n`)
  const judgement = judge(facts)
  await write('verdict.json', printJudgement(judgement))
  const report = reportOf(facts, judgement)
  await write('report.json', printReportJson(report))
  await write('report.md', printReportMarkdown(report))
  await write('report.html', printReportHtml(report))
  await write('junit.xml', printJunit(judgement))
  return { judgement, files }
}
