import { freePort } from '#shared/process/free-port.ts'
import { preparePostgres } from '../../services/cli/parts/postgres.ts'
import { continueAll, startChild, stopTree, temporaryFolder } from './child.ts'

export interface Postgres extends AsyncDisposable {
  url: string
  /** Stops the postmaster and all backends; the answer continues them. */
  pause(): () => void
  /** SIGKILL to all of it. */
  kill(): Promise<void>
  /** The same data on the same port, after `kill`. */
  restart(): Promise<void>
}

/** A real PostgreSQL with an empty database, on its own folder and port. */
export async function startPostgres(): Promise<Postgres> {
  await using owned = new AsyncDisposableStack()
  const folder = owned.use(temporaryFolder('postgres'))
  const { plan, url } = await preparePostgres({ folder: folder.path, port: await freePort() })
  let server = await startChild(plan, folder.path)
  owned.defer(() => server[Symbol.asyncDispose]())
  const all = owned.move()
  return {
    url,
    pause() {
      const stopped = stopTree(server)
      return () => continueAll(stopped)
    },
    kill: () => server.kill(),
    async restart() { server = await startChild(plan, folder.path) },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}
