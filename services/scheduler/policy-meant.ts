import { readOrigin, type Origin } from './experiment-object.ts'
import type { PolicySummary } from './policies.ts'

type Named = Pick<PolicySummary, 'name' | 'by'>

/** `object`: of Kubernetes, which asks for it. `why` says which there are. */
export type Meant = { is: 'one'; name: string; object: Origin | undefined } | { is: 'none' | 'several'; why: string }

/**
 * Which policy somebody means who says its own name, or that of its object as `NAME` or `NAMESPACE/NAME`: an object's policy is called `NAME-UID8`, which
 * nobody has written. An own name goes before an object's. Pure.
 */
export function policyMeant(said: string, policies: readonly Named[]): Meant {
  const own = policies.find(({ name }) => name === said)
  const [one, ...others] = own ? [own] : policies.filter(({ by }) => isObject(said, readOrigin(by)))
  if (!one) return { is: 'none', why: `no policy ${said}; ${policies.length === 0 ? 'there is none' : `there ${policies.length === 1 ? 'is' : 'are'} ${policies.map(printNames).join(', ')}`}` }
  if (others.length > 0) return { is: 'several', why: `several policies are of an object ${said}: ${[one, ...others].map(printNames).join(', ')}; say NAMESPACE/NAME, or the policy's own name` }
  return { is: 'one', name: one.name, object: readOrigin(one.by) }
}

const isObject = (said: string, object: Origin | undefined) => object !== undefined && (said === object.name || said === `${object.namespace}/${object.name}`)

/** `low-rate-0a1b2c3d (staging/low-rate)`; its own name alone where no object asks for it. Pure. */
export function printNames({ name, by }: { name: string; by?: string | undefined }): string {
  const object = readOrigin(by)
  return object ? `${name} (${object.namespace}/${object.name})` : name
}
