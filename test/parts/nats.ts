import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { NatsLogin } from '#shared/nats-login.ts'
import { freePort } from '#shared/process/free-port.ts'
import { toolPath } from '#shared/tools.mjs'
import { natsUsers, passwordVariable } from '../../services/cli/nats-authorization.ts'
import { natsServerPlan } from '../../services/cli/parts/nats-server.ts'

export interface Nats extends AsyncDisposable {
  servers: string
  token: string
  /** SIGKILL, and the same server again on the same port and store. */
  kill(): Promise<void>
  restart(): Promise<void>
  /** SIGSTOP: it answers nobody, and its connections stay open. */
  pause(): void
  resume(): void
}

/** A real nats-server with JetStream on its own folder and port; nothing of it is left when it is disposed of. */
export async function startNats(): Promise<Nats> {
  const token = 'test-token'
  const server = await startServer((folder, port) => natsServerPlan({ folder, port, token }).argv)
  return { ...server, token }
}

/** The one of Kubernetes, k8s/base/nats/nats.conf: a user for each service. `login` is how one of them connects. */
export async function startNatsWithUsers(): Promise<Omit<Nats, 'token'> & { login(user: string): NatsLogin }> {
  const passwordOf = (user: string) => `password-of-${user}`
  const monitorPort = await freePort()
  const server = await startServer(
    (_folder, port) => [toolPath('nats-server'), '-c', config, '-a', '127.0.0.1', '-p', String(port), '-m', String(monitorPort)],
    folder => ({ POD_NAME: 'nats-0', NATS_STORE_DIR: folder, ...Object.fromEntries(Object.keys(natsUsers).map(user => [passwordVariable(user), passwordOf(user)])) }),
  )
  return { ...server, login: user => ({ servers: server.servers, user, password: passwordOf(user) }) }
}

const config = fileURLToPath(new URL('../../k8s/base/nats/nats.conf', import.meta.url))

async function startServer(command: (folder: string, port: number) => string[], environment: (folder: string) => Record<string, string> = () => ({})): Promise<Omit<Nats, 'token'>> {
  const folder = mkdtempSync(join(tmpdir(), 'nats-'))
  const port = await freePort()
  const [program = '', ...args] = command(folder, port)
  const start = async () => {
    const child = spawn(program, args, { stdio: 'ignore', env: { ...process.env, ...environment(folder) } })
    while (!await accepts(port)) {
      if (child.exitCode !== null) throw new Error(`${program} ${args.join(' ')} ended with ${child.exitCode}`)
      await delay(10)
    }
    return child
  }
  let server = await start()
  const kill = async () => {
    if (server.exitCode !== null || server.signalCode !== null) return
    const ended = once(server, 'exit')
    server.kill('SIGKILL')
    await ended
  }
  return {
    servers: `127.0.0.1:${port}`, kill,
    async restart() { server = await start() },
    pause: () => void server.kill('SIGSTOP'),
    resume: () => void server.kill('SIGCONT'),
    async [Symbol.asyncDispose]() {
      await kill()
      rmSync(folder, { recursive: true })
    },
  }
}

const accepts = (port: number) => new Promise<boolean>(resolve => {
  const socket = connect(port, '127.0.0.1')
  socket.once('connect', () => { socket.destroy(); resolve(true) }).once('error', () => resolve(false))
})
