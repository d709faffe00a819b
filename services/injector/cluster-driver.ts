import type { CoreV1Api, V1Pod } from '@kubernetes/client-node'
import { setTimeout as delay } from 'node:timers/promises'
import type { ResolvedTarget } from '#shared/commands.ts'
import type { Clock } from '#shared/clock.ts'
import type { Doer, FaultSpec, Step } from '#shared/fault.ts'
import { faultKinds } from '#shared/registry.ts'
import { isProcess, printLabels, type BoundPod, type BoundTarget, type PeerPods } from '#shared/target.ts'
import { messageOf } from '#shared/errors.ts'
import { kindsDoneBy, type Driver } from './driver.ts'
import { FaultRefused } from './fault-refused.ts'
import { refusedNamespaces } from './node-driver.ts'
import { pickTargets } from './process-targets.ts'
import type { Seen, StepInHand } from './step-in-hand.ts'
import type { VoucherIssuer } from './voucher.ts'

export interface ClusterDriverOptions {
  api: CoreV1Api
  vouchers: VoucherIssuer
  /** Name of this agent, to which what only the API can do is addressed. */
  agent: string
  clock: Clock
}

/** A namespace takes part only with this label. */
export const optInLabel = 'faultline.dev/chaos'
const optInValue = 'allowed'
const voucherMs = 60_000
const goneWithinMs = 10_000

/** What only the Kubernetes API can do: find pods by labels and vouch for their namespace, and delete them. */
export function clusterDriver({ api, vouchers, agent, clock }: ClusterDriverOptions): Driver {
  /** Throws FaultRefused unless the namespace has opted in. */
  async function demandOptIn(namespace: string): Promise<void> {
    if (refusedNamespaces.includes(namespace)) throw new FaultRefused(`the namespace ${namespace} is never touched, whatever its labels`)
    const found = await ask(`the namespace ${namespace}`, api.readNamespace({ name: namespace }))
    if (found.metadata?.labels?.[optInLabel] !== optInValue) {
      throw new FaultRefused(`the namespace ${namespace} has not opted in; kubectl label namespace ${namespace} ${optInLabel}=${optInValue}`)
    }
  }

  async function find(spec: FaultSpec, run: string): Promise<BoundPod[]> {
    const { pods } = spec.target
    if (!pods) throw new FaultRefused('the API-side agent touches pods only')
    await demandOptIn(pods.namespace)
    const labelSelector = printLabels(pods.labels)
    const { items } = await ask(`pods ${labelSelector}`, api.listNamespacedPod({ namespace: pods.namespace, labelSelector }))
    const bound = items.flatMap(bind)
    if (bound.length === 0) throw new FaultRefused(`no running pod in ${pods.namespace} bears ${labelSelector}; compare with: kubectl -n ${pods.namespace} get pods -l ${labelSelector}`)
    return pickTargets(bound, pods.pick, run)
  }

  return {
    kinds: kindsDoneBy('cluster'),
    async plan(spec, run) {
      const steps = clusterSteps(spec)
      return (await find(spec, run)).map(target => ({ target, steps: steps.map(step => describe(step, target)) }))
    },
    async resolve(spec, run) {
      const doer = doerOf(spec)
      const found = await find(spec, run)
      return {
        targets: found.map((target): ResolvedTarget => ({
          target, agent: doer === 'cluster' ? agent : target.pod.node, voucher: vouchers.issue(target.pod, clock.nowMs() + voucherMs),
        })),
        peers: spec.peers ? await addressesOf(api, spec.peers, spec.target.pods?.namespace ?? '') : [],
      }
    },
    async prepare({ spec, targets }) {
      const pods = targets.map(demandPod)
      for (const namespace of new Set(pods.map(({ pod }) => pod.namespace))) await demandOptIn(namespace)
      return pods.flatMap(target => clusterSteps(spec).map(step => deletePod(api, step, target)))
    },
  }
}

/**
 * Of the pods, and of the Services that lead to them and to nobody else: a client's packets bear a Service's address until they have left its
 * own pod. A Service that leads to others too is left alone, since cutting it would cut those.
 */
async function addressesOf(api: CoreV1Api, { namespace: named, labels }: PeerPods, own: string): Promise<string[]> {
  const namespace = named ?? own
  const labelSelector = printLabels(labels)
  const { items: pods } = await ask(`pods ${labelSelector} of ${namespace}`, api.listNamespacedPod({ namespace, labelSelector }))
  const onHost = pods.find(({ spec }) => spec?.hostNetwork)
  if (onHost) throw new FaultRefused(`${namespace}/${onHost.metadata?.name} is on its host's network: cutting its address would cut the node`)
  const { items: services } = await ask(`services of ${namespace}`, api.listNamespacedService({ namespace }))
  const leadingHere = services.filter(({ spec }) => spec?.selector && Object.entries(labels).every(([name, value]) => spec.selector?.[name] === value))
  const addresses = [
    ...pods.flatMap(({ status }) => status?.podIPs?.map(({ ip }) => ip) ?? []),
    ...leadingHere.flatMap(({ spec }) => spec?.clusterIPs ?? []).filter(address => address !== 'None'),
  ]
  return [...new Set(addresses)].sort()
}

const doerOf = ({ kind }: FaultSpec): Doer | undefined => faultKinds.get(kind)?.targets.pods

type ClusterStep = Step & { do: 'delete-pod' }

function clusterSteps(spec: FaultSpec): ClusterStep[] {
  return spec.plan({ cpuCount: 0, devices: [], peers: [] }).map(step => {
    if (step.do !== 'delete-pod') throw new FaultRefused(`${spec.kind} is done on the pod's node, not through the API`)
    return step
  })
}

/** Only what runs can be a target, and what is going already is none. */
function bind({ metadata, spec, status }: V1Pod): BoundPod[] {
  const { namespace, name, uid, deletionTimestamp } = metadata ?? {}
  if (namespace === undefined || name === undefined || uid === undefined || spec?.nodeName === undefined) return []
  if (status?.phase !== 'Running' || deletionTimestamp) return []
  return [{ id: `pod:${uid}`, pod: { namespace, name, uid, node: spec.nodeName }, description: `${namespace}/${name} on ${spec.nodeName}` }]
}

function demandPod(target: BoundTarget): BoundPod {
  if (isProcess(target)) throw new FaultRefused(`${target.id} is a process; the API-side agent touches pods only`)
  return target
}

function describe({ gracePeriodSeconds }: ClusterStep, { pod: { namespace, name, uid } }: BoundPod) {
  const grace = gracePeriodSeconds === null ? '' : ` --grace-period=${gracePeriodSeconds}${gracePeriodSeconds === 0 ? ' --force' : ''}`
  return { lease: 'none' as const, act: `kubectl -n ${namespace} delete pod ${name}${grace} (if its UID is ${uid})`, undo: 'none: its controller makes another' }
}

function deletePod(api: CoreV1Api, { gracePeriodSeconds }: ClusterStep, { pod: { namespace, name, uid } }: BoundPod): StepInHand {
  return {
    undo: { undo: 'nothing' },
    async act() {
      await ask(`deleting ${namespace}/${name}`, api.deleteNamespacedPod({
        namespace, name, body: { preconditions: { uid }, ...(gracePeriodSeconds !== null && { gracePeriodSeconds }) },
      }))
      return untilGone(api, { namespace, name, uid })
    },
  }
}

/** Marked for deletion is what was asked for; how long it then takes to end is the pod's own. */
async function untilGone(api: CoreV1Api, { namespace, name, uid }: { namespace: string; name: string; uid: string }): Promise<Seen> {
  const givenUpAt = performance.now() + goneWithinMs
  for (;;) {
    const found = await api.readNamespacedPod({ namespace, name }).catch((error: unknown) => {
      if (codeOf(error) === 404) return undefined
      throw new FaultRefused(`${namespace}/${name} could not be read back: ${messageOf(error)}`, { cause: error })
    })
    if (!found || found.metadata?.uid !== uid) return { verified: true, readBack: [`${namespace}/${name} of UID ${uid} is gone`] }
    if (found.metadata.deletionTimestamp) return { verified: true, readBack: [`${namespace}/${name} is marked for deletion`] }
    if (performance.now() >= givenUpAt) return { verified: false, readBack: [`${namespace}/${name} is still there`] }
    await delay(100)
  }
}

async function ask<T>(what: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (cause) {
    const code = codeOf(cause)
    const why = code === 403 ? 'the API-side agent\'s service account may not (403)' : code === 404 ? 'there is none (404)' : code === 409 ? 'another pod has that name by now (409)' : messageOf(cause)
    throw new FaultRefused(`${what}: ${why}`, { cause })
  }
}

const codeOf = (error: unknown): number | undefined => typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'number' ? error.code : undefined
