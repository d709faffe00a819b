import { z } from 'zod'

/** A service of the system under test, as it was when something was done to it or it was looked for. */
export const testedServiceSchema = z.strictObject({
  namespace: z.string().describe('in Kubernetes; empty elsewhere'),
  app: z.string().describe('its pods\' label app.kubernetes.io/name, else app, else their workload\'s name'),
  version: z.string().describe('its pods\' label app.kubernetes.io/version, else the tag or digest of their first container\'s image'),
})
export type TestedService = z.output<typeof testedServiceSchema>

export const printService = ({ namespace, app }: Pick<TestedService, 'namespace' | 'app'>): string => namespace === '' ? app : `${namespace}/${app}`

/** Each once, in a settled order; in an update one service has two versions, and stands there twice. Pure. */
export function distinctServices(found: readonly TestedService[]): TestedService[] {
  const byKey = new Map(found.map(service => [JSON.stringify([service.namespace, service.app, service.version]), service]))
  return [...byKey].toSorted(([a], [b]) => a < b ? -1 : 1).map(([, service]) => service)
}
