import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { FaultlineError } from '#shared/errors.ts'
import { endTree, type Root } from '#shared/process/process-tree.ts'
import { isReady } from '#shared/process/readiness.ts'
import type { ChildPlan, Command } from '#shared/process/child-plan.ts'
import type { KeeperOrder, KeeperWord } from '#shared/process/keeper.ts'

/** A child did not start, or ended before it was ready. Its log's last lines are in the message. */
export class ChildFailed extends FaultlineError {
  readonly code = 'child_failed'
}

export interface Child {
  pid: number
  /** Resolves with how it ended: `code 0`, `SIGKILL`. */
  ended: Promise<string>
  stop(): Promise<void>
}

/**
 * The children of this process, started through a keeper of their own; all end when this process does, however it ends. `folder` is
 * theirs: logs go there, and it is removed at the end, unless the command `atEnd` fails; `parent`, the folder of many such folders, with the
 * last of them. When `starting` aborts, nobody waits any more for what is being started, nor for a command that runs: its reason is thrown.
 */
export class Children {
  readonly #folder: string
  readonly #starting: AbortSignal
  readonly #tell: (order: KeeperOrder) => void
  readonly #closed: Promise<void>
  readonly #endInput: () => void
  readonly #started = new Map<string, PromiseWithResolvers<number>>()
  readonly #ended = new Map<string, PromiseWithResolvers<string>>()
  readonly #alive = new Map<string, Root>()

  constructor(folder: string, { atEnd, parent, starting = new AbortController().signal }: { atEnd?: [string, ...string[]]; parent?: string; starting?: AbortSignal } = {}) {
    this.#folder = folder
    this.#starting = starting
    const keeper = spawn(process.execPath, [fileURLToPath(new URL('keeper.ts', import.meta.url)), folder], { stdio: ['pipe', 'pipe', 'ignore'], detached: true })
    this.#tell = order => void keeper.stdin.write(`${JSON.stringify(order)}\n`)
    this.#endInput = () => keeper.stdin.end()
    this.#closed = once(keeper, 'exit').then(() => this.#endLeftovers())
    keeper.stdin.on('error', () => undefined) // a keeper that is gone: its exit tells
    if (atEnd) this.#tell({ atEnd })
    if (parent !== undefined) this.#tell({ parent })
    createInterface({ input: keeper.stdout }).on('line', line => this.#hear(JSON.parse(line) as KeeperWord))
  }

  /** Starts a child and waits until it is ready. Throws ChildFailed, with nothing of it left; what is given up ends with `close`. */
  async start(plan: ChildPlan, { timeoutMs = 30_000 } = {}): Promise<Child> {
    const { pid, ended } = await this.#spawn(plan)
    const stop = async () => {
      this.#tell({ stop: plan.name })
      await ended
    }
    const isOver = new AbortController()
    const early = ended.then(how => { throw this.#failed(plan, `ended with ${how} before it was ready`) })
    early.catch(() => isOver.abort()) // after it is ready, `ended` tells
    try {
      await Promise.race([this.#ready(plan, performance.now() + timeoutMs, isOver.signal), early])
    } catch (error) {
      if (!this.#starting.aborted) await stop()
      throw error
    }
    return { pid, ended, stop }
  }

  /** Runs a command to its end. Throws ChildFailed unless that is a good one. */
  async run(command: Command): Promise<void> {
    const { ended } = await this.#spawn(command)
    const how = await this.#unlessGivenUp(ended)
    if (how !== 'code 0') throw this.#failed(command, `ended with ${how}`)
  }

  async #spawn(command: Command): Promise<{ pid: number; ended: Promise<string> }> {
    this.#starting.throwIfAborted()
    const started = Promise.withResolvers<number>()
    const ended = Promise.withResolvers<string>()
    this.#started.set(command.name, started)
    this.#ended.set(command.name, ended)
    this.#tell({ start: command })
    return { pid: await started.promise, ended: ended.promise }
  }

  /** Ends all children and the keeper; resolves when nothing of them is left. */
  async close(): Promise<void> {
    this.#endInput()
    await this.#closed
  }

  /** A keeper that was killed itself has left its children: they are ended here, and whoever waits for one is told. */
  async #endLeftovers(): Promise<void> {
    for (const started of this.#started.values()) started.reject(new ChildFailed('the keeper of the children was killed'))
    await Promise.all([...this.#alive.values()].map(child => endTree(child, { graceMs: 500 })))
    for (const ended of this.#ended.values()) ended.resolve('killed with its keeper')
  }

  async #unlessGivenUp<T>(awaited: Promise<T>): Promise<T> {
    const givenUp = Promise.withResolvers<never>()
    const giveUp = () => givenUp.reject(this.#starting.reason)
    this.#starting.addEventListener('abort', giveUp)
    try {
      return await Promise.race([awaited, givenUp.promise])
    } finally {
      this.#starting.removeEventListener('abort', giveUp)
    }
  }

  async #ready(plan: ChildPlan, givenUpAt: number, isOver: AbortSignal): Promise<void> {
    while (!await isReady(plan, this.#log(plan))) {
      if (isOver.aborted) return // who raced with this has been told
      this.#starting.throwIfAborted()
      if (performance.now() >= givenUpAt) throw this.#failed(plan, 'did not get ready in time')
      await delay(50)
    }
  }

  #hear(word: KeeperWord): void {
    if ('started' in word) {
      this.#alive.set(word.started, word)
      this.#started.get(word.started)?.resolve(word.pid)
    } else if ('failed' in word) this.#started.get(word.failed)?.reject(new ChildFailed(`${word.failed} could not be started: ${word.why}`))
    else {
      this.#alive.delete(word.ended)
      this.#ended.get(word.ended)?.resolve(word.signal ?? `code ${word.code}`)
    }
  }

  #failed(plan: Command, why: string): ChildFailed {
    const last = this.#log(plan).trimEnd().split('\n').slice(-10).join('\n')
    return new ChildFailed(`${plan.name} ${why}; its last words:\n${last || '(none)'}`)
  }

  #log(plan: Command): string {
    try {
      return readFileSync(join(this.#folder, 'logs', `${plan.name}.log`), 'utf8')
    } catch {
      return ''
    }
  }
}
