import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '#shared/errors.ts'
import { findProcess, type ProcessId } from '#shared/process/process-table.ts'
import type { BoundProcess } from '#shared/target.ts'
import { findOnSystem, toolPath } from '#shared/tools.mjs'
import { FaultRefused } from './fault-refused.ts'
import { requireProcess } from './process-deeds.ts'

const commandTimeoutMs = 3_000

/** A target's network namespace: known by its inode, entered through the process or whoever else is in it. Goes into the journal. */
export interface NetworkNamespace { namespace: string; process: ProcessId; nsenter: string }

/** Throws FaultRefused unless this agent may and can change the target's network, and the network is the target's own. */
export function requireOwnNetwork(target: BoundProcess): NetworkNamespace {
  requireProcess(target)
  if (process.getuid?.() !== 0) throw new FaultRefused('network faults need root: run the agent as root, or leave them out')
  const namespace = namespaceOf(target.pid)
  if (namespace === undefined) throw new FaultRefused(`${target.id}: its network namespace cannot be seen; run the agent as root, in the host's PID namespace`)
  if (namespace === namespaceOf('self') || namespace === namespaceOf(1)) {
    throw new FaultRefused(`${target.id} shares the network of the host or of the agent, which is never touched; run it in a network namespace of its own (a container)`)
  }
  const { pid, startTicks } = target
  return { namespace, process: { pid, startTicks }, nsenter: requireTool('nsenter') }
}

/** Devices in the network namespace of a process. */
export function networkDevices(pid: number): string[] {
  return readFileSync(`/proc/${pid}/net/dev`, 'utf8').split('\n').flatMap(line => /^\s*(\S+):/.exec(line)?.[1] ?? [])
}

/** Runs a program in the namespace. Rejects with what it said. */
export function runIn(namespace: NetworkNamespace, argv: readonly string[], input = ''): Promise<string> {
  const launcher = launcherOf(namespace)
  return new Promise((resolve, reject) => {
    const [program = '', ...args] = [...launcher, ...argv]
    const child = execFile(program, args, { timeout: commandTimeoutMs, cwd: '/' }, (error, stdout, stderr) => {
      const name = argv.map((part, index) => index === 0 ? part.split('/').at(-1) : part).join(' ')
      if (error) reject(new FaultRefused(`${name}: ${stderr.trim().split('\n')[0] || error.message}; faultline doctor shows what this kernel can do`, { cause: error }))
      else resolve(stdout)
    })
    child.stdin?.on('error', () => undefined) // it ended first: its exit code says so
    child.stdin?.end(input)
  })
}

/** What starts a program in the namespace. Throws FaultRefused when nobody is in it any more. */
export function launcherOf(namespace: NetworkNamespace): string[] {
  const path = enterable(namespace)
  if (path === undefined) throw new FaultRefused(`no process is left in the network namespace ${namespace.namespace}`)
  return [namespace.nsenter, `--net=${path}`]
}

/**
 * A path that leads into the namespace: through the target, else through any other process in it, else where `ip netns` keeps it.
 * The inode is compared each time, since a PID may by now live elsewhere.
 */
export function enterable({ namespace, process: { pid, startTicks } }: NetworkNamespace): string | undefined {
  if (findProcess({ pid, startTicks }) && namespaceOf(pid) === namespace) return `/proc/${pid}/ns/net`
  const member = readdirSync('/proc').find(name => /^\d+$/.test(name) && namespaceOf(name) === namespace)
  if (member !== undefined) return `/proc/${member}/ns/net`
  const inode = /\d+/.exec(namespace)?.[0]
  return namedNamespaces().find(path => String(statSync(path, { throwIfNoEntry: false })?.ino) === inode)
}

/** `net:[4026531840]`, or nothing when the process has ended or is another user's. */
export function namespaceOf(pid: number | string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`)
  } catch {
    return undefined
  }
}

function namedNamespaces(): string[] {
  try {
    return readdirSync('/run/netns').map(name => join('/run/netns', name))
  } catch {
    return [] // nobody has used `ip netns`
  }
}

/** Throws FaultRefused. */
export function requireTool(tool: 'nft' | 'nsenter' | 'tc'): string {
  try {
    return tool === 'nft' ? toolPath(tool) : findOnSystem(tool) ?? toolPath(tool)
  } catch (cause) {
    throw new FaultRefused(`network faults need ${tool}: ${messageOf(cause)}`, { cause })
  }
}
