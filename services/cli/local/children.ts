import { spawn } from 'node:child_process'
import { connect } from 'node:net'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { FaultlineError } from '#shared/errors.ts'
import type { ChildPlan } from '../parts/child-plan.ts'
import type { KeeperOrder, KeeperWord } from './keeper.ts'

/** A part of a local session did not start, or ended too early. Its log's last lines are in the message. */
export class ChildFailed extends FaultlineError {
  readonly code = 'child_failed'
}

export interface Child {
  pid: number
  /** Resolves with how it ended: `code 0`, `SIGKILL`. */
  ended: Promise<string>
  stop(): Promise<void>
}

/** The children of a local session, started through its keeper; all end when this process does, however it ends. */
export class Children {
  readonly #folder: string
  readonly #tell: (order: KeeperOrder) => void
  readonly #closed: Promise<void>
  readonly #endInput: () => void
  readonly #started = new Map<string, PromiseWithResolvers<number>>()
  readonly #ended = new Map<string, PromiseWithResolvers<string>>()

  constructor(folder: string) {
    this.#folder = folder
    const keeper = spawn(process.execPath, [fileURLToPath(new URL('keeper.ts', import.meta.url)), folder], { stdio: ['pipe', 'pipe', 'ignore'], detached: true })
    this.#tell = order => void keeper.stdin.write(`${JSON.stringify(order)}\n`)
    this.#endInput = () => keeper.stdin.end()
    this.#closed = new Promise(resolve => keeper.once('exit', () => resolve()))
    createInterface({ input: keeper.stdout }).on('line', line => this.#hear(JSON.parse(line) as KeeperWord))
  }

  /** Starts a child and waits until it is ready. Throws ChildFailed. */
  async start(plan: ChildPlan, { timeoutMs = 30_000 } = {}): Promise<Child> {
    const started = Promise.withResolvers<number>()
    const ended = Promise.withResolvers<string>()
    this.#started.set(plan.name, started)
    this.#ended.set(plan.name, ended)
    this.#tell({ start: plan })
    const pid = await started.promise
    const early = ended.promise.then(how => { throw this.#failed(plan, `ended with ${how} before it was ready`) })
    early.catch(() => undefined) // after it is ready, `ended` tells
    await Promise.race([this.#ready(plan, performance.now() + timeoutMs), early])
    return {
      pid,
      ended: ended.promise,
      stop: async () => {
        this.#tell({ stop: plan.name })
        await ended.promise
      },
    }
  }

  /** Ends all children and the keeper; resolves when nothing of them is left. */
  async close(): Promise<void> {
    this.#endInput()
    await this.#closed
  }

  async #ready(plan: ChildPlan, givenUpAt: number): Promise<void> {
    while (!await isReady(plan, this.#log(plan))) {
      if (performance.now() >= givenUpAt) throw this.#failed(plan, 'did not get ready in time')
      await delay(50)
    }
  }

  #hear(word: KeeperWord): void {
    if ('started' in word) this.#started.get(word.started)?.resolve(word.pid)
    else if ('failed' in word) this.#started.get(word.failed)?.reject(new ChildFailed(`${word.failed} could not be started: ${word.why}`))
    else this.#ended.get(word.ended)?.resolve(word.signal ?? `code ${word.code}`)
  }

  #failed(plan: ChildPlan, why: string): ChildFailed {
    const last = this.#log(plan).trimEnd().split('\n').slice(-10).join('\n')
    return new ChildFailed(`${plan.name} ${why}; its last words:\n${last || '(none)'}`)
  }

  #log(plan: ChildPlan): string {
    try {
      return readFileSync(join(this.#folder, 'logs', `${plan.name}.log`), 'utf8')
    } catch {
      return ''
    }
  }
}

async function isReady({ ready }: ChildPlan, log: string): Promise<boolean> {
  switch (ready.kind) {
    case 'log': return log.includes(ready.pattern)
    case 'http': return fetch(ready.url, { signal: AbortSignal.timeout(1_000) }).then(response => response.ok, () => false)
    case 'tcp': return new Promise(resolve => {
      const socket = connect(ready.port, '127.0.0.1')
      socket.once('connect', () => { socket.destroy(); resolve(true) })
      socket.once('error', () => resolve(false))
    })
  }
}
