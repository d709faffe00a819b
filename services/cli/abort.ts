import { messageOf, InvalidInput } from '#shared/errors.ts'
import { ApiClient } from './api-client.ts'
import { localSessions } from './local/folder.ts'

class NothingToAbort extends InvalidInput {
  readonly code = 'nothing_to_abort'
}

/** Asks every local session; exit code 0 when something was aborted. Throws NothingToAbort. */
export async function abortCommand(run: string | undefined, all: boolean): Promise<0 | 4> {
  if (run === undefined && !all) throw new NothingToAbort('name a run, or say --all')
  let exitCode: 0 | 4 = 0
  const aborted: string[] = []
  for (const session of localSessions()) {
    const client = new ApiClient(session)
    try {
      if (run === undefined) aborted.push(...await client.abortAll())
      else if (await client.abort(run).catch(() => false)) aborted.push(run)
    } catch (error) {
      process.stderr.write(`the session of process ${session.pid}: ${messageOf(error)}\n`)
      exitCode = 4
    }
  }
  for (const name of aborted) process.stdout.write(`aborted ${name}\n`)
  if (aborted.length === 0 && exitCode === 0) throw new NothingToAbort(run === undefined ? 'no run is under way on this machine' : `no run ${run} is under way on this machine`)
  return exitCode
}
