import { z } from 'zod'
import { serviceKey, type CoveredService, type CoverageState, type Look, type TriedCell } from '#shared/coverage-fold.ts'
import { gateVerdict } from '#shared/events.ts'
import type { FaultKind } from '#shared/fault.ts'
import { faultKinds } from '#shared/registry.ts'
import type { TestedService } from '#shared/tested-service.ts'

const cellSchema = z.strictObject({
  kind: z.string(), verdict: gateVerdict,
  run: z.string(), experiment: z.string(),
  atMs: z.number().describe('when the run was sealed'),
  version: z.string().nullable().describe('of the service in that run; null when there were several'),
  stale: z.boolean().describe('too long ago, or another version is there now'),
})
export type CoverageCell = z.output<typeof cellSchema>

const serviceSchema = z.strictObject({
  namespace: z.string(), app: z.string(),
  versions: z.array(z.string()).describe('those that are there now; none when nobody knows'),
  present: z.boolean().describe('false: it was looked for, and is gone'),
  cells: z.array(cellSchema).describe('one for each kind of fault that it was put through'),
})
export type ServiceCoverage = z.output<typeof serviceSchema>

/** Services x kinds of faults, with the last verdict of each. A kind without a cell was never tried. Plain JSON. */
export const coverageSchema = z.strictObject({
  kinds: z.array(z.string()).describe('those that can be done to any of the services'),
  services: z.array(serviceSchema),
  discoveredAtMs: z.number().nullable().describe('when somebody looked which services are there; null: nobody has'),
  unknown: z.string().nullable().describe('why nobody can look now'),
})
export type Coverage = z.output<typeof coverageSchema>

export const usualStaleAfterMs = 7 * 24 * 3_600_000

export interface Circumstances {
  nowMs: number
  /** How old a verdict may be. */
  staleAfterMs?: number | undefined
  /** What the cluster answered last; the newest look of a run counts when it is newer. */
  look?: Look | undefined
  /** Why the cluster cannot be asked now. */
  unknown?: string | undefined
}

/** The matrix at that moment. A service that is nowhere seen any more keeps its cells, and is not `present`. Pure. */
export function coverageOf(state: CoverageState, { nowMs, staleAfterMs = usualStaleAfterMs, look, unknown }: Circumstances): Coverage {
  const seen = look && state.look ? (look.atMs >= state.look.atMs ? look : state.look) : look ?? state.look
  const there = Map.groupBy(seen?.services ?? [], serviceKey)
  const keys = [...new Set([...there.keys(), ...state.services.keys()])]
  const services = keys.map((key): ServiceCoverage => {
    const known = state.services.get(key)
    const [first] = there.get(key) ?? []
    const { namespace = '', app = '' } = known ?? first ?? {}
    const isPresent = first !== undefined || !seen || namespace === '' // a look at a cluster tells nothing of what is elsewhere
    const versions = first ? versionsOf(there.get(key)) : isPresent ? known?.declared?.versions ?? [] : []
    return { namespace, app, versions: [...versions], present: isPresent, cells: cellsOf(known, cell => nowMs - cell.atMs > staleAfterMs || isOtherwise(cell, versions)) }
  }).sort((a, b) => compare(a.namespace, b.namespace) || compare(a.app, b.app))
  return { kinds: kindsOf(services), services, discoveredAtMs: seen?.atMs ?? null, unknown: unknown ?? null }
}

function cellsOf(known: CoveredService | undefined, isStale: (cell: TriedCell) => boolean): CoverageCell[] {
  return [...known?.cells ?? []].map(([kind, cell]) => ({ kind, ...cell, stale: isStale(cell) })).sort((a, b) => compare(a.kind, b.kind))
}

/** What was tested is not exactly what is there. A mixture never is: which part of it the verdict is about, nobody knows. */
const isOtherwise = ({ version }: TriedCell, versions: readonly string[]) => versions.length > 0 && !(versions.length === 1 && versions[0] === version)

const versionsOf = (services: readonly TestedService[] = []): string[] => services.map(({ version }) => version).sort()
const compare = (a: string, b: string) => a < b ? -1 : a > b ? 1 : 0

/** Kinds that can be done to any of them, in the catalogue's order; then those of a cell that the catalogue does not know any more. */
function kindsOf(services: readonly ServiceCoverage[]): string[] {
  const possible = [...faultKinds.keys()].filter(kind => services.some(service => isPossible(kind, service)))
  return [...new Set([...possible, ...services.flatMap(({ cells }) => cells.map(({ kind }) => kind)).sort()])]
}

/** Whether a fault of that kind can be done to such a service: in Kubernetes to what makes it up or carries it, elsewhere to its processes. */
export function isPossible(kind: string, { namespace }: Pick<TestedService, 'namespace'>): boolean {
  const targets: FaultKind['targets'] = faultKinds.get(kind)?.targets ?? {}
  return namespace === '' ? targets.process !== undefined : (targets.pods ?? targets.nodes ?? targets.workload) !== undefined
}

export const cellStates = ['passed', 'failed', 'inconclusive', 'stale', 'unknown'] as const
export type CellState = (typeof cellStates)[number]

/** What is known of one kind of fault on one service: a stale verdict is none. */
export function stateOf(service: ServiceCoverage, kind: string): CellState {
  const cell = service.cells.find(one => one.kind === kind)
  return !cell ? 'unknown' : cell.stale ? 'stale' : cell.verdict
}

/** How many cells are in each state, of the services that are there and the kinds that can be done to them. Pure. */
export function countCells({ kinds, services }: Coverage): Record<CellState, number> {
  const counts = { passed: 0, failed: 0, inconclusive: 0, stale: 0, unknown: 0 }
  for (const service of services.filter(({ present }) => present)) {
    for (const kind of kinds) if (isPossible(kind, service) || service.cells.some(cell => cell.kind === kind)) counts[stateOf(service, kind)] += 1
  }
  return counts
}

const preferences: Readonly<Record<CellState, number>> = { unknown: 4, stale: 2, inconclusive: 2, passed: 1, failed: 1 }

/**
 * How much rather than others this should be tried, as a factor on a weight: 4 for what was never tried, 2 for what is stale or was
 * inconclusive, 1 for what is known, and for a service that is gone. Never 0, so that nothing is left out for good. A service of which nothing is known was
 * never tried. Pure.
 */
export function preferenceOf({ services }: Coverage, { namespace, app }: Pick<TestedService, 'namespace' | 'app'>, kind: string): number {
  const service = services.find(one => one.namespace === namespace && one.app === app)
  if (!service) return preferences.unknown
  return service.present ? preferences[stateOf(service, kind)] : 1
}
