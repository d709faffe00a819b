import { z } from 'zod'
import type { Pick } from '#shared/target.ts'
import { ratio } from '#shared/units.ts'

/**
 * How much of what a fault's target names the fault may hit, and whether budgets of disruption count. Stands in an experiment once, holds for
 * each of its faults, and is checked by the plan, when targets are resolved, and by the agent that acts.
 */
export const blastRadius = z.strictObject({
  maxTargets: z.int().min(1).max(1_000).default(10).describe('A fault that would hit more than this is refused'),
  maxShare: ratio().default(1).describe('A fault that would hit more than this share of those that match is refused'),
  disruptionBudgets: z.enum(['respect', 'ignore']).default('respect')
    .describe('respect: a fault that makes pods unavailable is refused where a PodDisruptionBudget allows no more of it'),
})
export type BlastRadius = z.output<typeof blastRadius>

export const usualBlastRadius: BlastRadius = blastRadius.parse({})

/** How many of `matching` a target takes. A share is rounded down, but is one at least. Pure. */
export function takes(pick: Pick, matching: number): number {
  if (pick === 'all') return matching
  if (pick === 'one') return 1
  if (typeof pick === 'number') return pick
  return Math.max(1, Math.floor(Number.parseInt(pick, 10) * matching / 100))
}

/** Why so many are too many, or nothing. Pure. */
export function overCap({ maxTargets, maxShare }: BlastRadius, taken: number, matching: number): string | undefined {
  if (taken > maxTargets) return `it would hit ${taken} targets, and blastRadius.maxTargets is ${maxTargets}`
  if (taken > maxShare * matching) return `it would hit ${taken} of ${matching} targets that match, and blastRadius.maxShare is ${Math.round(maxShare * 100)}%`
  return undefined
}
