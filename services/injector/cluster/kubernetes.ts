import type { AppsV1Api, AutoscalingV2Api, CoordinationV1Api, CoreV1Api, Informer, PolicyV1Api, V1Lease, V1MicroTime, V1Pod } from '@kubernetes/client-node'
import { messageOf } from '#shared/errors.ts'
import { codeOf } from '#shared/kubernetes-answer.ts'
import { FaultRefused } from '../fault-refused.ts'

/** The parts of the API that faultline uses. */
export interface Kubernetes {
  core: CoreV1Api
  apps: AppsV1Api
  policy: PolicyV1Api
  autoscaling: AutoscalingV2Api
  coordination: CoordinationV1Api
  /** For patches that name only what changes (RFC 7386). */
  mergePatch: Parameters<CoreV1Api['patchNode']>[1]
  now(): V1MicroTime
  /** Tells of each Lease that is there, and of each change. */
  watchLeases(namespace: string, labelSelector: string): Informer<V1Lease>
}

/** By the kubeconfig, or in a pod by its service account; no request waits without an end. The client is large, and of use to the API side alone: it is loaded here. */
export async function connectKubernetes(): Promise<Kubernetes> {
  const [client, { BoundedKubeConfig }] = await Promise.all([import('@kubernetes/client-node'), import('#shared/bounded-kube-config.ts')])
  const config = new BoundedKubeConfig()
  config.loadFromDefault()
  const coordination = config.makeApiClient(client.CoordinationV1Api)
  return {
    core: config.makeApiClient(client.CoreV1Api), apps: config.makeApiClient(client.AppsV1Api), policy: config.makeApiClient(client.PolicyV1Api),
    autoscaling: config.makeApiClient(client.AutoscalingV2Api), coordination,
    mergePatch: client.setHeaderOptions('Content-Type', client.PatchStrategy.MergePatch),
    now: () => new client.V1MicroTime(),
    watchLeases: (namespace, labelSelector) => client.makeInformer(
      config, `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`, () => coordination.listNamespacedLease({ namespace, labelSelector }), labelSelector,
    ),
  }
}

/** Waits for an answer. Rejects with FaultRefused, which says in words what was asked and why there is no answer. */
export async function ask<T>(what: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (cause) {
    throw new FaultRefused(`${what}: ${whyNot(cause)}`, { cause })
  }
}

/** The API's own words where it gave some: a policy's message, or a budget's. */
function whyNot(error: unknown): string {
  const said = saidBy(error)
  switch (codeOf(error)) {
    case 403: return `the API-side agent's service account may not (403)${said && `: ${said}`}`
    case 404: return 'there is none (404)'
    case 409: return 'it was changed, or another has that name by now (409)'
    case 429: return said || 'the API server refuses for now (429)'
    default: return said || (isTooLate(error) ? 'the API server gave no answer in time; it may have been done all the same' : messageOf(error))
  }
}

const isTooLate = (error: unknown) => error instanceof DOMException && error.name === 'TimeoutError'

function saidBy(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('body' in error)) return ''
  try {
    const body: unknown = typeof error.body === 'string' ? JSON.parse(error.body) : error.body
    return typeof body === 'object' && body !== null && 'message' in body && typeof body.message === 'string' ? body.message : ''
  } catch {
    return ''
  }
}

/** Only what runs can be a target, and what is going already is none. */
export const isRunning = ({ metadata, status }: V1Pod): boolean => status?.phase === 'Running' && !metadata?.deletionTimestamp
