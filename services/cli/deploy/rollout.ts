/** Waits until a workload is as it was applied, and says meanwhile why its pods are not. */
import { setTimeout as delay } from 'node:timers/promises'
import { FaultlineError } from '#shared/errors.ts'
import { kubectl, KubectlFailed } from './kubectl.ts'
import { notReady, nothingSeen, podsOf, printNotReady, refusedPod, watch, type NotReady } from './not-ready.ts'

export interface Rollout {
  namespace: string
  /** `kind/name`; a Job is waited for until it is complete. */
  workload: string
  patienceS: number
  /** UIDs of the pods that were there before it was applied (`podsThere`). */
  earlier: ReadonlySet<string>
}

/** It was not ready in time. The message has kubectl's own words, and why its pods are not ready. */
export class NotRolledOut extends FaultlineError {
  readonly code = 'not_rolled_out'
}

/** An image cannot be had, so waiting would not help. */
export class ImageUnavailable extends FaultlineError {
  readonly code = 'image_unavailable'
}

const lookEveryMs = 2_000
/** A look is no reason to wait longer than was asked for. */
const askedFor = '--request-timeout=10s'

export async function podsThere(namespace: string): Promise<ReadonlySet<string>> {
  const printed = await kubectl(['get', 'pods', '--namespace', namespace, '--output', 'jsonpath={.items[*].metadata.uid}'])
  return new Set(printed.split(/\s+/).filter(uid => uid !== ''))
}

/** Throws NotRolledOut, ImageUnavailable, KubectlFailed. */
export async function awaitRollout({ namespace, workload, patienceS, earlier }: Rollout, say: (doing: string) => void): Promise<void> {
  say(`waiting for ${workload}`)
  const until = workload.startsWith('job/') ? ['wait', '--for=condition=complete', workload] : ['rollout', 'status', workload]
  const over = new AbortController()
  const done = kubectl([...until, '--namespace', namespace, `--timeout=${patienceS}s`], '', over.signal)
  let watched = nothingSeen
  try {
    while (!await Promise.race([done.then(() => true), delay(lookEveryMs, false, { signal: over.signal })])) {
      const seen = watch(watched, await look(namespace, workload), { nowMs: performance.now(), earlier })
      watched = seen.watched
      for (const line of printNotReady(seen.tell, namespace)) say(line)
      if (seen.hopeless.length > 0) throw new ImageUnavailable(`${workload} in ${namespace} cannot become ready: ${printNotReady(seen.hopeless, namespace).join('; ')}`)
    }
  } catch (cause) {
    if (!(cause instanceof KubectlFailed)) throw cause
    const why = printNotReady(await look(namespace, workload), namespace)
    throw why.length === 0 ? cause : new NotRolledOut(`${cause.message}; ${why.join('; ')}`, { cause })
  } finally {
    over.abort() // ends the timer, and kubectl where it still waits
  }
}

/** Nothing when it cannot be seen: then what is waited for says what is wrong with the cluster. */
async function look(namespace: string, workload: string): Promise<NotReady[]> {
  const read = async (...what: string[]): Promise<unknown> => JSON.parse(await kubectl(['get', ...what, '--namespace', namespace, '--output', 'json', askedFor]))
  try {
    const written = await read(workload)
    const its = podsOf(written)
    const [kind, name] = workload.split('/')
    const events = kind === 'deployment' ? undefined : await read('events', '--field-selector', `reason=FailedCreate,involvedObject.name=${name}`).catch(() => undefined) // who may not read them still sees the pods
    const pods = await read('pods', '--selector', its.selector)
    return [...refusedPod(written, { pods, events }), ...notReady(pods, its)]
  } catch {
    return []
  }
}
