import type { z } from 'zod'
import type { Path } from '#shared/experiment-yaml.ts'
import { complement } from '#shared/gate-share.ts'
import { openSloDocument, sliceMs, type DataSource, type Metric, type SliSpec, type SloDocument, type WrittenObjective } from '#shared/openslo.ts'
import { openRanges, type BareSelectors, type OpenQuery } from '#shared/promql-range.ts'
import type { Indicator, Objective, OverRange, ServiceLevel } from '#shared/service-level.ts'

/** Why a document cannot be used. `path` begins with the document's index in the list; `expected` follows "expected". */
export interface Refusal { path: Path; expected: string }

/** Either the level, or why there is none. `document`: its index in the list; `uses`: those of the documents that it refers to. */
export interface ReadLevel { name: string; document: number; uses: readonly number[]; level?: ServiceLevel; refusals: readonly Refusal[] }

export interface ReadServiceLevels {
  levels: ReadLevel[]
  /** What is no OpenSLO v1 at all; each path begins with the document's index. */
  issues: z.core.$ZodIssue[]
  /** Documents that say nothing of how a service is measured, by kind and name. */
  passedOver: string[]
}

interface Known {
  slis: ReadonlyMap<string, { spec: SliSpec; document: number }>
  dataSources: ReadonlyMap<string, { source: DataSource; document: number }>
}

/** Pure: what the OpenSLO documents say, those that name each other put together. An SLO that cannot be a gate takes no other with it. */
export function readServiceLevels(documents: readonly unknown[]): ReadServiceLevels {
  const issues: z.core.$ZodIssue[] = []
  const passedOver: string[] = []
  const slos: { slo: SloDocument; document: number }[] = []
  const slis = new Map<string, { spec: SliSpec; document: number }>()
  const dataSources = new Map<string, { source: DataSource; document: number }>()
  const names = new Set<string>()
  for (const [document, written] of documents.entries()) {
    const parsed = openSloDocument.safeParse(written)
    if (!parsed.success) {
      issues.push(...parsed.error.issues.map(issue => ({ ...issue, path: [document, ...issue.path] })))
      continue
    }
    const { kind, metadata: { name } } = parsed.data
    if (names.has(`${kind} ${name}`)) issues.push({ code: 'custom', path: [document, 'metadata', 'name'], message: `a name of its own; another ${kind} is called that too`, input: name })
    names.add(`${kind} ${name}`)
    switch (parsed.data.kind) {
      case 'SLO': slos.push({ slo: parsed.data, document }); break
      case 'SLI': slis.set(name, { spec: parsed.data.spec, document }); break
      case 'DataSource': dataSources.set(name, { source: parsed.data, document }); break
      default: passedOver.push(`${kind} ${name}`)
    }
  }
  return { levels: slos.map(({ slo, document }) => readLevel(slo, document, { slis, dataSources })), issues, passedOver }
}

function readLevel({ metadata: { name }, spec }: SloDocument, document: number, known: Known): ReadLevel {
  const reading = new Reading(known)
  const at: Path = [document, 'spec']
  const found = reading.sliOf(spec, at)
  const indicator = found && reading.indicatorOf(found.spec, found.at)
  const objectives = spec.objectives.flatMap((written, index) => reading.objectiveOf(written, spec.budgetingMethod, found?.spec.thresholdMetric !== undefined, [...at, 'objectives', index]))
  if (found?.spec.thresholdMetric && spec.objectives.length > 1) reading.refuse([...at, 'objectives'], 'one objective; a thresholdMetric has no more')
  const { refusals, uses } = reading
  if (!indicator || refusals.length > 0) return { name, document, refusals, uses }
  return { name, document, refusals, uses, level: { name, service: spec.service ?? null, budgeting: spec.budgetingMethod, indicator, objectives } }
}

/** One SLO while it is read: what is wrong with it is gathered, so that all of it is told at once. */
class Reading {
  readonly refusals: Refusal[] = []
  readonly uses: number[] = []
  readonly #known: Known

  constructor(known: Known) {
    this.#known = known
  }

  refuse(path: Path, expected: string): undefined {
    this.refusals.push({ path, expected })
  }

  sliOf({ indicator, indicatorRef, objectives }: SloDocument['spec'], at: Path): { spec: SliSpec; at: Path } | undefined {
    const composite = objectives.findIndex(objective => objective.indicator !== undefined || objective.indicatorRef !== undefined || objective.compositeWeight !== undefined)
    if (composite >= 0) return this.refuse([...at, 'objectives', composite], 'an objective without an indicator of its own; composite SLOs are not read')
    if ((indicator === undefined) === (indicatorRef === undefined)) return this.refuse(at, 'either indicator or indicatorRef')
    if (indicator) return { spec: indicator.spec, at: [...at, 'indicator', 'spec'] }
    const found = this.#known.slis.get(indicatorRef ?? '')
    if (!found) return this.refuse([...at, 'indicatorRef'], `the name of an SLI that is there: ${[...this.#known.slis.keys()].join(', ') || 'there is none'}`)
    this.uses.push(found.document)
    return { spec: found.spec, at: [found.document, 'spec'] }
  }

  indicatorOf({ thresholdMetric, ratioMetric }: SliSpec, at: Path): Indicator | undefined {
    if ((thresholdMetric === undefined) === (ratioMetric === undefined)) return this.refuse(at, 'either thresholdMetric or ratioMetric')
    if (thresholdMetric) {
      const opened = this.#open(thresholdMetric, 'kept', [...at, 'thresholdMetric'])
      return opened && { is: 'value', over: opened.over }
    }
    return ratioMetric && this.#share(ratioMetric, [...at, 'ratioMetric'])
  }

  #share({ counter, good, bad, total, raw, rawType }: NonNullable<SliSpec['ratioMetric']>, at: Path): Indicator | undefined {
    if (raw) {
      if (good ?? bad ?? total) return this.refuse(at, 'raw alone, or total with good or bad')
      if (rawType === undefined) return this.refuse(at, 'rawType: success or failure, beside raw')
      const opened = this.#open(raw, 'avg_over_time', [...at, 'raw'])
      return opened && { is: 'share', badOver: rawType === 'failure' ? opened.over : windowMs => `1 - (${opened.over(windowMs)})` }
    }
    if (!total || (good === undefined) === (bad === undefined)) return this.refuse(at, 'total with either good or bad, or raw')
    const bare = counter === undefined ? 'refused' : counter ? 'increase' : 'sum_over_time'
    const part = this.#open(good ?? bad ?? total, bare, [...at, good ? 'good' : 'bad'])
    const all = this.#open(total, bare, [...at, 'total'])
    if (!part || !all) return undefined
    if (part.readBy !== all.readBy) return this.refuse(at, `the same functions in both queries; one is read by ${part.readBy || 'none'}, total by ${all.readBy || 'none'}`)
    const share: OverRange = windowMs => `${orNone(part, windowMs)} / sum(${all.over(windowMs)})`
    return { is: 'share', badOver: good ? windowMs => `1 - ${share(windowMs)}` : share }
  }

  #open(metric: Metric, bare: BareSelectors, at: Path): OpenQuery | undefined {
    const query = this.#queryOf(metric, [...at, 'metricSource'])
    if (query === undefined) return undefined
    const opened = openRanges(query, bare)
    return 'problem' in opened ? this.refuse([...at, 'metricSource', 'spec', 'query'], opened.problem) : opened
  }

  #queryOf({ metricSource: { metricSourceRef, type, spec } }: Metric, at: Path): string | undefined {
    const referred = metricSourceRef === undefined ? undefined : this.#known.dataSources.get(metricSourceRef)
    if (referred) this.uses.push(referred.document)
    const from = type ?? referred?.source.spec.type
    if (from === undefined) {
      return metricSourceRef === undefined ? this.refuse(at, 'type: Prometheus') : this.refuse([...at, 'metricSourceRef'], 'the name of a DataSource that is there, or type: Prometheus beside it')
    }
    if (from.toLowerCase() !== 'prometheus') {
      return type === undefined ? this.refuse([...at, 'metricSourceRef'], `a DataSource of type Prometheus; this one is ${from}`) : this.refuse([...at, 'type'], 'Prometheus; no other source of metrics is read')
    }
    const query = spec?.['query']
    return typeof query === 'string' ? query : this.refuse([...at, 'spec'], 'query: PromQL')
  }

  objectiveOf({ displayName, op, value, target, targetPercent, timeSliceTarget, timeSliceWindow }: WrittenObjective, budgeting: ServiceLevel['budgeting'], isThreshold: boolean, at: Path): Objective[] {
    const refused = (expected: string): Objective[] => {
      this.refuse(at, expected)
      return []
    }
    const met = target ?? (targetPercent === undefined ? undefined : targetPercent / 100)
    if (met === undefined || (target !== undefined && targetPercent !== undefined)) return refused('either target or targetPercent')
    if (isThreshold && (op === undefined || value === undefined)) return refused('op and value, against which the thresholdMetric is held')
    if (budgeting === 'Timeslices' && timeSliceTarget === undefined) return refused('timeSliceTarget, which Timeslices have')
    if (budgeting !== 'Occurrences' && timeSliceWindow === undefined) return refused(`timeSliceWindow, which ${budgeting} have`)
    return [{
      displayName: displayName ?? null,
      budget: complement(met),
      ...(isThreshold && op !== undefined && value !== undefined && { threshold: { op, value } }),
      ...(budgeting !== 'Occurrences' && timeSliceWindow !== undefined && {
        slice: { lengthMs: sliceMs(timeSliceWindow), ...(budgeting === 'Timeslices' && timeSliceTarget !== undefined && { badShare: complement(timeSliceTarget) }) },
      }),
    }]
  }
}

/** Many counters get a series with their first event: none yet is 0, but only while their metric is there with these labels. What is misspelt is no data. */
function orNone({ over, anyValues }: OpenQuery, windowMs: number): string {
  return anyValues ? `(sum(${over(windowMs)}) or 0 * sum(${anyValues(windowMs)}))` : `sum(${over(windowMs)})`
}
