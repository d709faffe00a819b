import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { NatsLogin } from '#shared/nats-login.ts'
import { freePort } from '#shared/process/free-port.ts'
import { toolPath } from '#shared/tools.mjs'
import { startNatsServer } from './nats.ts'

export interface ClusterServer {
  name: string
  /** SIGSTOP: it answers nobody, and its connections stay open. */
  pause(): void
  resume(): void
  /** What the clients that are connected to it call themselves. It must not be stopped. */
  clients(): Promise<string[]>
}

export interface NatsCluster extends AsyncDisposable {
  /** Of all servers: a client that loses one goes on with another. */
  login: NatsLogin
  servers: readonly ClusterServer[]
  /** The one that this client is connected to. None may be stopped. */
  serverOf(client: string): Promise<ClusterServer>
}

/** Three real nats-servers with JetStream, each on its own folder and ports; nothing of them is left when they are disposed of. */
export async function startNatsCluster(): Promise<NatsCluster> {
  await using made = new AsyncDisposableStack()
  const token = 'test-token'
  const names = ['one', 'two', 'three']
  const routes = await Promise.all(names.map(() => freePort()))
  const started = await Promise.all(names.map(async (name, index) => {
    const monitorPort = await freePort()
    const server = made.use(await startNatsServer((folder, port) => {
      const config = join(folder, 'nats.conf')
      writeFileSync(config, `
server_name: ${name}
listen: "127.0.0.1:${port}"
http: "127.0.0.1:${monitorPort}"
authorization { token: "${token}" }
max_payload: 8MB
jetstream { store_dir: ${JSON.stringify(join(folder, 'jetstream'))}, sync_interval: always }
cluster {
  name: test
  listen: "127.0.0.1:${routes[index]}"
  no_advertise: true
  routes: [${routes.map(route => `"nats://127.0.0.1:${route}"`).join(', ')}]
}
`)
      return [toolPath('nats-server'), '-c', config]
    }))
    return { name, server, monitorPort }
  }))
  const owned = made.move()
  const servers = started.map(({ name, server, monitorPort }): ClusterServer => ({
    name, pause: server.pause, resume: server.resume,
    async clients() {
      const { connections } = await (await fetch(`http://127.0.0.1:${monitorPort}/connz`)).json() as { connections: { name?: string }[] }
      return connections.flatMap(connection => connection.name ?? [])
    },
  }))
  return {
    servers,
    login: { servers: started.map(({ server }) => server.servers).join(','), token },
    async serverOf(client) {
      for (const server of servers) if ((await server.clients()).includes(client)) return server
      throw new Error(`${client} is connected to no server`)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
