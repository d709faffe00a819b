/**
 * Sees the end of what runs the tests by the end of its standard input, and then ends all that was started by it: it asks, and kills who is there after a while. They are known
 * by a mark in their environment, which is inherited, also by what leads a session of its own or has lost its parent; and those that write over
 * theirs (PostgreSQL, gunicorn) by their parent. A cluster's daemons have an environment of their own: they are what the cluster's commands end.
 *
 *     node run-keeper.ts VARIABLE= MARK          in, lines of JSON: the argv to run when all have ended, in place of the one before
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { readProcesses, type ProcessEntry } from '#shared/process/process-table.ts'
import { signalAll, treeOf } from '#shared/process/process-tree.ts'

/** What ends when it is asked to may take this long: keepers of sessions undo faults first, and remove their folders. */
const graceMs = 8_000
/** Whoever is there so long after its SIGKILL cannot be ended by anybody: it hangs in the kernel. */
const givenUpMs = 5_000

const [variable = '', mark = ''] = process.argv.slice(2)
if (!variable.endsWith('=') || mark === '') throw new Error('usage: run-keeper.ts VARIABLE= MARK')
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGPIPE'] as const) process.on(signal, () => undefined) // only the pipe's end ends it
let atEnd: string[] = []
const orders = createInterface({ input: process.stdin })
orders.on('line', line => { atEnd = JSON.parse(line) as string[] })
orders.on('close', () => void endAll())

async function endAll(): Promise<void> {
  const asked = left([])
  signalAll(asked, 'SIGTERM')
  signalAll(asked, 'SIGCONT')
  await untilNobody(asked, graceMs)
  await untilNobody(asked, givenUpMs, members => signalAll(members, 'SIGKILL'))
  const [program, ...args] = atEnd
  if (program !== undefined) spawnSync(program, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  process.exit(0)
}

async function untilNobody(known: readonly ProcessEntry[], timeoutMs: number, look: (members: readonly ProcessEntry[]) => void = () => undefined): Promise<void> {
  const giveUpAt = performance.now() + timeoutMs
  for (let members = left(known); members.length > 0 && performance.now() < giveUpAt; members = left(known)) {
    look(members)
    await delay(100)
  }
}

/** Whoever bears the mark, and who of these was known, with all below them. */
function left(known: readonly ProcessEntry[]): ProcessEntry[] {
  const table = readProcesses().filter(entry => !entry.isKernelThread && entry.pid !== process.pid).map(entry => ({ entry, environment: environmentOf(entry.pid) }))
  const bearsMark = (environment: string) => environment.split('\0').some(setting => setting.startsWith(variable) && setting.includes(mark))
  const marked = table.filter(({ environment }) => bearsMark(environment)).map(({ entry }) => entry)
  const mayEnd = table.filter(({ environment }) => bearsMark(environment) || !/(^|\0)FAULTLINE_CLUSTER_FOLDER=/.test(environment)).map(({ entry }) => entry)
  return treeOf([...marked, ...known], mayEnd)
}

function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1')
  } catch {
    return '' // ended, or another user's
  }
}
