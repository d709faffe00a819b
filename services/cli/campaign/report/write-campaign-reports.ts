import { printEventLog } from '../../report/event-log.ts'
import { openResultsFolder } from '../../report/results-writer.ts'
import { locustStatsOf } from '../statistics.ts'
import { printCampaignHtml } from './campaign-html.ts'
import { printCampaignJunit } from './campaign-junit.ts'
import { printCampaignMarkdown } from './campaign-markdown.ts'
import type { CampaignReport } from './campaign-report.ts'
import { printChaosHtml } from './chaos-html.ts'
import { printChaosMarkdown } from './chaos-markdown.ts'

/** Writes a campaign's results folder; repeatable. Each file is there whole or not at all, and what was recorded is there first. */
export async function writeCampaignReports(folder: string, report: CampaignReport): Promise<void> {
  const write = await openResultsFolder(folder)
  const { outcome, findings } = report
  await write('events.jsonl', printEventLog(findings.runs.flatMap(({ facts }) => facts)))
  const stats = locustStatsOf(findings.runs.find(({ purpose }) => purpose === 'load'))
  if (stats) await write('locust-stats.json', `${JSON.stringify(stats, null, 2)}\n`)
  if (findings.hpa.length > 0) await write('hpa.json', `${JSON.stringify(findings.hpa, null, 2)}\n`)
  await write('verdict.json', `${JSON.stringify(outcome, null, 2)}\n`)
  await write('report.md', printCampaignMarkdown(report))
  await write('report.html', printCampaignHtml(report))
  await write('chaos-report.md', printChaosMarkdown(report))
  await write('chaos-report.html', printChaosHtml(report))
  await write('junit.xml', printCampaignJunit(outcome))
}
