import type { CoverageCell, ServiceCoverage } from '#shared/coverage.ts'
import { printService } from '#shared/tested-service.ts'
import { printInstant } from '../report/figures.ts'
import { table, text } from '../report/report-markdown.ts'
import { cellOf, printAge, printCounts, printDiscovery, printMissing, printVersion, printVersions, type CoverageReport } from './coverage-words.ts'

/** The matrix for a pull request or a job summary: a row a kind of fault, since those are more than there are services. Pure. */
export function printCoverageMarkdown({ coverage, nowMs, source }: CoverageReport): string {
  const { kinds, services } = coverage
  const heading = (service: ServiceCoverage) => [text(printService(service)), text(printVersions(service))].filter(Boolean).join('<br>')
  return [
    '# Coverage', '',
    `From ${text(source)}, ${printInstant(nowMs)}: ${printCounts(coverage)}.`, '',
    ...(services.length === 0 ? ['No service is known.', ''] : table(['fault', ...services.map(heading)], kinds.map(kind => [text(kind), ...services.map(service => {
      const cell = cellOf(service, kind)
      return cell ? printCell(cell, nowMs) : printMissing(service, kind, 'never tried')
    })]))),
    text(printDiscovery(coverage)), '',
  ].join('\n')
}

const printCell = (cell: CoverageCell, nowMs: number) => `**${cell.verdict}**${cell.stale ? ', stale' : ''}<br>${printAge(nowMs - cell.atMs)} ago<br>${text(printVersion(cell))}`
