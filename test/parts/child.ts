import { execFile, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { endTree } from '#shared/process/process-tree.ts'
import type { ChildPlan } from '#shared/process/child-plan.ts'
import { descendantsOf, readProcesses } from '#shared/process/process-table.ts'
import { isReady } from '#shared/process/readiness.ts'

/** A running plan, in a process group of its own. */
export interface Child extends AsyncDisposable {
  pid: number
  /** Resolves with how it ended: `ended with SIGKILL`, `ended with code 0`. */
  ended: Promise<string>
  /** The process and all its descendants, as they are now. */
  tree(): number[]
  /** Everything it has written, since its last start. */
  log(): string
  /** SIGKILL to the whole tree. */
  kill(): Promise<void>
}

const readyWithinMs = 60_000

/** Starts a plan and waits until it is ready; its log is `<name>.log` in the folder. Disposal ends it with all its descendants. */
export async function startChild(plan: ChildPlan, folder: string): Promise<Child> {
  const [program, ...args] = plan.argv
  const file = join(folder, `${plan.name}.log`)
  const output = openSync(file, 'a')
  const skip = statSync(file).size
  const child = spawn(program, args, { cwd: plan.cwd, env: { ...process.env, ...plan.env }, stdio: ['ignore', output, output], detached: true })
  closeSync(output)
  let ended: string | undefined
  const exited = new Promise<string>(resolve => {
    const end = (how: string) => {
      ended = how
      resolve(how)
    }
    child.once('error', error => end(error.message)).once('exit', (code, signal) => end(`ended with ${signal ?? `code ${code}`}`))
  })
  const pid = child.pid ?? 0
  const log = () => readFileSync(file, 'utf8').slice(skip)
  const end = async (graceMs: number) => {
    if (ended === undefined) await endTree({ pid }, { graceMs })
    await exited
  }
  const givenUpAt = performance.now() + readyWithinMs
  while (!await isReady(plan, log(), { answerWithinMs: 2_000 })) {
    const late = performance.now() > givenUpAt
    if (ended === undefined && !late) await delay(20) // what it waits for sends no event: a port, a page, a line
    if (ended === undefined && !late) continue
    await end(0)
    throw new Error(`${plan.name} ${late ? 'was not ready in time' : ended}:\n${log()}`)
  }
  return {
    pid, log, ended: exited,
    tree: () => [pid, ...descendantsOf(pid, readProcesses()).map(process => process.pid)],
    kill: () => end(0),
    [Symbol.asyncDispose]: () => end(5_000),
  }
}

/** Runs a command that ends by itself; gives what it printed. */
export async function runToEnd({ argv: [program, ...args], cwd, env }: { argv: readonly [string, ...string[]]; cwd?: string; env?: Record<string, string> }): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args, { ...(cwd && { cwd }), env: { ...process.env, ...env } })
  return stdout
}

/** A folder of its own, gone afterwards. */
export function temporaryFolder(name: string): Disposable & { path: string } {
  const path = mkdtempSync(join(tmpdir(), `${name}-`))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

/** Stops a whole tree, looking again until no new process has come up in between. */
export function stopTree(child: Child): number[] {
  const stopped = new Set<number>()
  for (let found = child.tree(); found.some(pid => !stopped.has(pid)); found = child.tree()) {
    for (const pid of found) {
      process.kill(pid, 'SIGSTOP')
      stopped.add(pid)
    }
  }
  return [...stopped]
}

export function continueAll(pids: readonly number[]): void {
  for (const pid of pids) process.kill(pid, 'SIGCONT')
}
