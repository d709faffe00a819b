import type { V1Pod } from '@kubernetes/client-node'
import type { PeerSide, PodSelector } from '#shared/target.ts'
import { printPeerSide } from '#shared/target.ts'
import { FaultRefused } from '../fault-refused.ts'
import { resolvePods, type ResolverWorld } from '../pod-resolver.ts'
import { ask, type Kubernetes } from './kubernetes.ts'
import { recordsNamespace as ownNamespace } from './fault-records.ts'

/** Addresses of all sides together, each once. A side that is empty is refused: the fault would be another than the one asked for. */
export async function addressesOf(world: ResolverWorld, sides: readonly PeerSide[], own: string): Promise<string[]> {
  const found = await Promise.all(sides.map(async side => {
    const addresses = await addressesOfSide(world, side, own)
    if (addresses.length === 0) throw new FaultRefused(`it has another side, and nobody is there: ${printPeerSide(side)}`)
    return addresses
  }))
  return [...new Set(found.flat())].sort()
}

function addressesOfSide(world: ResolverWorld, side: PeerSide, own: string): Promise<string[]> {
  if ('apiServer' in side) return ofApiServer(world.kubernetes)
  if ('faultline' in side) return ofPods(world, { labels: { 'app.kubernetes.io/name': side.faultline } }, ownNamespace)
  return ofPods(world, side, side.namespace ?? own)
}

/**
 * Of the pods, and of the Services that lead to them and to nobody else: a client's packets bear a Service's address until they have left its
 * own pod. A Service that leads to others too is left alone, since cutting it would cut those.
 */
async function ofPods(world: ResolverWorld, selector: PodSelector, namespace: string): Promise<string[]> {
  const pods = await resolvePods(selector, namespace, world)
  const onHost = pods.find(({ spec }) => spec?.hostNetwork)
  if (onHost) throw new FaultRefused(`${namespace}/${onHost.metadata?.name} is on its host's network: cutting its address would cut the node`)
  const { core } = world.kubernetes
  const [services, all] = await Promise.all([
    ask(`services of ${namespace}`, core.listNamespacedService({ namespace })), ask(`pods of ${namespace}`, core.listNamespacedPod({ namespace })),
  ])
  const leadingHere = services.items.filter(({ spec }) => spec?.selector && leadsOnlyTo(spec.selector, all.items, pods))
  const addresses = [
    ...pods.flatMap(({ status }) => status?.podIPs?.map(({ ip }) => ip) ?? []),
    ...leadingHere.flatMap(({ spec }) => spec?.clusterIPs ?? []).filter(address => address !== 'None'),
  ]
  return [...new Set(addresses)]
}

/** Whether a Service of this selector leads to some of these pods, and to no other of the namespace. Pure. */
export function leadsOnlyTo(selector: Readonly<Record<string, string>>, all: readonly V1Pod[], pods: readonly V1Pod[]): boolean {
  const uids = new Set(pods.map(({ metadata }) => metadata?.uid))
  const led = all.filter(({ metadata }) => Object.entries(selector).every(([name, value]) => metadata?.labels?.[name] === value))
  return led.length > 0 && led.every(({ metadata }) => uids.has(metadata?.uid))
}

/** What pods reach the API server by: the Service `kubernetes`, and where that leads. */
async function ofApiServer({ core }: Kubernetes): Promise<string[]> {
  const what = { namespace: 'default', name: 'kubernetes' }
  const [service, endpoints] = await Promise.all([
    ask('the Service of the API server', core.readNamespacedService(what)), ask('the endpoints of the API server', core.readNamespacedEndpoints(what)),
  ])
  return [...service.spec?.clusterIPs ?? [], ...endpoints.subsets?.flatMap(({ addresses }) => addresses?.map(({ ip }) => ip) ?? []) ?? []]
}
