import { z } from 'zod'
import type { GateRule, SloBinding } from '#shared/gate.ts'
import type { Objective, ServiceLevel } from '#shared/service-level.ts'

/** What gates on an SLO of the experiment have in common. */

export const sloName = () => z.string().min(1).max(255).describe('Name of an SLO that the experiment has under slos')
export const objectiveName = () => z.string().min(1).max(255).optional().describe('displayName of one of its objectives, where it has several')

/** The PromQL reads no load metrics, and a block of samples says nothing of it. */
export const onlyByPromql: Pick<GateRule, 'readsLoadMetrics' | 'measure'> = {
  readsLoadMetrics: false,
  measure: () => ({ is: 'no-data', why: 'a gate on an SLO reads Prometheus only' }),
}

/** The rule of a gate whose SLO is not known yet: the experiment binds it as soon as all of its keys are. */
export function unboundRule(slo: SloBinding): GateRule {
  return { description: `the SLO ${slo.name}`, limit: { value: Infinity, breaksWhen: 'above', unit: 'number' }, ...onlyByPromql, query: () => '', slo }
}

/** The one objective that is meant, or what was expected. */
export function chooseObjective({ objectives }: ServiceLevel, displayName: string | undefined): Objective | { expected: string } {
  const meant = displayName === undefined ? objectives : objectives.filter(objective => objective.displayName === displayName)
  const [only, ...others] = meant
  if (only && others.length === 0) return only
  const names = objectives.flatMap(objective => objective.displayName ?? [])
  if (names.length < objectives.length) return { expected: 'an SLO whose objectives each have a displayName, by which one of them can be chosen' }
  return { expected: `the displayName of one objective: ${names.join(', ')}` }
}

/** A threshold's operator, as it follows "must be". */
export const thresholdWords = { lte: 'at most', lt: 'below', gte: 'at least', gt: 'above' } as const
