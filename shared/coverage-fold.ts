import { z } from 'zod'
import type { FactData, FactType, GateVerdict, StoredFact } from '#shared/events.ts'
import { isProcess, servicesOf } from '#shared/target.ts'
import { distinctServices, type TestedService } from '#shared/tested-service.ts'

/**
 * Which service was put through which kind of fault, by the last run that says something of it: a fold over the facts of all runs.
 *
 * - Only a fault that was seen to be there counts as tried, and only what happened before the run's seal, as for the verdict.
 * - The verdict is the run's, whatever else was done in it. A run that is not judged says nothing; an inconclusive one says that.
 * - A later run replaces an earlier one: by the date of its seal, so that runs of several streams can be put together.
 * - A fault on processes, which bear no service, was on those that the run's submitter has declared.
 * - The version is that of the service in the targets. When they had several, or a look during the run saw another one, nobody can say
 *   which of them the verdict is about.
 *
 * It keeps one cell a service and kind, and of each run under way what was hit so far; the oldest go when there are too many.
 */
export interface CoverageState {
  /** Runs that are not judged yet, by name, in the order in which they were submitted. */
  runs: ReadonlyMap<string, RunUnderWay>
  /** By `serviceKey`. */
  services: ReadonlyMap<string, CoveredService>
  /** The newest look that a run had at all services of its cluster. */
  look?: Look & { run: string }
}

/** All services that were there at that date, a mixture of versions as several. */
export interface Look { atMs: number; services: readonly TestedService[] }

interface RunUnderWay {
  experiment: string
  declared: readonly TestedService[]
  /** By kind of fault. */
  hits: ReadonlyMap<string, readonly TestedService[]>
  /** What was there as the run began or ended. */
  seen: readonly TestedService[]
  sealedAtMs?: number
}

export interface CoveredService {
  namespace: string
  app: string
  /** By kind of fault. */
  cells: ReadonlyMap<string, TriedCell>
  /** The newest word of a submitter on which versions are there. */
  declared?: { atMs: number; run: string; versions: readonly string[] }
}

/** What the last run said of one kind of fault on one service. */
export interface TriedCell { verdict: GateVerdict; run: string; experiment: string; atMs: number; version: string | null }

export const noCoverage: CoverageState = { runs: new Map(), services: new Map() }

/** The facts that say something of coverage. */
export const coverageFacts: readonly FactType[] = ['run.submitted', 'run.services', 'run.sealed', 'run.judged', 'fault.injected']

export const coverageLimits = { runs: 500, services: 1_000 } as const

export const serviceKey = ({ namespace, app }: Pick<TestedService, 'namespace' | 'app'>): string => JSON.stringify([namespace, app])

/** Facts of one stream are given in its order, each once; those of different streams in any order. Pure. */
export function foldCoverage(state: CoverageState, stored: StoredFact): CoverageState {
  const run = stored.fact.subject
  switch (stored.kind) {
    case 'run.submitted': {
      const { experiment, services: declared = [] } = stored.fact.data
      if (state.runs.has(run)) return state
      return { ...state, runs: newest(new Map(state.runs).set(run, { experiment: nameOf(experiment), declared, hits: new Map(), seen: [] }), coverageLimits.runs) }
    }
    case 'fault.injected': return withRun(state, run, known => known.sealedAtMs === undefined ? withHit(known, stored.fact.data) : known)
    case 'run.services': return withLook(state, run, stored.fact.data)
    case 'run.sealed': return withRun(state, run, known => ({ ...known, sealedAtMs: known.sealedAtMs ?? stored.fact.data.atMs }))
    case 'run.judged': return judged(state, run, stored.fact.data.verdict, Date.parse(stored.fact.time))
    default: return state
  }
}

function withRun(state: CoverageState, run: string, change: (known: RunUnderWay) => RunUnderWay): CoverageState {
  const known = state.runs.get(run)
  return known ? { ...state, runs: new Map(state.runs).set(run, change(known)) } : state
}

function withHit(known: RunUnderWay, { kind, targets, verified }: FactData<'fault.injected'>): RunUnderWay {
  const hit = targets.flatMap(target => isProcess(target) ? known.declared : servicesOf(target))
  if (!verified || hit.length === 0) return known
  return { ...known, hits: new Map(known.hits).set(kind, distinctServices([...known.hits.get(kind) ?? [], ...hit])) }
}

function withLook(state: CoverageState, run: string, { services: seen, declared, unknown, atMs }: FactData<'run.services'>): CoverageState {
  if (unknown !== undefined) return state
  const known = withRun({ ...state, services: withSeen(state.services, run, seen) }, run, under => ({ ...under, seen: distinctServices([...under.seen, ...seen]) }))
  if (!declared) return isLater({ atMs, run }, known.look) ? { ...known, look: { atMs, run, services: seen } } : known
  const services = new Map(known.services)
  for (const [key, its] of Map.groupBy(seen, serviceKey)) {
    const service = services.get(key) ?? newService(key)
    if (isLater({ atMs, run }, service.declared)) services.set(key, { ...service, declared: { atMs, run, versions: versionsOf(its) } })
  }
  return { ...known, services: latest(services) }
}

/** The look at the end of a run often comes when the run is judged already: what it says of the versions counts all the same. */
function withSeen(services: CoverageState['services'], run: string, seen: readonly TestedService[]): CoverageState['services'] {
  const changed = new Map(services)
  for (const [key, its] of Map.groupBy(seen, serviceKey)) {
    const service = services.get(key)
    if (!service) continue
    const cells = [...service.cells].map(([kind, cell]): [string, TriedCell] => [kind, cell.run === run && its.some(({ version }) => version !== cell.version) ? { ...cell, version: null } : cell])
    changed.set(key, { ...service, cells: new Map(cells) })
  }
  return changed
}

function judged(state: CoverageState, run: string, verdict: GateVerdict, judgedAtMs: number): CoverageState {
  const known = state.runs.get(run)
  if (!known) return state
  const runs = new Map(state.runs)
  runs.delete(run)
  const services = new Map(state.services)
  for (const [kind, hit] of known.hits) {
    for (const [key, its] of Map.groupBy(hit, serviceKey)) {
      const service = services.get(key) ?? newService(key)
      const versions = versionsOf([...its, ...known.seen.filter(seen => serviceKey(seen) === key)])
      const cell: TriedCell = { verdict, run, experiment: known.experiment, atMs: known.sealedAtMs ?? judgedAtMs, version: versions.find((_, __, { length }) => length === 1) ?? null }
      if (isLater(cell, service.cells.get(kind))) services.set(key, { ...service, cells: new Map(service.cells).set(kind, cell) })
    }
  }
  return { ...state, runs, services: latest(services) }
}

function newService(key: string): CoveredService {
  const [namespace, app] = JSON.parse(key) as [string, string] // as `serviceKey` made it
  return { namespace, app, cells: new Map() }
}

const versionsOf = (services: readonly TestedService[]): string[] => [...new Set(services.map(({ version }) => version))].sort()

interface Dated { atMs: number; run: string }
/** Of two of one date the order of their names decides, so that it is always the same one. */
const isLater = (one: Dated, other: Dated | undefined): boolean => !other || one.atMs > other.atMs || one.atMs === other.atMs && one.run >= other.run

/** The last that came in. */
const newest = <V>(map: Map<string, V>, most: number): Map<string, V> => map.size <= most ? map : new Map([...map].slice(map.size - most))

/** Those of which something was heard last: namespaces come and go, with a service of a new name in each. */
function latest(services: Map<string, CoveredService>): Map<string, CoveredService> {
  if (services.size <= coverageLimits.services) return services
  const heardMs = ({ cells, declared }: CoveredService) => Math.max(declared?.atMs ?? 0, ...[...cells.values()].map(({ atMs }) => atMs))
  return new Map([...services].sort(([, a], [, b]) => heardMs(b) - heardMs(a)).slice(0, coverageLimits.services))
}

const named = z.object({ metadata: z.object({ name: z.string() }) })
/** As it was written: a later version of the format may not be readable as a whole, but its name is where it always was. */
const nameOf = (experiment: unknown): string => named.safeParse(experiment).data?.metadata.name ?? ''
