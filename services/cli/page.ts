import { once } from 'node:events'
import { InvalidInput } from '#shared/errors.ts'
import { connectScheduler, type ClusterOptions } from './cluster/scheduler.ts'
import { interruptSignal } from './interrupt.ts'
import { localSessions } from './local/folder.ts'
import { pageAddress } from './page-address.ts'

/** No session is under way here, so that there is no page. */
class NoSession extends InvalidInput {
  readonly code = 'no_session'
}

/**
 * `faultline page`: the address of the live page of every local session; of a cluster, through a port that is forwarded until Ctrl-C. Always 0. Throws
 * NoSession, and what `connectScheduler` throws.
 */
export async function pageCommand(cluster?: ClusterOptions): Promise<0> {
  if (cluster) return pageOfCluster(cluster)
  const sessions = localSessions()
  if (sessions.length === 0) throw new NoSession('no session is under way on this machine; faultline run FILE begins one, and --cluster shows the page of a cluster')
  for (const session of sessions) process.stdout.write(`${pageAddress(session)}\n`)
  return 0
}

async function pageOfCluster(cluster: ClusterOptions): Promise<0> {
  const interrupted = interruptSignal()
  await using scheduler = await connectScheduler(cluster)
  process.stdout.write(`${pageAddress(scheduler)}\n`)
  process.stderr.write(`The live page of ${scheduler.name}, until Ctrl-C. Whoever has this address may what its token may.\n`)
  if (!interrupted.aborted) await once(interrupted, 'abort')
  return 0
}
