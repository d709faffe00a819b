import { InvalidInput, messageOf } from '#shared/errors.ts'
import { ApiClient } from './api-client.ts'
import { connectScheduler, type ClusterOptions } from './cluster/scheduler.ts'
import { localSessions } from './local/folder.ts'

class NothingToHalt extends InvalidInput {
  readonly code = 'nothing_to_halt'
}

/** `faultline halt`, `faultline resume`: the lever of a cluster, or of every local session. Exit code 4 when one of them could not be asked. Throws NothingToHalt. */
export async function haltCommand(deed: { do: 'halt'; why: string } | { do: 'resume' }, cluster?: ClusterOptions): Promise<0 | 4> {
  const ask = (client: ApiClient) => deed.do === 'halt' ? client.halt(deed.why) : client.resume()
  if (cluster) {
    await using scheduler = await connectScheduler(cluster)
    process.stdout.write(`${scheduler.name}: ${await ask(new ApiClient(scheduler))}\n`)
    return 0
  }
  const sessions = localSessions()
  if (sessions.length === 0) throw new NothingToHalt('no local session is under way; with --cluster it is the cluster that is meant')
  let exitCode: 0 | 4 = 0
  for (const session of sessions) {
    try {
      process.stdout.write(`the session of process ${session.pid}: ${await ask(new ApiClient(session))}\n`)
    } catch (error) {
      process.stderr.write(`the session of process ${session.pid}: ${messageOf(error)}\n`)
      exitCode = 4
    }
  }
  return exitCode
}
