import type { InvariantName } from './invariants.ts'
import type { Plan } from './plan.ts'

/**
 * The smallest plan that still violates the invariant: runs and disturbances are left out one by one, again and again, until each that is left is
 * needed. `violates` plays a plan.
 */
export async function shrink(plan: Plan, invariant: InvariantName, violates: (plan: Plan) => Promise<readonly InvariantName[]>): Promise<Plan> {
  let smallest = plan
  for (let isSmaller = true; isSmaller;) {
    isSmaller = false
    for (const candidate of smallerThan(smallest)) {
      if (!(await violates(candidate)).includes(invariant)) continue
      smallest = candidate
      isSmaller = true
      break
    }
  }
  return smallest
}

function* smallerThan(plan: Plan): Generator<Plan> {
  for (const index of plan.documents.keys()) if (plan.documents.length > 1) yield { ...plan, documents: plan.documents.toSpliced(index, 1) }
  for (const index of plan.disturbances.keys()) yield { ...plan, disturbances: plan.disturbances.toSpliced(index, 1) }
}
