import { percent } from '#shared/gate-share.ts'
import { printInstant, printMs } from '../../report/figures.ts'
import { markup, type Markup } from '../../report/markup.ts'
import { stackedPlot } from '../../report/plot.ts'
import { table } from '../../report/report-html.ts'
import { printPage } from '../../report/report-page.ts'
import type { CampaignOutcome, StepOutcome } from '../outcome.ts'
import { printSpan, type CampaignReport } from './campaign-report.ts'
import { hpaPlot } from './hpa-plot.ts'

/** `report.html` of a campaign: one page that needs nothing else and runs no script. Pure. */
export function printCampaignHtml({ outcome, findings, description }: CampaignReport): string {
  const { campaign, profile, run, verdict, startMs, endMs, steps } = outcome
  const bars = steps.flatMap(({ name, bars: its }) => its.map(bar => ({ step: name, ...bar })))
  return printPage(`${campaign}: ${verdict}`, markup`
<header><p>faultline campaign <code>${run}</code></p><h1>${campaign}</h1>
<p>profile ${profile}, ${printInstant(startMs)}, ${printSpan(startMs, endMs)} long; <a href="chaos-report.html">the chaos report</a></p>${description === undefined ? '' : markup`<p class="purpose">${description}</p>`}</header>
${banner(outcome)}
<h2>Bars</h2>
${bars.length === 0 ? markup`<div class="card">No step has come to any.</div>` : table(['bar', 'required', 'measured', 'met', 'step'], bars.map(bar => markup`<tr><td>${bar.name}</td><td>${bar.required}</td><td>${bar.measured}</td><td class="${bar.met ? 'good' : 'bad'}">${bar.met ? 'yes' : 'no'}</td><td>${bar.step}</td></tr>`))}
<h2>Steps</h2>
${table(['step', 'kind', 'verdict', 'took', 'what was seen'], steps.map(step => markup`<tr><td>${step.name}</td><td>${step.kind}</td><td class="${toneOf(step.verdict)}">${step.verdict}</td><td class="when">${printSpan(step.startedMs, step.endedMs)}</td><td>${step.why}</td></tr>`))}
${findings.hpa.map(hpa => markup`<h2>Autoscaling of ${hpa.namespace}/${hpa.name}</h2><div class="card">${stackedPlot(hpaPlot(hpa, findings.runs))}</div>`)}
<h2>Runs</h2>
${findings.runs.length === 0 ? markup`<div class="card">None.</div>` : table(['step', 'run', 'verdict', 'requests', 'failed', 'p95'], findings.runs.map(({ step, run: name, folder, judgement: { verdict: its, load } }) => markup`<tr><td>${step}</td>
<td><a href="${encodeURI(folder)}/report.html">${name}</a></td><td class="${toneOf(its)}">${its}</td><td>${load?.requests.toLocaleString('en-US') ?? '–'}</td><td>${load && load.requests > 0 ? percent(load.failures / load.requests) : '–'}</td><td>${printMs(load?.p95Ms ?? null)}</td></tr>`))}
<h2>Cluster</h2>
${findings.cluster === null ? markup`<div class="card">It was not looked at.</div>` : markup`<p>Kubernetes ${findings.cluster.version}, context ${findings.cluster.context}</p>${table(['node', 'CPUs', 'memory', 'kernel', 'runtime'], findings.cluster.nodes.map(node => markup`<tr><td>${node.name}</td><td>${node.cpu}</td><td>${node.memory}</td><td>${node.kernel}</td><td>${node.runtime}</td></tr>`))}`}`)
}

const toneOf = (verdict: StepOutcome['verdict']): string => verdict === 'passed' ? 'good' : verdict === 'failed' ? 'bad' : ''

export function banner({ verdict, reasons }: Pick<CampaignOutcome, 'verdict' | 'reasons'>): Markup {
  const sign = { passed: '✓ PASSED', failed: '✕ FAILED', inconclusive: '? INCONCLUSIVE' }[verdict]
  return markup`<div class="banner ${verdict === 'failed' ? 'failed-run' : verdict}"><strong>${sign}</strong><ul>${reasons.map(reason => markup`<li>${reason}</li>`)}</ul></div>`
}
