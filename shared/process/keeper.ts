/**
 * The keeper owns the children of another process. It is started detached and holds one end of its owner's pipe: whatever ends the
 * owner, SIGKILL included, ends the pipe, and then the keeper runs the owner's last commands, continues and kills all children with their
 * descendants, and removes the folder. (Asking the kernel for a parent-death signal would leave grandchildren alive.)
 *
 *     node keeper.ts FOLDER          logs go to FOLDER/logs; FOLDER/keeper.json says which process this is
 *
 * Lines of JSON, in: {start: Command} {stop: name} {atEnd: argv} {parent: folder, removed when empty}; out: {started, pid} {failed, why} {ended, code, signal}.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Command } from '#shared/process/child-plan.ts'
import { endTree, startTicksOf } from '#shared/process/process-tree.ts'

export type KeeperOrder = { start: Command } | { stop: string } | { atEnd: string[] } | { parent: string }
export type KeeperWord = { started: string; pid: number; startTicks?: number | undefined } | { failed: string; why: string } | { ended: string; code: number | null; signal: string | null }

const atEndWithinMs = 30_000

const [folder = ''] = process.argv.slice(2)
const children = new Map<string, ChildProcess>()
let atEnd: string[] = []
let parent: string | undefined
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGPIPE'] as const) process.on(signal, () => undefined) // only the pipe's end ends it

mkdirSync(join(folder, 'logs'), { recursive: true })
writeFileSync(join(folder, 'keeper.json'), JSON.stringify({ pid: process.pid, startTicks: startTicksOf(process.pid) }), { mode: 0o600 })
const orders = createInterface({ input: process.stdin })
orders.on('line', line => {
  const order = JSON.parse(line) as KeeperOrder
  if ('start' in order) start(order.start)
  else if ('stop' in order) void stop(order.stop)
  else if ('parent' in order) parent = order.parent
  else atEnd = order.atEnd
})
orders.on('close', () => void endAll())
process.stdout.on('error', () => undefined) // nobody listens any more: the pipe's end says the same

function start(plan: Command): void {
  const [program, ...args] = plan.argv
  const log = openLog(plan.name)
  const child = spawn(program, args, { cwd: plan.cwd, env: { ...process.env, ...plan.env }, stdio: ['ignore', log, log], detached: true })
  closeSync(log)
  child.once('error', error => say({ failed: plan.name, why: error.message }))
  child.once('spawn', () => {
    children.set(plan.name, child)
    say({ started: plan.name, pid: child.pid ?? 0, startTicks: startTicksOf(child.pid ?? 0) })
  })
  child.once('exit', (code, signal) => {
    children.delete(plan.name)
    say({ ended: plan.name, code, signal })
  })
}

async function stop(name: string): Promise<void> {
  const child = children.get(name)
  if (child?.pid === undefined) say({ ended: name, code: null, signal: null })
  else await endTree({ pid: child.pid }, { graceMs: 3_000 })
}

/** The last command runs at once, because users pay for every fault that stays, and again when nobody is left who could act after it. */
async function endAll(): Promise<void> {
  runAtEnd()
  // newest first: each child before what it needs
  for (const child of [...children.values()].reverse()) if (child.pid !== undefined) await endTree({ pid: child.pid }, { graceMs: 500 })
  const isClean = runAtEnd()
  if (isClean) remove() // else it stays: it says what is still to be done
  process.exit(0)
}

function remove(): void {
  rmSync(folder, { recursive: true, force: true })
  try {
    if (parent !== undefined) rmdirSync(parent)
  } catch {
    // others live in it
  }
}

/** Whether there was nothing to run, or it ended well. */
function runAtEnd(): boolean {
  const [program, ...args] = atEnd
  if (program === undefined) return true
  const log = openLog('at-end')
  const { status } = spawnSync(program, args, { cwd: folder, stdio: ['ignore', log, log], timeout: atEndWithinMs })
  closeSync(log)
  return status === 0
}

function openLog(name: string): number {
  return openSync(join(folder, 'logs', `${name}.log`), 'a', 0o600)
}

function say(word: KeeperWord): void {
  process.stdout.write(`${JSON.stringify(word)}\n`)
}
