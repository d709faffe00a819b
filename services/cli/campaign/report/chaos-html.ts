import { printInstant } from '../../report/figures.ts'
import { loadPlot } from '../../report/load-plot.ts'
import { markup, type Markup } from '../../report/markup.ts'
import { stackedPlot } from '../../report/plot.ts'
import { faultTable, gateCard } from '../../report/report-html.ts'
import { printPage } from '../../report/report-page.ts'
import { reportOf } from '../../report/run-report.ts'
import type { RecordedRun } from '../findings.ts'
import { banner } from './campaign-html.ts'
import type { CampaignReport } from './campaign-report.ts'

/** `chaos-report.html`: the course of each experiment with a fault, its gates, and its faults. Pure. */
export function printChaosHtml({ outcome, findings }: CampaignReport): string {
  const experiments = findings.runs.filter(({ purpose }) => purpose === 'experiment')
  return printPage(`chaos report of ${outcome.run}`, markup`
<header><p>faultline campaign <code>${outcome.run}</code>; <a href="report.html">the whole report</a></p><h1>Chaos report</h1>
<p>${printInstant(outcome.startMs)}, ${experiments.length} ${experiments.length === 1 ? 'run' : 'runs'} with faults</p></header>
${experiments.length === 0 ? markup`<div class="card">No experiment with a fault was run.</div>` : experiments.map(sectionOf)}`)
}

function sectionOf({ step, repetition, run, folder, judgement, facts }: RecordedRun): Markup {
  const report = reportOf(facts, judgement)
  return markup`<h2>${step}${repetition > 1 ? `, run ${repetition}` : ''}</h2>
<p><a href="${encodeURI(folder)}/report.html">${run}</a>${report.purpose === undefined ? '' : `: ${report.purpose}`}</p>
${banner(judgement)}
<div class="card">${stackedPlot(loadPlot(report))}</div>
<div class="gates">${report.gates.map(gate => gateCard(gate, report.startMs))}</div>
${faultTable(report)}`
}
