import { AutoscalingV2Api, KubernetesObjectApi, type KubeConfig, type V2HorizontalPodAutoscaler } from '@kubernetes/client-node'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { FaultlineError, messageOf } from '#shared/errors.ts'
import type { HpaPoint } from './hpa-transitions.ts'

/** The autoscaler, or what it scales, could not be read. */
export class HpaUnreadable extends FaultlineError {
  readonly code = 'hpa_unreadable'
}

export interface FollowedHpa {
  kubeConfig: KubeConfig
  namespace: string
  name: string
  /** Ends the following: between two looks at once. */
  signal: AbortSignal
  everyMs?: number
  /** Looks that fail are left out, so that an API server may be away for a while; for longer than this, and the following ends. */
  patienceMs?: number
}

/**
 * Looks at an autoscaler (autoscaling/v2) and at the pods of what it scales until `signal` is aborted, and yields a point for each look. Reads only: it
 * needs `get` on both. Looks, and no watch: its points are dated by one clock at one pace, and one that fails is followed by the next.
 *
 * Throws HpaUnreadable when the first look fails, and when none was possible for `patienceMs`.
 */
export async function* followHpa({ kubeConfig, namespace, name, signal, everyMs = 1_000, patienceMs = 30_000 }: FollowedHpa): AsyncGenerator<HpaPoint, void> {
  const autoscaling = kubeConfig.makeApiClient(AutoscalingV2Api)
  const objects = KubernetesObjectApi.makeApiClient(kubeConfig)
  let lastMs: number | undefined
  while (!signal.aborted) {
    const beganMs = performance.now()
    try {
      const hpa = await autoscaling.readNamespacedHorizontalPodAutoscaler({ name, namespace })
      const { apiVersion = 'apps/v1', kind, name: scaled } = hpa.spec?.scaleTargetRef ?? { kind: '', name: '' }
      const { status } = scaledSchema.parse(await objects.read({ apiVersion, kind, metadata: { name: scaled, namespace } }))
      const point = pointOf(hpa, status.readyReplicas, Date.now())
      lastMs = performance.now()
      yield point
    } catch (cause) {
      if (lastMs === undefined || performance.now() - lastMs > patienceMs) {
        throw new HpaUnreadable(`the autoscaler ${namespace}/${name} could not be read: ${messageOf(cause)}; kubectl --namespace ${namespace} get hpa ${name}`, { cause })
      }
    }
    await delay(Math.max(0, everyMs - (performance.now() - beganMs)), undefined, { signal }).catch(() => undefined) // the loop sees that it is over
  }
}

/** No Ready pod: the field is left out. */
const scaledSchema = z.looseObject({ status: z.looseObject({ readyReplicas: z.int().default(0) }).default({ readyReplicas: 0 }) })

/** Pure. */
export function pointOf({ status }: Pick<V2HorizontalPodAutoscaler, 'status'>, ready: number, atMs: number): HpaPoint {
  const cpu = status?.currentMetrics?.find(({ type, resource }) => type === 'Resource' && resource?.name === 'cpu')
  return {
    atMs, ready,
    desired: status?.desiredReplicas ?? 0,
    current: status?.currentReplicas ?? 0,
    cpuPercent: cpu?.resource?.current.averageUtilization ?? null,
  }
}
