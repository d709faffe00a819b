import { freePort } from '#shared/process/free-port.ts'
import { redisPlan } from '../../services/cli/parts/redis.ts'
import { toolPath } from '#shared/tools.mjs'
import { continueAll, runToEnd, startChild, stopTree, temporaryFolder } from './child.ts'

export interface Redis extends AsyncDisposable {
  url: string
  /** One command, as redis-cli prints its answer. */
  ask(...words: string[]): Promise<string>
  kill(): Promise<void>
  /** Stops it; the answer continues it. */
  pause(): () => void
}

/** A real, empty Redis on its own port. */
export async function startRedis(): Promise<Redis> {
  await using owned = new AsyncDisposableStack()
  const folder = owned.use(temporaryFolder('redis'))
  const plan = redisPlan({ folder: folder.path, port: await freePort() })
  const server = owned.use(await startChild(plan, folder.path))
  const all = owned.move()
  return {
    url: plan.url,
    ask: async (...words) => (await runToEnd({ argv: [toolPath('redis-cli'), '-u', plan.url, ...words] })).trimEnd(),
    pause() {
      const stopped = stopTree(server)
      return () => continueAll(stopped)
    },
    kill: () => server.kill(),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}
