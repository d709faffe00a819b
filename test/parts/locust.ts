import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { freePort } from '#shared/process/free-port.ts'

const repository = path.resolve(import.meta.dirname, '../..')

/** The folder to put on PYTHONPATH, for `import faultline_listeners`. */
export const listenersFolder = path.join(repository, 'k8s/locust')

/** The reference workload. */
export const shopLocustfile = path.join(listenersFolder, 'locustfile.py')

const totalsSchema = z.object({
  user_count: z.number(),
  stats: z.array(z.object({ name: z.string(), num_requests: z.number(), num_failures: z.number() })),
  errors: z.array(z.object({ name: z.string(), error: z.string(), occurrences: z.number() })),
})

/** What Locust itself counted in one test run; `byName` are its grouped names, such as `/product/[id]`. */
export interface Totals { users: number; requests: number; failures: number; byName: Map<string, number>; errors: string[] }

export interface LocustOptions {
  locustfile: string
  /** The system under test, for example `http://127.0.0.1:8000`. */
  host: string
  env?: NodeJS.ProcessEnv
  args?: readonly string[]
}

/**
 * A real Locust, in a process group of its own that is gone after `await using`. It is driven by its web API, or runs
 * by itself with `--headless` among `args` (then `swarm`, `stop` and `totals` have nobody to ask).
 */
export class Locust implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #web: string
  readonly #exited: Promise<number | NodeJS.Signals>
  output = ''

  constructor(child: ChildProcess, web: string) {
    this.#child = child
    this.#web = web
    this.#exited = new Promise(resolve => {
      child.once('exit', (code, signal) => resolve(signal ?? code ?? 0))
    })
    child.stdout?.on('data', chunk => { this.output += String(chunk) })
    child.stderr?.on('data', chunk => { this.output += String(chunk) })
  }

  /** Its exit code, or the signal that ended it; a Locust that hangs is killed and told of instead. */
  async ended(withinMs = 60_000): Promise<number | NodeJS.Signals> {
    const given = new AbortController()
    const late = delay(withinMs, undefined, { signal: given.signal }).then(() => undefined, () => undefined)
    const code = await Promise.race([this.#exited, late])
    given.abort()
    if (code !== undefined) return code
    this.#killGroup()
    throw new Error(`locust has not ended within ${withinMs} ms:\n${this.output}`)
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('locust was not started; run npm run setup')
    return this.#child.pid
  }

  /** Base URL of its web interface. */
  get url(): string { return this.#web }

  async swarm(users: number, spawnRate: number): Promise<void> {
    await this.#ask('/swarm', { method: 'POST', body: new URLSearchParams({ user_count: String(users), spawn_rate: String(spawnRate) }) })
  }

  async stop(): Promise<void> { await this.#ask('/stop', { method: 'POST' }) }

  /** Ask only once and after the stop: Locust answers from a cache for 2 s. */
  async totals(): Promise<Totals> {
    const answer = totalsSchema.parse(await (await this.#ask('/stats/requests')).json())
    const sum = answer.stats.find(entry => entry.name === 'Aggregated')
    return {
      users: answer.user_count,
      requests: sum?.num_requests ?? 0,
      failures: sum?.num_failures ?? 0,
      byName: new Map(answer.stats.filter(entry => entry !== sum).map(entry => [entry.name, entry.num_requests])),
      errors: answer.errors.map(({ name, error, occurrences }) => `${occurrences} times ${name}: ${error}`),
    }
  }

  /** Asks it to quit and waits for that. */
  async terminate(): Promise<number | NodeJS.Signals> {
    process.kill(this.pid, 'SIGTERM')
    return await this.ended()
  }

  async webReady(): Promise<void> {
    const givenUpAt = performance.now() + 60_000
    while (performance.now() < givenUpAt) {
      if (await fetch(this.#web).then(answer => answer.ok, () => false)) return
      if (this.#child.exitCode !== null) break
      await delay(50) // it offers no event between its log line and its listening
    }
    throw new Error(`locust has no web interface:\n${this.output}`)
  }

  async #ask(route: string, init?: RequestInit): Promise<Response> {
    const answer = await fetch(this.#web + route, init)
    if (!answer.ok) throw new Error(`locust answered ${answer.status} to ${route}:\n${this.output}`)
    return answer
  }

  /** Whoever is left of its process group: its workers, or itself. */
  #killGroup(): void {
    try {
      process.kill(-this.pid, 'SIGKILL')
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      process.kill(this.pid, 'SIGTERM')
      await this.ended()
    }
    this.#killGroup()
  }
}

/** Starts Locust, and waits until its web interface answers unless it is headless. */
export async function startLocust({ locustfile, host, env = {}, args = [] }: LocustOptions): Promise<Locust> {
  const headless = args.includes('--headless')
  const port = headless ? 0 : await freePort()
  const web = headless ? [] : ['--web-host', '127.0.0.1', '--web-port', String(port)]
  const child = spawn(venvProgram('locust'), ['-f', locustfile, '--host', host, ...web, ...args], {
    detached: true, // its own process group
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PYTHONPATH: listenersFolder, PYTHONDONTWRITEBYTECODE: '1', ...env },
  })
  const locust = new Locust(child, `http://127.0.0.1:${port}`)
  await once(child, 'spawn')
  if (headless) return locust
  try {
    await locust.webReady()
    return locust
  } catch (error) {
    await locust[Symbol.asyncDispose]()
    throw error
  }
}

/** A program of the Python environment that `npm run setup` makes. */
export function venvProgram(name: string): string {
  const venv = process.env['FAULTLINE_VENV'] ?? path.join(repository, '.faultline/venv')
  const program = path.join(venv, 'bin', name)
  if (!existsSync(program)) throw new Error(`${program} is missing; run npm run setup, or set FAULTLINE_VENV`)
  return program
}
