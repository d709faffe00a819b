import { cellStates, countCells, type CoverageCell, type ServiceCoverage } from '#shared/coverage.ts'
import { printService } from '#shared/tested-service.ts'
import { printInstant } from '../report/figures.ts'
import { markup, type Markup } from '../report/markup.ts'
import { printPage } from '../report/report-page.ts'
import { cellOf, legend, printAge, printDiscovery, printMissing, printVersion, printVersions, type CoverageReport } from './coverage-words.ts'

/** The matrix as one page that needs nothing else and runs no script. Pure. */
export function printCoverageHtml(report: CoverageReport): string {
  const { coverage, nowMs, source } = report
  const counts = countCells(coverage)
  return printPage('coverage', markup`
<header><p>faultline, from ${source}</p><h1>Coverage</h1><p>${printInstant(nowMs)}</p></header>
<h2>What is known</h2>
<div class="tiles">${cellStates.map(state => markup`<div class="tile"><span>${legend[state]}</span><b>${counts[state]}</b></div>
`)}</div>
<h2 id="matrix">Services and kinds of faults</h2>
${coverage.services.length === 0 ? markup`<div class="card">No service is known.</div>` : matrix(report)}
<p>${printDiscovery(coverage)}</p>`)
}

/** With many services it is wider than a screen, and scrolls by itself, by keyboard too. */
function matrix({ coverage: { kinds, services }, nowMs }: CoverageReport): Markup {
  return markup`<div class="card" role="region" aria-labelledby="matrix" tabindex="0"><table aria-labelledby="matrix"><thead><tr><th scope="col">fault</th>${services.map(service => markup`<th scope="col">${printService(service)}<br><code>${printVersions(service)}</code></th>`)}</tr></thead>
<tbody>${kinds.map(kind => markup`<tr><th scope="row">${kind}</th>${services.map(service => printCell(service, kind, nowMs))}</tr>
`)}</tbody></table></div>`
}

const signs = { passed: '✓', failed: '✕', inconclusive: '?' } as const

function printCell(service: ServiceCoverage, kind: string, nowMs: number): Markup {
  const cell = cellOf(service, kind)
  if (!cell) return markup`<td class="when">${printMissing(service, kind, legend.unknown)}</td>`
  return markup`<td class="${toneOf(cell)}"><span class="badge">${signs[cell.verdict]} ${cell.verdict}</span><br><span title="${`${printInstant(cell.atMs)}, run ${cell.run} of ${cell.experiment}`}">${printAge(nowMs - cell.atMs)} ago</span>${cell.stale ? ', stale' : ''}<br><code>${printVersion(cell)}</code></td>`
}

const toneOf = ({ verdict }: CoverageCell): string => verdict === 'failed' ? 'failed-run' : verdict
