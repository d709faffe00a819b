/**
 * Which processes belong to the cluster: those that live in its network namespaces, and those in the nodes' PID namespaces.
 * Asked of the kernel each time, so there is no list of PIDs that could be stale.
 */
import { readFileSync, readlinkSync, statSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { commandLine, readProcesses, isAlive, type ProcessEntry } from '#shared/process/process-table.ts'
import { namespaceInode } from './namespaces.ts'
import { LeftBehind } from './problems.ts'

/** Everything that lives in the network namespace, and everything in a PID namespace of one of those that is not the machine's own. */
export function processesOf(namespace: string): ProcessEntry[] {
  const network = namespaceInode(namespace)
  if (network === undefined) return []
  const table = readProcesses().filter(entry => isAlive(entry) && !entry.isKernelThread)
  const inside = table.filter(entry => inodeOf(entry.pid, 'net') === network)
  const own = pidNamespaceOf(process.pid)
  const pidNamespaces = new Set(inside.map(entry => pidNamespaceOf(entry.pid)).filter(found => found !== undefined && found !== own))
  return table.filter(entry => inside.includes(entry) || pidNamespaces.has(pidNamespaceOf(entry.pid)))
}

/** The first process of the PID namespace of a node: the one whose end is the node's. */
export function firstProcessOf(namespace: string): number | undefined {
  const depth = namespacePids(process.pid).length
  const found = processesOf(namespace).find(entry => {
    const pids = namespacePids(entry.pid)
    return pids.length === depth + 1 && pids.at(-1) === 1
  })
  return found?.pid
}

/** Kills them all, and those that they start meanwhile, until none is left. */
export async function killProcessesOf(namespace: string, isLetThrough: () => void = () => {}): Promise<void> {
  const givenUpMs = performance.now() + 15_000
  for (;;) {
    const left = processesOf(namespace)
    if (left.length === 0) return
    for (const { pid } of left) kill(pid)
    isLetThrough()
    if (performance.now() > givenUpMs) {
      throw new LeftBehind(`these processes do not end: ${left.map(entry => `${entry.pid} (${entry.name})`).join(', ')}; look at /proc/PID/stack, then run \`npm run cluster:down\` again.`)
    }
    await delay(30)
  }
}

/** Whether a daemon of the control plane runs, by the end of its program's path or its first argument. */
export function isRunning(namespace: string, daemon: string): boolean {
  return processesOf(namespace).some(({ pid }) => {
    const [program = '', first = ''] = commandLine(pid).split(' ')
    return program.endsWith(`/${daemon}`) || program === daemon || first === daemon || first.endsWith(`/${daemon}.ts`)
  })
}

/** Whether this very process runs inside the cluster's network, and would end with it. */
export const isInside = (namespace: string): boolean => namespaceInode(namespace) === inodeOf(process.pid, 'net')

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // it ended in this moment
  }
}

function inodeOf(pid: number, kind: 'net' | 'pid'): number | undefined {
  try {
    return statSync(`/proc/${pid}/ns/${kind}`).ino
  } catch {
    return undefined // ended
  }
}

function pidNamespaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`)
  } catch {
    return undefined
  }
}

/** Its PID in every PID namespace it is in, this one's first. */
function namespacePids(pid: number): number[] {
  try {
    return /^NSpid:\s*(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]?.split(/\s+/).map(Number) ?? []
  } catch {
    return []
  }
}
