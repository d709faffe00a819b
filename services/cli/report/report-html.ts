import { percent } from '#shared/gate-share.ts'
import type { Judgement } from '#shared/verdict.ts'
import { mostFailedShown } from './failed-requests.ts'
import { printInstant, printLimit, printMs, printSince, printValue } from './figures.ts'
import { markup, type Content, type Markup } from './markup.ts'
import { gatePlot, stackedPlot } from './plot.ts'
import { loadPlot } from './load-plot.ts'
import { probeHead, probeRows } from './probe-report.ts'
import { printPage } from './report-page.ts'
import { recordRows, type ReportedGate, type RunReport } from './run-report.ts'

/** `report.html`: one page that needs nothing else, runs no script and asks nobody for anything. Pure. */
export function printReportHtml(report: RunReport): string {
  const { judgement, purpose, startMs, endMs } = report
  const name = judgement.experiment || 'unreadable run'
  return printPage(`${name}: ${judgement.verdict}`, markup`
<header><p>faultline run <code>${judgement.run}</code></p><h1>${name}</h1>
<p>${printInstant(startMs)}, ${printSince(startMs, endMs)} long</p>${purpose === undefined ? '' : markup`<p class="purpose">${purpose}</p>`}</header>
${banner(judgement)}
${tiles(judgement)}
<h2>Course of the run</h2>
<div class="card">${stackedPlot(loadPlot(report))}</div>
<h2>Gates</h2>
<div class="gates">${judgement.gates.length === 0 ? 'None could be read.' : report.gates.map(gate => gateCard(gate, startMs))}</div>
${report.calibration ? markup`<p>${report.calibration.says} ${report.calibration.doubts.map(doubt => markup`<strong>${doubt}</strong> `)}</p>` : ''}
<h2>Faults</h2>
${faultTable(report)}
${judgement.probes.length === 0 ? '' : markup`<h2>Probes</h2>
${table(probeHead, probeRows(judgement).map(row => markup`<tr>${row.map(cell => markup`<td>${cell}</td>`)}</tr>`))}`}
<h2>Recovery</h2>
${recoveryCard(judgement)}
<h2>Load</h2>
${loadTable(judgement)}
${failedTable(report)}
<h2>Timeline</h2>
<div class="card"><table><tbody>${report.timeline.map(({ atMs, text, tone }) => markup`<tr><td class="when">${atMs === undefined ? '' : printSince(startMs, atMs)}</td><td class="${tone}">${text}</td></tr>
`)}</tbody></table></div>
<h2>Decision record</h2>
<div class="card"><table><tbody>${recordRows(report.record).map(({ name, value }) => markup`<tr><th scope="row">${name}</th><td><code>${value}</code></td></tr>
`)}</tbody></table></div>
<h2>Environment</h2>
<div class="card"><table><tbody>${report.environment.map(({ name, value }) => markup`<tr><th scope="row">${name}</th><td><code>${value}</code></td></tr>
`)}</tbody></table></div>`)
}

const toneOf = (verdict: Judgement['verdict']): string => verdict === 'failed' ? 'failed-run' : verdict

function banner({ verdict, reasons, revertUnconfirmed }: Judgement): Markup {
  const sign = { passed: '✓ PASSED', failed: '✕ FAILED', inconclusive: '? INCONCLUSIVE' }[verdict]
  return markup`<div class="banner ${toneOf(verdict)}"><strong>${sign}</strong><ul>${reasons.map(reason => markup`<li>${reason}</li>`)}</ul></div>
${revertUnconfirmed ? markup`<p class="warning" role="alert">A fault may still be there: its revert was not confirmed. Look at its target before anything else.</p>` : ''}`
}

function tiles({ timings, recovery, load }: Judgement): Markup {
  const tile = (value: string, label: string, note?: string) => markup`<div class="tile"><span>${label}</span><b>${value}</b>${note === undefined ? '' : markup`<span>${note}</span>`}</div>`
  return markup`<div class="tiles">
${tile(printMs(timings.breachToAbortMs), 'breach to abort', timings.why.breachToAbortMs)}
${tile(printMs(timings.breachToRevertedMs), 'breach to reverted', timings.why.breachToRevertedMs)}
${tile(printMs(timings.firstBadToRevertedMs), 'first bad request to reverted', timings.why.firstBadToRevertedMs)}
${recovery ? tile(recovery.met ? printMs(recovery.recoveredInMs) : 'not seen', 'recovered after', `required within ${printMs(recovery.requiredWithinMs)}`) : ''}
${load ? tile(load.requests.toLocaleString('en-US'), 'requests', `${load.failures.toLocaleString('en-US')} failed${load.requests > 0 ? ` (${percent(load.failures / load.requests)})` : ''}`) : ''}
</div>`
}

export function gateCard(gate: ReportedGate, startMs: number): Markup {
  const unit = gate.limits[0]?.unit ?? 'number'
  const plot = gate.source === 'probe' ? '' : gate.looks.length === 0 ? markup`<p>No look was taken.</p>` : gatePlot({
    title: `Looks of the gate ${gate.name} against its limit`,
    startMs, looks: gate.looks, breachedAtMs: gate.breachedAtMs,
    unit: value => printValue(unit, value),
    ...(unit === 'ratio' && { ceiling: 1 }),
    limits: gate.limits.map(limit => ({ label: printLimit(limit), tooltip: gate.description, value: limit.value, breaksWhen: limit.breaksWhen })),
  })
  return markup`<section class="card ${toneOf(gate.verdict)}"><div class="row"><h3>${gate.name}</h3><span class="badge">${gate.verdict}</span></div>
<p>${gate.kind}, ${gate.phase}, from ${{ stream: 'the load stream', prometheus: 'Prometheus', probe: 'the probers' }[gate.source]}</p>${plot}<p>${gate.evidence}</p></section>`
}

export function table(head: string[], rows: Content[]): Markup {
  return markup`<div class="card"><table><thead><tr>${head.map(title => markup`<th scope="col">${title}</th>`)}</tr></thead><tbody>${rows}</tbody></table></div>`
}

export function faultTable({ judgement, startMs }: RunReport): Markup {
  if (!judgement.recovery) return markup`<div class="card">The experiment has none: its gates judged the hold.</div>`
  const when = (atMs: number | null) => atMs === null ? '–' : markup`<span title="${printInstant(atMs)}">${printSince(startMs, atMs)}</span>`
  return table(['fault', 'node', 'targets', 'injected', 'reverted', 'ended by', 'verified'], judgement.faults.map(fault => markup`<tr><td>${fault.id}</td><td>${fault.node || '–'}</td>
<td>${fault.targets.length === 0 ? '–' : fault.targets.map(target => markup`<div><code>${target}</code></div>`)}</td><td class="when">${when(fault.injectedAtMs)}</td><td class="when">${when(fault.revertedAtMs)}</td>
<td>${fault.cause ?? '–'}</td><td class="${fault.verified ? 'good' : 'bad'}">${fault.verified ? 'yes' : 'no'}</td></tr>`))
}

function recoveryCard({ recovery }: Judgement): Markup {
  if (!recovery) return markup`<div class="card">The experiment has no faults to recover from.</div>`
  const summary = recovery.met ? `Every gate held again ${printMs(recovery.recoveredInMs)} after the last revert.` : 'It was not seen that every gate held again in time.'
  return markup`<div class="card">${summary} Required within ${printMs(recovery.requiredWithinMs)}.${recovery.evidence.map(line => markup`<div>${line}</div>`)}</div>`
}

function loadTable({ load }: Judgement): Markup {
  if (!load) return markup`<div class="card">The experiment has no load of its own: its gates judged the traffic that was there.</div>`
  return table(['users at most', 'requests', 'failures', 'requests/s', 'p50', 'p95', 'all users reached'], [markup`<tr><td>${load.users}</td><td>${load.requests.toLocaleString('en-US')}</td><td>${load.failures.toLocaleString('en-US')}</td>
<td>${load.requestsPerSecond ?? '–'}</td><td>${printMs(load.p50Ms)}</td><td>${printMs(load.p95Ms)}</td><td class="${load.reached ? 'good' : 'bad'}">${load.reached ? 'yes' : 'no'}</td></tr>`])
}

function failedTable({ failedRequests }: RunReport): Content {
  if (failedRequests.length === 0) return undefined
  return table(['failed requests', 'how', 'times'], failedRequests.slice(0, mostFailedShown).map(({ request, error, count }) => (
    markup`<tr><td>${request}</td><td>${error}</td><td>${count.toLocaleString('en-US')}</td></tr>`)))
}
