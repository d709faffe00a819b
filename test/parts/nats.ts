import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '#shared/process/free-port.ts'
import { natsServerPlan } from '../../services/cli/parts/nats-server.ts'

export interface Nats extends AsyncDisposable {
  servers: string
  token: string
  /** SIGKILL, and the same server again on the same port and store. */
  kill(): Promise<void>
  restart(): Promise<void>
}

/** A real nats-server with JetStream on its own folder and port; nothing of it is left when it is disposed of. */
export async function startNats(): Promise<Nats> {
  const folder = mkdtempSync(join(tmpdir(), 'nats-'))
  const port = await freePort()
  const token = 'test-token'
  const { argv: [program, ...args] } = natsServerPlan({ folder, port, token })
  const start = async () => {
    const child = spawn(program, args, { stdio: 'ignore' })
    while (!await accepts(port)) await delay(10)
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
    servers: `127.0.0.1:${port}`, token, kill,
    async restart() { server = await start() },
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
