import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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
  /** SIGHUP: it reads its configuration again. */
  reload(): void
}

/** A real nats-server with JetStream on its own folder and port; nothing of it is left when it is disposed of. */
export async function startNats(): Promise<Nats> {
  const token = 'test-token'
  const server = await startNatsServer((folder, port) => natsServerPlan({ folder, port, token }).argv)
  return { ...server, token }
}

/** The one of Kubernetes, k8s/base/nats/nats.conf: a user for each service. `login` is how one of them connects. */
export function startNatsWithUsers(): Promise<NatsWithUsers> {
  return startConfigured(() => join(k8s, 'base/nats/nats.conf'))
}

/** The same with k8s/components/nats-tls, on the certificates of that folder; at `localhost`, which they are for. `verify`: clients must show one too. */
export async function startNatsWithTls(certificates: string, { verify = false } = {}): Promise<NatsWithUsers> {
  const nats = await startConfigured(folder => {
    const here = join(folder, 'configuration')
    mkdirSync(here, { recursive: true })
    for (const file of ['nats.conf', 'authorization.conf']) copyFileSync(join(k8s, 'base/nats', file), join(here, file))
    const tls = readFileSync(join(k8s, 'components/nats-tls/tls.conf'), 'utf8').replaceAll('/etc/nats-tls', certificates)
    writeFileSync(join(here, 'tls.conf'), verify ? tls.replace('tls {', `tls {\n  verify: true\n  ca_file: "${join(certificates, 'ca.crt')}"`) : tls)
    return join(here, 'nats.conf')
  })
  return { ...nats, login: user => ({ ...nats.login(user), servers: nats.servers.replace('127.0.0.1', 'localhost') }) }
}

/** The one of Kubernetes with its passwords in a file of its own. `setPasswords`: these count from now on, and whoever came in by another is dropped. */
export async function startNatsWithPasswords(): Promise<NatsWithUsers & { setPasswords(next: Readonly<Record<string, string>>): void }> {
  const passwords = new Map(Object.keys(natsUsers).map(user => [user, passwordOf(user)]))
  let here = ''
  const write = () => {
    const template = readFileSync(join(k8s, 'base/nats/authorization.conf'), 'utf8')
    writeFileSync(join(here, 'authorization.conf'), [...passwords].reduce((text, [user, password]) => text.replace(`$${passwordVariable(user)}`, JSON.stringify(password)), template))
  }
  const nats = await startConfigured(folder => {
    here = join(folder, 'configuration')
    mkdirSync(here, { recursive: true })
    for (const file of ['nats.conf', 'tls.conf']) copyFileSync(join(k8s, 'base/nats', file), join(here, file))
    write()
    return join(here, 'nats.conf')
  })
  return {
    ...nats,
    setPasswords(next) {
      for (const [user, password] of Object.entries(next)) passwords.set(user, password)
      write()
      nats.reload()
    },
  }
}

export type NatsWithUsers = Omit<Nats, 'token'> & { login(user: string): NatsLogin }

async function startConfigured(configIn: (folder: string) => string): Promise<NatsWithUsers> {
  const monitorPort = await freePort()
  const server = await startNatsServer(
    (folder, port) => [toolPath('nats-server'), '-c', configIn(folder), '-a', '127.0.0.1', '-p', String(port), '-m', String(monitorPort)], environmentIn,
  )
  return { ...server, login: user => ({ servers: server.servers, user, password: passwordOf(user) }) }
}

const passwordOf = (user: string) => `password-of-${user}`
const environmentIn = (folder: string) => ({ POD_NAME: 'nats-0', NATS_STORE_DIR: folder, ...Object.fromEntries(Object.keys(natsUsers).map(user => [passwordVariable(user), passwordOf(user)])) })

/** What nats-server says of the configuration of one of three servers (k8s/overlays/ha) with k8s/components/nats-tls-routes. Throws when it takes it not. */
export function checkRoutes(certificates: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'nats-'))
  try {
    const copy = (from: string, to: string) => writeFileSync(join(folder, to), readFileSync(join(k8s, from), 'utf8').replaceAll('/etc/nats-tls', certificates))
    for (const [from, to] of [
      ['overlays/ha/nats.conf', 'nats.conf'], ['base/nats/nats.conf', 'single.conf'], ['base/nats/authorization.conf', 'authorization.conf'], ['overlays/ha/nats-cluster.conf', 'cluster.conf'],
      ['components/nats-tls/tls.conf', 'tls.conf'], ['components/nats-tls-routes/route-tls.conf', 'route-tls.conf'],
    ] as const) copy(from, to)
    const routes = Object.fromEntries([0, 1, 2].map(n => [`NATS_ROUTE_${n}`, `nats-route://route:p@nats-${n}.nats-peers:6222`]))
    const { status, stderr } = spawnSync(toolPath('nats-server'), ['-t', '-c', join(folder, 'nats.conf')], { encoding: 'utf8', env: { ...process.env, ...environmentIn(folder), NATS_ROUTE_PASSWORD: 'p', ...routes } })
    if (status !== 0) throw new Error(stderr)
    return stderr
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const k8s = fileURLToPath(new URL('../../k8s', import.meta.url))

/** `command`: the program and its arguments, for a folder and a port of its own. Resolves when the port is open. */
export async function startNatsServer(command: (folder: string, port: number) => string[], environment: (folder: string) => Record<string, string> = () => ({})): Promise<Omit<Nats, 'token'>> {
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
    reload: () => void server.kill('SIGHUP'),
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
