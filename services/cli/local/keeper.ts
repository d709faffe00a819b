/**
 * The keeper owns the children of a local session. It is started detached and holds one end of the command's pipe: whatever ends the
 * command, SIGKILL included, ends the pipe, and then the keeper reverts every fault, continues and kills all children with their
 * descendants, and removes the session's folder. (Asking the kernel for a parent-death signal would leave grandchildren alive.)
 *
 * Lines of JSON, in: {start: ChildPlan} {stop: name}; out: {started, pid} {failed, why} {ended, code, signal}.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, openSync, closeSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { revertAll } from '../../injector/revert-all.ts'
import type { ChildPlan } from '../parts/child-plan.ts'
import { endTree } from './process-tree.ts'

export type KeeperOrder = { start: ChildPlan } | { stop: string }
export type KeeperWord = { started: string; pid: number } | { failed: string; why: string } | { ended: string; code: number | null; signal: string | null }

const [folder = ''] = process.argv.slice(2)
const children = new Map<string, ChildProcess>()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGPIPE'] as const) process.on(signal, () => undefined) // only the pipe's end ends it

mkdirSync(join(folder, 'logs'), { recursive: true })
const orders = createInterface({ input: process.stdin })
orders.on('line', line => {
  const order = JSON.parse(line) as KeeperOrder
  if ('start' in order) start(order.start)
  else void stop(order.stop)
})
orders.on('close', () => void endAll())
process.stdout.on('error', () => undefined) // nobody listens any more: the pipe's end says the same

function start(plan: ChildPlan): void {
  const [program, ...args] = plan.argv
  const log = openSync(join(folder, 'logs', `${plan.name}.log`), 'a', 0o600)
  const child = spawn(program, args, { cwd: plan.cwd, env: { ...process.env, ...plan.env }, stdio: ['ignore', log, log], detached: true })
  closeSync(log)
  child.once('error', error => say({ failed: plan.name, why: error.message }))
  child.once('spawn', () => {
    children.set(plan.name, child)
    say({ started: plan.name, pid: child.pid ?? 0 })
  })
  child.once('exit', (code, signal) => {
    children.delete(plan.name)
    say({ ended: plan.name, code, signal })
  })
}

async function stop(name: string): Promise<void> {
  const child = children.get(name)
  if (child?.pid === undefined) say({ ended: name, code: null, signal: null })
  else await endTree(child.pid, { graceMs: 3_000 })
}

async function endAll(): Promise<void> {
  const { unconfirmed } = await revertAll(join(folder, 'injector')).catch(() => ({ unconfirmed: ['journal'] }))
  // newest first: the shop before its database, everything before NATS
  for (const child of [...children.values()].reverse()) if (child.pid !== undefined) await endTree(child.pid, { graceMs: 500 })
  if (unconfirmed.length === 0) rmSync(folder, { recursive: true, force: true }) // else the journal stays: it says what is still to be undone
  process.exit(0)
}

function say(word: KeeperWord): void {
  process.stdout.write(`${JSON.stringify(word)}\n`)
}
