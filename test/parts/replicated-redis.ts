import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '#shared/process/free-port.ts'
import type { ChildPlan } from '#shared/process/child-plan.ts'
import { toolPath } from '#shared/tools.mjs'
import { runToEnd, startChild, temporaryFolder, type Child } from './child.ts'

export interface ReplicatedRedis extends AsyncDisposable {
  /** `host:port`, commas between. */
  sentinels: string
  masterName: string
  password: string
  /** One command, as redis-cli prints its answer. */
  ask(port: number, ...words: string[]): Promise<string>
  /** The port that the Sentinels name. */
  master(): Promise<number>
  /** SIGKILL to a Redis. */
  kill(port: number): Promise<void>
}

const password = 'a-password-of-tests'
const masterName = 'shop'

/** A master, two replicas and three Sentinels, as in k8s/redis: a master without a replica takes no writes. */
export async function startReplicatedRedis(): Promise<ReplicatedRedis> {
  await using owned = new AsyncDisposableStack()
  const folder = owned.use(temporaryFolder('replicated-redis')).path
  const start = async (name: string, port: number, settings: string, ...args: string[]): Promise<Child> => {
    const file = join(folder, `${name}.conf`)
    writeFileSync(file, `bind 127.0.0.1\nport ${port}\ndir ${folder}\n${settings}`)
    const plan: ChildPlan = { name, argv: [toolPath('redis-server'), file, ...args], env: {}, cwd: folder, ready: { kind: 'tcp', port } }
    return owned.use(await startChild(plan, folder))
  }
  const servers = new Map<number, Child>()
  const ports = [await freePort(), await freePort(), await freePort()]
  const [first] = ports
  for (const port of ports) {
    servers.set(port, await start(`redis-${port}`, port, `requirepass ${password}\nmasterauth ${password}\nsave ""\nmin-replicas-to-write 1\nmin-replicas-max-lag 3\n`
      + `repl-ping-replica-period 1\nrepl-diskless-sync-delay 0\ndbfilename ${port}.rdb\n${port === first ? '' : `replicaof 127.0.0.1 ${first}\n`}`))
  }
  const sentinels = [await freePort(), await freePort(), await freePort()]
  for (const port of sentinels) {
    await start(`sentinel-${port}`, port, `sentinel monitor ${masterName} 127.0.0.1 ${first} 2\nsentinel auth-pass ${masterName} ${password}\n`
      + `sentinel down-after-milliseconds ${masterName} 2000\nsentinel failover-timeout ${masterName} 10000\n`, '--sentinel')
  }
  const cli = async (port: number, words: readonly string[]) => (await runToEnd({ argv: [toolPath('redis-cli'), '-p', String(port), ...words] })).trimEnd()
  const ask = (port: number, ...words: string[]) => cli(port, ['--no-auth-warning', '-a', password, ...words])
  const sentinel = (...words: string[]) => cli(sentinels[0] ?? 0, ['SENTINEL', ...words])
  while (!/num-other-sentinels\n2\n/.test(await sentinel('MASTER', masterName)) || !/num-slaves\n2\n/.test(await sentinel('MASTER', masterName))) await delay(50)
  const all = owned.move()
  return {
    sentinels: sentinels.map(port => `127.0.0.1:${port}`).join(','), masterName, password, ask,
    master: async () => Number((await sentinel('GET-MASTER-ADDR-BY-NAME', masterName)).split('\n')[1]),
    kill: async port => await servers.get(port)?.kill(),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}
