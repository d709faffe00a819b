import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { commandLine, descendantsOf, readProcess, readProcesses, type ProcessEntry, type ProcessId } from '#shared/process/process-table.ts'

/** A declared parent with real processes below it; all are gone when it is disposed of, stopped or not. */
export interface ProcessTree extends AsyncDisposable {
  parent: ProcessId & { name: string }
  /** The target and its descendants, as they are now. */
  members(): ProcessEntry[]
}

/** Below the parent: a shell whose command line holds `marker`, a child of it, and a shell with a child of its own. Four in all. */
export function startProcessTree(marker: string): Promise<ProcessTree> {
  return start(`sh -c 'sleep 600 & sh -c "sleep 600 & wait" & wait' ${marker} & wait`, marker, 4)
}

/** One process in a network namespace of its own, with loopback up, that echoes on port 7 of IPv4 and IPv6. */
export function startEchoNamespace(marker: string): Promise<ProcessTree> {
  const echo = 'require("net").createServer(socket => socket.on("error", () => 0).pipe(socket)).listen(7, "::")'
  return start(`unshare --net sh -c 'ip link set lo up && exec "$0" -e "$1" "$2"' '${process.execPath}' '${echo}' ${marker} & wait`, `${echo} ${marker}`, 1)
}

async function start(script: string, match: string, size: number): Promise<ProcessTree> {
  // not in its arguments: the parent's own command line must not match what is looked for below it
  const shell = spawn('sh', ['-c', 'eval "$SCRIPT"'], { detached: true, stdio: 'ignore', env: { ...process.env, SCRIPT: script } })
  await once(shell, 'spawn')
  const pid = shell.pid ?? 0
  const members = () => {
    const table = readProcesses()
    const root = descendantsOf(pid, table).find(entry => commandLine(entry.pid).includes(match) && !commandLine(entry.pid).startsWith('unshare'))
    return root ? [root, ...descendantsOf(root.pid, table)] : []
  }
  while (members().length < size) await delay(10)
  return {
    parent: { name: 'test', pid, startTicks: readProcess(pid)?.startTicks ?? 0 },
    members,
    async [Symbol.asyncDispose]() {
      const ended = shell.exitCode === null && shell.signalCode === null ? once(shell, 'exit') : undefined
      process.kill(-pid, 'SIGKILL')
      await ended
    },
  }
}
