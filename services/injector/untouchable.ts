import { fileURLToPath } from 'node:url'
import { ancestorsOf, commandLine, type ProcessEntry } from '#shared/process/process-table.ts'

const ownPrograms = ['reverter.ts', 'burner.ts', 'memory-holder.ts', 'delay-proxy.ts', 'dns-responder.ts'].map(file => fileURLToPath(new URL(file, import.meta.url)))

/** A reverter, or what a fault consists of: in a target's cgroup or namespaces, and never a part of it. */
export const isOwnProgram = (command: string): boolean => ownPrograms.some(program => command.includes(program))

export interface Untouchable { has(pid: number): boolean }

/**
 * Never touched, whatever matches: init, kernel threads, this process and its ancestors, and what ends faults. What a process runs is only asked of those that
 * are asked about: a machine has hundreds. Asked by reverters too, so it imports little.
 */
export function untouchable(table: readonly ProcessEntry[], commandOf = commandLine): Untouchable {
  const spared = new Set([1, process.pid, ...ancestorsOf(process.pid, table)])
  const isSpared = ({ pid, isKernelThread }: ProcessEntry) => isKernelThread || isOwnProgram(commandOf(pid))
  return { has: pid => spared.has(pid) || table.some(entry => entry.pid === pid && isSpared(entry)) }
}
