import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { commandLine, isAlive, readProcesses, type ProcessEntry } from '#shared/process/process-table.ts'
import { until } from './until.ts'

/**
 * All processes that have to do with a folder: it is in their arguments or environment, it is where they run, or they have a file of it
 * open. The last two find those that overwrite the first two with a title, as PostgreSQL and gunicorn do.
 */
export function processesOf(folder: string): ProcessEntry[] {
  return readProcesses().filter(entry => isAlive(entry) && !entry.isKernelThread && entry.pid !== process.pid && namesOf(entry.pid).some(name => name.includes(folder)))
}

function namesOf(pid: number): string[] {
  const attempt = (read: () => string[]) => {
    try {
      return read()
    } catch {
      return [] // ended just now
    }
  }
  const at = `/proc/${pid}`
  return [
    commandLine(pid),
    ...attempt(() => [readFileSync(`${at}/environ`, 'latin1')]),
    ...attempt(() => [readlinkSync(`${at}/cwd`)]),
    ...attempt(() => readdirSync(`${at}/fd`)).flatMap(fd => attempt(() => [readlinkSync(`${at}/fd/${fd}`)])),
  ]
}

/** Inodes of the listening sockets that these processes have: unlike a port's number, nobody else gets one again. */
export function listenersOf(processes: readonly ProcessEntry[]): Set<string> {
  const own = new Set(processes.flatMap(({ pid }) => namesOf(pid)).flatMap(name => /^socket:\[(\d+)\]$/.exec(name)?.[1] ?? []))
  return new Set(allListeners().filter(inode => own.has(inode)))
}

/** proc_net_tcp(5): state 0A is LISTEN, the tenth field the inode. */
function allListeners(): string[] {
  const lines = ['tcp', 'tcp6'].flatMap(table => readFileSync(`/proc/net/${table}`, 'utf8').split('\n').slice(1))
  return lines.map(line => line.trim().split(/\s+/)).filter(fields => fields[3] === '0A').flatMap(fields => fields[9] ?? [])
}

/** Waits until no process, none of the listening sockets and no file in the folder is left; gives how long it took. */
export function untilNothingIsLeft(folder: string, listeners: ReadonlySet<string>, timeoutMs: number): Promise<number> {
  const files = () => readdirSync(folder)
  const listening = () => allListeners().filter(inode => listeners.has(inode))
  // the folder first: it is the cheapest to look at, and goes last
  return until(`nothing is left of ${folder}`, () => files().length === 0 && processesOf(folder).length === 0 && listening().length === 0, timeoutMs, {
    lookMs: 50,
    now: () => [`files ${files().join(' ')}`, ...processesOf(folder).map(({ pid, state }) => `process ${pid} ${state} ${commandLine(pid)}`), ...listening()].join('; '),
  })
}
