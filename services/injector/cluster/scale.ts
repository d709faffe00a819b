import type { V1Scale } from '@kubernetes/client-node'
import type { PlannedTarget } from '#shared/commands.ts'
import { unlessMissing } from '#shared/kubernetes-answer.ts'
import type { BoundWorkload, WorkloadTarget } from '#shared/target.ts'
import { FaultRefused } from '../fault-refused.ts'
import type { ApiUndo } from '../journal.ts'
import type { Seen, StepInHand } from '../step-in-hand.ts'
import { ask, type Kubernetes } from './kubernetes.ts'
import { demandOptIn } from './opt-in.ts'

type ScaleBack = ApiUndo & { undo: 'scale-back' }

/** Throws FaultRefused unless it is there and its namespace has opted in. */
export async function findWorkload(kubernetes: Kubernetes, { namespace, kind, name }: WorkloadTarget): Promise<BoundWorkload> {
  await demandOptIn(kubernetes, namespace)
  const { metadata } = await ask(`${kind} ${namespace}/${name}`, readScale(kubernetes, { namespace, kind, name }))
  const uid = metadata?.uid ?? ''
  return { id: `workload:${uid}`, workload: { namespace, kind, name, uid }, description: `${kind} ${namespace}/${name}` }
}

export async function describeScale(kubernetes: Kubernetes, replicas: number, { workload }: BoundWorkload): Promise<PlannedTarget['steps'][number]> {
  const { from } = await planScale(kubernetes, replicas, workload)
  const command = (to: number) => `kubectl -n ${workload.namespace} scale ${workload.kind.toLowerCase()} ${workload.name} --replicas=${to}`
  return { lease: 'restorer', act: command(replicas), undo: `${command(from)} (if it is still ${replicas})` }
}

export async function prepareScale(kubernetes: Kubernetes, replicas: number, { workload }: BoundWorkload): Promise<StepInHand> {
  const undo = await planScale(kubernetes, replicas, workload)
  return {
    undo,
    async act({ requireTimeLeft }) {
      const now = await planScale(kubernetes, replicas, workload)
      if (now.from !== undo.from) throw new FaultRefused(`${workload.namespace}/${workload.name} was scaled to ${now.from} meanwhile; plan again`)
      requireTimeLeft()
      await ask(`scaling ${workload.namespace}/${workload.name}`, patchScale(kubernetes, workload, replicas))
      const { spec, status } = await ask(`${workload.namespace}/${workload.name}`, readScale(kubernetes, workload))
      return { verified: spec?.replicas === replicas, readBack: [`${workload.namespace}/${workload.name} is to have ${spec?.replicas}, was ${undo.from}; has ${status?.replicas} pods`] }
    },
  }
}

/** Throws FaultRefused when it has that number, or when something else scales it. */
async function planScale(kubernetes: Kubernetes, replicas: number, workload: BoundWorkload['workload']): Promise<ScaleBack> {
  const { namespace, kind, name, uid } = workload
  const what = `${kind} ${namespace}/${name}`
  const [scale, scalers] = await Promise.all([
    ask(what, readScale(kubernetes, workload)), ask(`the autoscalers of ${namespace}`, kubernetes.autoscaling.listNamespacedHorizontalPodAutoscaler({ namespace })),
  ])
  if (scale.metadata?.uid !== uid) throw new FaultRefused(`${what} is another by now; plan again`)
  const scaler = scalers.items.find(({ spec }) => spec?.scaleTargetRef.kind === kind && spec.scaleTargetRef.name === name)
  if (scaler) throw new FaultRefused(`${what} is scaled by the HorizontalPodAutoscaler ${scaler.metadata?.name}, and the two would fight; scale something else, or take the autoscaler away`)
  const from = scale.spec?.replicas ?? 0
  if (from === replicas) throw new FaultRefused(`${what} has ${replicas} replicas already`)
  return { undo: 'scale-back', kind, namespace, name, uid, from, to: replicas }
}

/** Repeatable. What somebody else has set meanwhile stays. */
export async function scaleBack(kubernetes: Kubernetes, undo: ScaleBack): Promise<Seen> {
  const { kind, namespace, name, uid, from, to } = undo
  const what = `${kind} ${namespace}/${name}`
  const before = await ask(what, unlessMissing(readScale(kubernetes, undo)))
  if (!before || before.metadata?.uid !== uid) return { verified: true, readBack: [`${what} is gone, or another by now`] }
  const has = before.spec?.replicas ?? 0
  if (has !== to) return { verified: true, readBack: [has === from ? `${what} is to have ${from}, as before` : `${what} was set to ${has} by somebody else meanwhile, which stays`] }
  await ask(`scaling ${what} back`, patchScale(kubernetes, undo, from, before.metadata.resourceVersion))
  const after = await ask(what, readScale(kubernetes, undo))
  return { verified: after.spec?.replicas === from, readBack: [`${what} is to have ${after.spec?.replicas}, as before`] }
}

type Which = Pick<BoundWorkload['workload'], 'kind' | 'namespace' | 'name'>

const readScale = ({ apps }: Kubernetes, { kind, namespace, name }: Which): Promise<V1Scale> =>
  kind === 'Deployment' ? apps.readNamespacedDeploymentScale({ namespace, name }) : apps.readNamespacedStatefulSetScale({ namespace, name })

function patchScale({ apps, mergePatch }: Kubernetes, { kind, namespace, name }: Which, replicas: number, resourceVersion?: string): Promise<V1Scale> {
  const body = { ...(resourceVersion !== undefined && { metadata: { resourceVersion } }), spec: { replicas } }
  const at = { namespace, name, body }
  return kind === 'Deployment' ? apps.patchNamespacedDeploymentScale(at, mergePatch) : apps.patchNamespacedStatefulSetScale(at, mergePatch)
}
