import { cellStates, countCells, isPossible, type Coverage, type CoverageCell, type ServiceCoverage } from '#shared/coverage.ts'
import { printInstant } from '../report/figures.ts'

/** A coverage as it is to be shown. `source`: where it comes from, in words that follow "from". */
export interface CoverageReport { coverage: Coverage; nowMs: number; source: string }

/** What all ways to show a coverage say alike. Pure. */
export const legend = { passed: 'passed', failed: 'failed', inconclusive: 'inconclusive', stale: 'stale', unknown: 'never tried' } as const

/** One unit is enough to tell last week from this morning: `43 s`, `5 min`, `3 h`, `12 d`. */
export function printAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`
  return seconds < 48 * 3_600 ? `${Math.floor(seconds / 3_600)} h` : `${Math.floor(seconds / 86_400)} d`
}

export const printVersion = ({ version }: Pick<CoverageCell, 'version'>): string => version ?? 'several'

/** `1.4`, `1.4, 1.5`, `gone`; empty when nobody knows. */
export const printVersions = ({ present, versions }: ServiceCoverage): string => present ? versions.join(', ') : 'gone'

/** `12 passed, 1 failed, 0 inconclusive, 2 stale, 30 never tried` */
export function printCounts(coverage: Coverage): string {
  const counts = countCells(coverage)
  return cellStates.map(state => `${counts[state]} ${legend[state]}`).join(', ')
}

/** How the services are known, and why nobody can look. Whole sentences. */
export function printDiscovery({ discoveredAtMs, unknown }: Coverage): string {
  const looked = discoveredAtMs === null ? 'Nobody has looked which services are there.' : `Which services are there was looked up at ${printInstant(discoveredAtMs)}.`
  return unknown === null ? looked : `${looked} Not known now: ${unknown}.`
}

export const cellOf = ({ cells }: ServiceCoverage, kind: string): CoverageCell | undefined => cells.find(cell => cell.kind === kind)

/** What stands where there is no cell: nothing where such a fault cannot be done. */
export const printMissing = (service: ServiceCoverage, kind: string, never: string): string => isPossible(kind, service) ? never : ''
