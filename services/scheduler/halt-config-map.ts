import { setTimeout as delay } from 'node:timers/promises'
import { CoreV1Api, type KubeConfig, type V1ConfigMap } from '@kubernetes/client-node'
import type { Logger } from 'pino'
import { messageOf } from '#shared/errors.ts'
import { haltConfigMap } from '#shared/halt-config-map.ts'
import type { FindHalt, FoundHalt } from '#shared/halt-file.ts'
import { unlessMissing } from '#shared/kubernetes-answer.ts'

export interface HaltInKubernetes {
  findHalt: FindHalt
  stop(): void
}

const lookEveryMs = 1_000
const answerWithinMs = 5_000

/**
 * The halt as an object of Kubernetes: a ConfigMap that anybody with kubectl can make, with NATS and this scheduler's API down. The agents have it as a
 * mounted file, which the kubelets bring within a minute or so; a scheduler asks for it each second, so that runs are aborted, or at least no lease is
 * renewed. Asked for rather than watched: by its name alone, which is all that the role allows. While the API server does not answer, what was seen last holds.
 * Resolves after the first answer, or the first failure.
 */
export async function lookForHalt({ kubernetes, namespace, log }: { kubernetes: KubeConfig; namespace: string; log: Logger }): Promise<HaltInKubernetes> {
  const core = kubernetes.makeApiClient(CoreV1Api)
  let found: FoundHalt | undefined
  let isAnswering = true

  async function look(): Promise<void> {
    try {
      const object = await Promise.race([unlessMissing(core.readNamespacedConfigMap({ name: haltConfigMap.name, namespace })), late()])
      found = object && foundIn(object)
      isAnswering = true
    } catch (error) {
      if (isAnswering) log.warn({ why: messageOf(error) }, `the ConfigMap ${haltConfigMap.name} could not be looked for; asking again`)
      isAnswering = false
    }
  }

  let next: NodeJS.Timeout | undefined
  let isStopped = false
  const again = () => {
    next = setTimeout(() => void look().finally(() => { if (!isStopped) again() }), lookEveryMs)
  }
  await look()
  again()
  return {
    findHalt: () => found,
    stop() {
      isStopped = true
      clearTimeout(next)
    },
  }
}

/** Whatever it holds, that it is there counts. Pure. */
function foundIn({ metadata, data }: V1ConfigMap): FoundHalt {
  const [why = ''] = (data?.[haltConfigMap.key] ?? '').split('\n', 1)
  return { where: `the ConfigMap ${haltConfigMap.name}`, why: why.trim(), sinceMs: metadata?.creationTimestamp?.getTime() ?? 0 }
}

async function late(): Promise<never> {
  await delay(answerWithinMs, undefined, { ref: false })
  throw new Error(`no answer within ${answerWithinMs} ms`)
}
