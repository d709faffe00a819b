import { preferenceOf, type Coverage } from '#shared/coverage.ts'
import { areSame, serviceOfTarget } from '#shared/policy-services.ts'
import type { Template } from '#shared/policy.ts'

/**
 * How much rather than others a template is to be chosen: as much as the least known of what it does to whom (preferenceOf in coverage.ts). A target that
 * could be several services counts as each of them. Without faults nothing speaks for it. Pure.
 */
export function preferenceOfTemplate(coverage: Coverage, { experiment: { faults } }: Pick<Template, 'experiment'>): number {
  return Math.max(1, ...faults.flatMap(({ kind, target }) => {
    const key = serviceOfTarget(target)
    const possible = coverage.services.filter(service => areSame(key, service))
    return (possible.length > 0 ? possible : [key]).map(service => preferenceOf(coverage, service, kind))
  }))
}
