import type { V1Node, V1Pod } from '@kubernetes/client-node'
import { takes, type BlastRadius } from '#shared/blast-radius.ts'
import { printLabels, printTargetSpec, type BoundNode, type NodesTarget } from '#shared/target.ts'
import { FaultRefused } from '../fault-refused.ts'
import { resolvePods, type ResolverWorld } from '../pod-resolver.ts'
import { pickTargets } from '../process-targets.ts'
import { ask, isRunning, type Kubernetes } from './kubernetes.ts'
import { hasOptedIn, howToOptIn } from './opt-in.ts'
import { servicesOn } from './tested-services.ts'

const ownNamespace = 'faultline-system'
/** Of these there are several on several nodes, so that one may go. */
const expendableLabel = 'faultline.dev/expendable'

/** A node that a target names, and which of faultline's control pods it carries. */
export interface CandidateNode { name: string; uid: string; isOptedIn: boolean; control: readonly string[] }

/** Rejects with FaultRefused. */
export async function findNodes(target: NodesTarget, run: string, blastRadius: BlastRadius, world: ResolverWorld): Promise<BoundNode[]> {
  const { kubernetes } = world
  const [named, own, carrying] = await Promise.all([
    nodesNamed(kubernetes, target), ask(`pods of ${ownNamespace}`, kubernetes.core.listNamespacedPod({ namespace: ownNamespace })), nodesCarrying(target, world),
  ])
  const found = named.flatMap(({ metadata }): CandidateNode[] => {
    const { name, uid, labels } = metadata ?? {}
    if (name === undefined || uid === undefined || !(carrying?.has(name) ?? true)) return []
    return [{ name, uid, isOptedIn: hasOptedIn(labels), control: controlPodsOn(name, own.items) }]
  })
  if (found.length === 0) throw new FaultRefused(`there is no such node: ${printTargetSpec({ nodes: target })}`)
  return Promise.all(chooseNodes(found, target, run, blastRadius).map(async ({ name, uid }) => (
    { id: `node:${uid}`, node: { name, uid }, services: await servicesOn(kubernetes, name), description: `node ${name}` })))
}

/** The same node still, opted in still, and free of control pods. Rejects with FaultRefused. */
export async function demandNode({ core }: Kubernetes, { node: { name, uid } }: BoundNode): Promise<V1Node> {
  const [node, own] = await Promise.all([
    ask(`the node ${name}`, core.readNode({ name })), ask(`pods of ${ownNamespace}`, core.listNamespacedPod({ namespace: ownNamespace })),
  ])
  if (node.metadata?.uid !== uid) throw new FaultRefused(`the node ${name} is another by now; plan again`)
  const why = refusalOf({ name, uid, isOptedIn: hasOptedIn(node.metadata.labels), control: controlPodsOn(name, own.items) })
  if (why !== undefined) throw new FaultRefused(why)
  return node
}

/**
 * Those that may be hit are chosen among. A target that asks for all of them, or for more than may be hit, is refused by the name of one that may not.
 * Pure. Throws FaultRefused.
 */
export function chooseNodes(found: readonly CandidateNode[], { pick, name }: NodesTarget, run: string, blastRadius: BlastRadius): CandidateNode[] {
  const isNamed = name !== undefined
  const allowed = found.filter(node => refusalOf(node) === undefined)
  const optedIn = isNamed ? found : found.filter(node => node.isOptedIn) // labels ask for nodes that take part, a name for this one
  const wanted = takes(pick, optedIn.length)
  if (allowed.length < wanted || allowed.length === 0) {
    const whys = (optedIn.length > 0 ? optedIn : found).flatMap(node => refusalOf(node) ?? [])
    throw new FaultRefused(whys.join('; ') || `the target asks for ${wanted} nodes, but only ${allowed.length} match`)
  }
  return pickTargets(allowed.map(node => ({ ...node, id: `node:${node.uid}` })), typeof pick === 'string' && pick.endsWith('%') ? wanted : pick, run, blastRadius)
}

function refusalOf({ name, isOptedIn, control }: CandidateNode): string | undefined {
  if (!isOptedIn) return `the node ${name} has not opted in; ${howToOptIn(name)}`
  if (control.length > 0) return `the node ${name} carries ${control.join(', ')} of faultline itself, which would be lost with it; choose another node, or let them move`
  return undefined
}

/** faultline's own pods there, but for those of DaemonSets, which every node has, and those that are expendable. Pure. */
export function controlPodsOn(node: string, own: readonly V1Pod[]): string[] {
  return own.flatMap(({ metadata, spec, status }) => {
    const isOfDaemonSet = metadata?.ownerReferences?.some(({ kind }) => kind === 'DaemonSet') ?? false
    const isOver = status?.phase === 'Succeeded' || status?.phase === 'Failed'
    return spec?.nodeName === node && !isOfDaemonSet && !isOver && metadata?.labels?.[expendableLabel] !== 'true' ? [metadata?.name ?? ''] : []
  })
}

async function nodesNamed({ core }: Kubernetes, { name, labels }: NodesTarget): Promise<V1Node[]> {
  const { items } = await ask('the nodes', core.listNode(labels ? { labelSelector: printLabels(labels) } : {}))
  return name === undefined ? items : items.filter(({ metadata }) => metadata?.name === name)
}

async function nodesCarrying({ running }: NodesTarget, world: ResolverWorld): Promise<ReadonlySet<string> | undefined> {
  if (!running) return undefined
  const pods = (await resolvePods(running, running.namespace, world)).filter(isRunning)
  return new Set(pods.flatMap(({ spec }) => spec?.nodeName ?? []))
}
