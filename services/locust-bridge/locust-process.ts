import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { delimiter } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { FaultlineError } from '#shared/errors.ts'
import { endTree } from '../cli/local/process-tree.ts'
import type { ChildPlan } from '../cli/parts/child-plan.ts'
import { toolPath } from '../cli/setup/tools.mjs'

/** Locust ended, or did not answer, before it was ready. What it said last is in the message. */
export class LocustNotStarted extends FaultlineError {
  readonly code = 'locust_not_started'
}

/** A Locust that was started for one run. */
export interface LocustProcess {
  /** Base URL of its web API. */
  apiUrl: string
  /** Resolves with how it ended: `code 0`, `SIGKILL`. */
  ended: Promise<string>
  /** Ends it with all its descendants; resolves when nothing of it runs. Repeatable. */
  stop(): Promise<void>
}

/** What the listeners in Locust need to know (k8s/locust/README.md). */
export interface ListenersEnvironment { FAULTLINE_BRIDGE_URL: string; FAULTLINE_BRIDGE_TOKEN: string }

const listenersFolder = fileURLToPath(new URL('../../k8s/locust/', import.meta.url))

/** The jewelry shop's users. */
export const shopLocustfile = `${listenersFolder}locustfile.py`

export interface LocustProcessOptions {
  env: ListenersEnvironment
  /** Absolute path. */
  locustfile: string
  host: string
  port: number
  /** Where it runs. Not the user's folder, because Locust obeys a `locust.conf` there. */
  folder: string
}

/** Locust with its web API on loopback, started idle: it swarms when it is asked to. */
export function locustProcessPlan({ env, locustfile, host, port, folder }: LocustProcessOptions): ChildPlan & { apiUrl: string } {
  const apiUrl = `http://127.0.0.1:${port}`
  const pythonPath = [listenersFolder, process.env['PYTHONPATH']].filter(part => part !== undefined && part !== '').join(delimiter)
  return {
    name: 'locust',
    argv: [toolPath('locust'), '-f', locustfile, '--host', host, '--web-host', '127.0.0.1', '--web-port', String(port)],
    env: { ...env, PYTHONPATH: pythonPath, PYTHONDONTWRITEBYTECODE: '1' },
    cwd: folder,
    ready: { kind: 'http', url: `${apiUrl}/` },
    apiUrl,
  }
}

const lastWords = 4_000

/** Starts it in a process group of its own, and waits until its web API answers. Throws LocustNotStarted, with nothing left behind. */
export async function startLocustProcess(plan: ChildPlan & { apiUrl: string }, { timeoutMs = 20_000 } = {}): Promise<LocustProcess> {
  const [program, ...args] = plan.argv
  const child = spawn(program, args, { cwd: plan.cwd, env: { ...process.env, ...plan.env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let said = ''
  const listen = (chunk: unknown) => { said = (said + String(chunk)).slice(-lastWords) }
  child.stdout.on('data', listen)
  child.stderr.on('data', listen)
  const ended = new Promise<string>(resolve => child.once('exit', (code, signal) => resolve(signal ?? `code ${code}`)))
  await once(child, 'spawn')
  const { pid } = child
  if (pid === undefined) throw new LocustNotStarted(`${program} has no process id`)
  const stop = async () => {
    await endTree(pid, { graceMs: 3_000 })
    await ended
  }
  const early = ended.then(how => `ended with ${how}`)
  const givenUpAt = performance.now() + timeoutMs
  for (;;) {
    const answers = fetch(plan.apiUrl, { signal: AbortSignal.timeout(1_000) }).then(response => response.ok, () => false)
    const outcome = await Promise.race([early, answers])
    if (outcome === true) return { apiUrl: plan.apiUrl, ended, stop }
    const why = outcome === false ? performance.now() >= givenUpAt ? `did not answer within ${timeoutMs} ms` : undefined : outcome
    if (why !== undefined) {
      await stop()
      throw new LocustNotStarted(`Locust ${why} before it was ready; it said:\n${said}`)
    }
    await delay(50) // it tells nobody when it listens
  }
}
