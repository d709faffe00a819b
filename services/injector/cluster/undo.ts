import { readConfig } from '#shared/config.ts'
import type { ApiUndo } from '../journal.ts'
import type { Seen } from '../step-in-hand.ts'
import { uncordon } from './drain.ts'
import { connectKubernetes, type Kubernetes } from './kubernetes.ts'
import { configuredPower, powerOn } from './power.ts'
import { scaleBack } from './scale.ts'

let connected: Promise<Kubernetes> | undefined

/** Repeatable, from any process that has a service account which may. Rejects with FaultRefused when the API does not answer. */
export async function undoByApi(undo: ApiUndo): Promise<Seen> {
  const kubernetes = await (connected ??= connectKubernetes())
  switch (undo.undo) {
    case 'uncordon': return uncordon(kubernetes, undo)
    case 'scale-back': return scaleBack(kubernetes, undo)
    case 'power-on': return powerOn(kubernetes, configuredPower(readConfig()), undo)
  }
}
