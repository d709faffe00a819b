import { InvalidInput } from '#shared/errors.ts'
import { ApiClient, RequestRefused } from './api-client.ts'
import { connectScheduler, type ClusterOptions } from './cluster/scheduler.ts'
import { askSessions } from './local/ask-sessions.ts'
import { localSessions } from './local/folder.ts'

class NothingToAbort extends InvalidInput {
  readonly code = 'nothing_to_abort'
}

/** Asks every local session, or the scheduler of a cluster; exit code 0 when something was aborted. Throws NothingToAbort. */
export async function abortCommand(run: string | undefined, all: boolean, cluster?: ClusterOptions): Promise<0 | 4> {
  if (run === undefined && !all) throw new NothingToAbort('name a run, or say --all')
  const { aborted, exitCode } = cluster ? await abortInCluster(run, cluster) : await abortLocally(run)
  for (const name of aborted) process.stdout.write(`aborted ${name}\n`)
  if (aborted.length === 0 && exitCode === 0) throw new NothingToAbort(`no run ${run === undefined ? '' : `${run} `}is under way ${cluster ? 'in this cluster' : 'on this machine'}`)
  return exitCode
}

interface Aborted { aborted: string[]; exitCode: 0 | 4 }

async function abortInCluster(run: string | undefined, cluster: ClusterOptions): Promise<Aborted> {
  await using scheduler = await connectScheduler(cluster)
  return { aborted: await ask(new ApiClient(scheduler), run), exitCode: 0 }
}

async function abortLocally(run: string | undefined): Promise<Aborted> {
  const { answers, deaf } = await askSessions(localSessions(), client => ask(client, run))
  return { aborted: answers.flat(), exitCode: run === undefined && deaf > 0 ? 4 : 0 } // a named run may be another session's
}

/** The runs that were under way, and are aborted now. */
async function ask(client: ApiClient, run: string | undefined): Promise<string[]> {
  if (run === undefined) return client.abortAll()
  try {
    return await client.abort(run) ? [run] : []
  } catch (error) {
    if (error instanceof RequestRefused) return [] // it does not know that run
    throw error
  }
}
