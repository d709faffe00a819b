import { setTimeout as delay } from 'node:timers/promises'
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import type { PlannedTarget } from '#shared/commands.ts'
import { messageOf } from '#shared/errors.ts'
import { codeOf, unless, unlessMissing } from '#shared/kubernetes-answer.ts'
import type { BoundNode } from '#shared/target.ts'
import type { ApiUndo } from '../journal.ts'
import { refusedNamespaces } from '../node-driver.ts'
import type { Seen, StepInHand } from '../step-in-hand.ts'
import { ask, type Kubernetes } from './kubernetes.ts'
import { demandNode } from './node-targets.ts'
import { optInLabel, hasOptedIn } from './opt-in.ts'
import { remove, type Budgets } from './pod-deletion.ts'

/** On the node, by whom it was cordoned: whoever takes it away keeps the node cordoned. */
const cordonedBy = 'faultline.dev/cordoned-by'
const retryMs = 1_000
/** Of a patch whose node was changed in between. */
const mostTries = 5
type Uncordon = ApiUndo & { undo: 'uncordon' }

export function describeDrain({ node: { name } }: BoundNode, budgets: Budgets): PlannedTarget['steps'][number] {
  const how = budgets === 'respect' ? '' : ' --disable-eviction'
  return { lease: 'restorer', act: `kubectl drain ${name} --ignore-daemonsets --delete-emptydir-data${how} (only pods of namespaces that have opted in)`, undo: `kubectl uncordon ${name}` }
}

export function prepareDrain(kubernetes: Kubernetes, target: BoundNode, budgets: Budgets, id: string): StepInHand {
  const { node } = target
  const undo: Uncordon = { undo: 'uncordon', node: node.name, uid: node.uid, mark: id }
  return {
    undo,
    async act({ requireTimeLeft }) {
      const wasBefore = await cordon(kubernetes, target, undo, requireTimeLeft)
      const pods = await ask(`pods on ${node.name}`, kubernetes.core.listPodForAllNamespaces({ fieldSelector: `spec.nodeName=${node.name}` }))
      const { evicted, left } = sortPods(pods.items, await optedInNamespaces(kubernetes))
      requireTimeLeft()
      const { going, held, failed } = await evict(kubernetes, evicted, budgets)
      if (held.length > 0) void keepEvicting(kubernetes, undo, held, budgets)
      const now = await ask(`the node ${node.name}`, kubernetes.core.readNode({ name: node.name }))
      return {
        verified: now.spec?.unschedulable === true && failed.length === 0,
        readBack: [
          `${node.name} is ${now.spec?.unschedulable ? `cordoned${wasBefore ? ', and was before' : ''}` : 'NOT cordoned'}`,
          ...going.map(pod => `${nameOf(pod)} is evicted`), ...held.map(pod => `${nameOf(pod)} is held back by a PodDisruptionBudget; tried again`),
          ...failed, ...left.map(({ pod, why }) => `${nameOf(pod)} stays: ${why}`),
        ],
      }
    },
  }
}

/**
 * Whether it was cordoned before; such a cordon is not ours. Cordon and mark come in one patch: there is no cordon of ours that is not marked as ours, and none of
 * somebody else's that is.
 */
async function cordon(kubernetes: Kubernetes, target: BoundNode, { node, mark }: Uncordon, requireTimeLeft: () => number): Promise<boolean> {
  const wasBefore = await patchAsRead(kubernetes, `cordoning ${node}`, async () => {
    const found = await demandNode(kubernetes, target)
    requireTimeLeft()
    return found.spec?.unschedulable ? { settled: true } : { found, mark, unschedulable: true }
  })
  return wasBefore ?? false
}

/** Repeatable. A node that bears another's mark, or none, was not cordoned by this fault, or somebody has taken it over. */
export async function uncordon(kubernetes: Kubernetes, { node, uid, mark }: Uncordon): Promise<Seen> {
  const read = () => ask(`the node ${node}`, unlessMissing(kubernetes.core.readNode({ name: node })))
  const isOurs = (found: V1Node | undefined) => found?.metadata?.annotations?.[cordonedBy] === mark
  const settled = await patchAsRead(kubernetes, `uncordoning ${node}`, async () => {
    const found = await read()
    if (!found || found.metadata?.uid !== uid) return { settled: 'gone, or another by now' }
    if (!isOurs(found)) return { settled: found.spec?.unschedulable ? 'cordoned, and not by this fault' : 'schedulable' }
    return { found, mark: null, unschedulable: null }
  })
  if (settled !== undefined) return { verified: true, readBack: [`${node} is ${settled}`] }
  const after = await read()
  return { verified: !isOurs(after), readBack: [`${node} is ${after?.spec?.unschedulable ? 'cordoned' : 'schedulable'}`] }
}

/** What is to become of a node, by what was read of it: nothing, for the reason in `settled`; or these two, where null takes one away. */
type Reading<T> = { settled: T } | { found: V1Node; mark: string | null; unschedulable: true | null }

/**
 * Changes a node as it was read, and in no other state: where it was changed in between (409), by its kubelet most likely, all begins anew with another look.
 * Gives what `look` finds settled; undefined when the patch is done. Rejects with FaultRefused.
 */
async function patchAsRead<T>({ core, mergePatch }: Kubernetes, doing: string, look: () => Promise<Reading<T>>): Promise<T | undefined> {
  for (let tried = 1; ; tried++) {
    const reading = await look()
    if ('settled' in reading) return reading.settled
    const { found: { metadata }, mark, unschedulable } = reading
    const body = { metadata: { uid: metadata?.uid, resourceVersion: metadata?.resourceVersion, annotations: { [cordonedBy]: mark } }, spec: { unschedulable } }
    const patch = core.patchNode({ name: metadata?.name ?? '', body }, mergePatch)
    if (await ask(doing, tried < mostTries ? unless([409], patch) : patch)) return undefined
  }
}

/** Who goes, and who stays for what reason. Pure. */
export function sortPods(pods: readonly V1Pod[], optedIn: ReadonlySet<string>): { evicted: V1Pod[]; left: { pod: V1Pod; why: string }[] } {
  const evicted: V1Pod[] = []
  const left: { pod: V1Pod; why: string }[] = []
  for (const pod of pods) {
    const { metadata, status } = pod
    if (status?.phase === 'Succeeded' || status?.phase === 'Failed' || metadata?.deletionTimestamp) continue
    const controller = metadata?.ownerReferences?.find(reference => reference.controller)?.kind
    if (controller === 'DaemonSet' || controller === 'Node' || metadata?.annotations?.['kubernetes.io/config.mirror'] !== undefined) continue // each node has its own
    const namespace = metadata?.namespace ?? ''
    if (!optedIn.has(namespace)) left.push({ pod, why: `the namespace ${namespace} has not opted in` })
    else if (controller === undefined) left.push({ pod, why: 'no controller would make it again' })
    else evicted.push(pod)
  }
  return { evicted, left }
}

async function optedInNamespaces({ core }: Kubernetes): Promise<Set<string>> {
  const { items } = await ask('the namespaces', core.listNamespace({ labelSelector: optInLabel }))
  return new Set(items.flatMap(({ metadata }) => hasOptedIn(metadata?.labels) && !refusedNamespaces.includes(metadata?.name ?? '') ? metadata?.name ?? [] : []))
}

async function evict(kubernetes: Kubernetes, pods: readonly V1Pod[], budgets: Budgets): Promise<{ going: V1Pod[]; held: V1Pod[]; failed: string[] }> {
  const answers = await Promise.all(pods.map(async pod => {
    const { namespace = '', name = '', uid = '' } = pod.metadata ?? {}
    try {
      await remove(kubernetes, { namespace, name, uid }, budgets, null)
      return { pod, is: 'going' as const }
    } catch (error) {
      const code = codeOf(error)
      if (code === 404 || code === 409) return { pod, is: 'going' as const } // gone, or another by now
      return code === 429 ? { pod, is: 'held' as const } : { pod, is: 'failed' as const, why: `${nameOf(pod)} could not be evicted: ${messageOf(error)}` }
    }
  }))
  const that = (is: 'going' | 'held') => answers.filter(answer => answer.is === is).map(({ pod }) => pod)
  return { going: that('going'), held: that('held'), failed: answers.flatMap(({ why }) => why ?? []) }
}

/** As kubectl drain does, for as long as the node bears the fault's mark: a budget allows more when the first have been replaced elsewhere. */
async function keepEvicting(kubernetes: Kubernetes, { node, mark }: Uncordon, pods: readonly V1Pod[], budgets: Budgets): Promise<void> {
  let held = pods
  while (held.length > 0) {
    await delay(retryMs)
    const now = await kubernetes.core.readNode({ name: node }).catch(() => undefined)
    if (now?.metadata?.annotations?.[cordonedBy] !== mark) return
    held = (await evict(kubernetes, held, budgets)).held
  }
}

const nameOf = ({ metadata }: V1Pod): string => `${metadata?.namespace}/${metadata?.name}`
