import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

export interface PortForward extends AsyncDisposable {
  /** Base URL on this machine. */
  url: string
}

/** A Service of the current context's cluster, on a free port of this machine; by one of its pods. Needs nothing but kubectl. */
export async function forwardPort(namespace: string, service: string, port: number): Promise<PortForward> {
  const child = spawn('kubectl', ['--namespace', namespace, 'port-forward', `service/${service}`, `:${port}`], { stdio: ['ignore', 'pipe', 'pipe'] })
  let complaints = ''
  child.stderr.on('data', chunk => { complaints += String(chunk) })
  for await (const line of createInterface(child.stdout)) {
    const [, local] = /^Forwarding from 127\.0\.0\.1:(\d+)/.exec(line) ?? []
    if (local === undefined) continue
    child.stdout.resume() // a line for each connection
    return {
      url: `http://127.0.0.1:${local}`,
      async [Symbol.asyncDispose]() {
        if (child.exitCode !== null || child.signalCode !== null) return
        const ended = once(child, 'exit')
        child.kill()
        await ended
      },
    }
  }
  throw new Error(`no way to service/${service} in ${namespace}: ${complaints}`)
}
