import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '#shared/errors.ts'
import type { Step } from '#shared/fault.ts'
import type { BoundProcess } from '#shared/target.ts'
import { findOnSystem, toolPath } from '#shared/tools.mjs'
import { FaultRefused } from './fault-refused.ts'
import type { Undo } from './journal.ts'
import { findProcess } from '#shared/process/process-table.ts'
import { requireProcess } from './process-deeds.ts'
import type { Seen, StepInHand } from './step-in-hand.ts'

const commandTimeoutMs = 3_000
type Nft = Step & { do: 'nft' }
export type Table = Undo & { undo: 'delete-table' }

/** Devices in the network namespace of a process. */
export function networkDevices(pid: number): string[] {
  return readFileSync(`/proc/${pid}/net/dev`, 'utf8').split('\n').flatMap(line => /^\s*(\S+):/.exec(line)?.[1] ?? [])
}

/** Throws FaultRefused unless this agent may and can change the target's network, and the network is the target's own. */
export function prepareNft(step: Nft, target: BoundProcess, id: string): StepInHand {
  requireProcess(target)
  if (process.getuid?.() !== 0) throw new FaultRefused('network faults need root: run the agent as root, or leave them out')
  const namespace = namespaceOf(target.pid)
  if (namespace === undefined) throw new FaultRefused(`${target.id}: its network namespace cannot be seen; run the agent as root, in the host's PID namespace`)
  if (namespace === namespaceOf('self') || namespace === namespaceOf(1)) {
    throw new FaultRefused(`${target.id} shares the network of the host or of the agent, which is never touched; run it in a network namespace of its own (a container)`)
  }
  const { pid, startTicks } = target
  const undo: Table = { undo: 'delete-table', nft: requireTool('nft'), nsenter: requireTool('nsenter'), table: `faultline_${id}`, namespace, process: { pid, startTicks } }
  return {
    undo,
    async act({ remainingMs }) {
      requireProcess(target)
      return addTable(undo, step, remainingMs)
    },
    renew: remainingMs => renewTable(undo, step, remainingMs),
  }
}

export async function addTable(undo: Table, step: Nft, remainingMs: number): Promise<Seen> {
  await nft(undo, ['-f', '-'], newTable(step, undo.table, remainingMs))
  return readLease(undo, step)
}

/** Rules and lease come in one transaction: there is no moment with the one and without the other. */
function newTable({ rules, leaseSet, leased }: Nft, table: string, remainingMs: number): string {
  return `table netdev ${table} {
  set ${leaseSet} {
    type ifname
    flags timeout
    elements = { ${elements(leased, remainingMs)} }
  }${rules}
}
`
}

/**
 * A bare `add` on a live element answers 0 and goes on counting down, so each is deleted and added in one transaction. When one is
 * gone the whole transaction fails (ENOENT): the lease has lapsed, and is not made again.
 */
export async function renewTable(undo: Table, { leaseSet, leased }: Nft, remainingMs: number): Promise<'renewed' | 'lapsed'> {
  if (remainingMs < 1) return 'lapsed'
  const names = leased.map(device => `"${device}"`).join(', ')
  try {
    await nft(undo, ['-f', '-'], `delete element netdev ${undo.table} ${leaseSet} { ${names} }\nadd element netdev ${undo.table} ${leaseSet} { ${elements(leased, remainingMs)} }\n`)
    return 'renewed'
  } catch (error) {
    if (saysGone(error)) return 'lapsed'
    throw error
  }
}

async function readLease(undo: Table, { leaseSet, leased }: Nft): Promise<Seen> {
  const text = await nft(undo, ['list', 'set', 'netdev', undo.table, leaseSet])
  const expires = new Map([...text.matchAll(/"([^"]+)" timeout \S+ expires ([0-9a-z]+)/g)].map(([, device = '', time = '']) => [device, time]))
  return { verified: leased.every(device => expires.has(device)), readBack: leased.map(device => `${undo.table} ${device} expires ${expires.get(device) ?? 'not there'}`) }
}

/** Deletes the fault's own table in whatever process still holds its namespace. Repeatable. */
export async function deleteTable(undo: Table): Promise<Seen> {
  if (!enterable(undo)) return { verified: true, readBack: [`no process is left in ${undo.namespace}: its rules went with it, or end with their lease`] }
  try {
    await nft(undo, ['delete', 'table', 'netdev', undo.table])
  } catch (error) {
    if (!saysGone(error)) return { verified: false, readBack: [messageOf(error)] }
  }
  const tables = await nft(undo, ['list', 'tables', 'netdev'])
  const isThere = tables.split('\n').includes(`table netdev ${undo.table}`)
  return { verified: !isThere, readBack: [`${undo.table} ${isThere ? 'is still there' : 'gone'}`] }
}

/** Runs nft in the target's network namespace. Rejects with what nft said. */
function nft(undo: Table, args: string[], input = ''): Promise<string> {
  const namespace = enterable(undo)
  if (namespace === undefined) throw new FaultRefused(`no process is left in the network namespace ${undo.namespace}`)
  return new Promise((resolve, reject) => {
    const child = execFile(undo.nsenter, [`--net=${namespace}`, undo.nft, ...args], { timeout: commandTimeoutMs, cwd: '/' }, (error, stdout, stderr) => {
      if (error) reject(new FaultRefused(`nft ${args.join(' ')}: ${stderr.trim().split('\n')[0] || error.message}; faultline doctor shows what this kernel can do`, { cause: error }))
      else resolve(stdout)
    })
    child.stdin?.on('error', () => undefined) // it ended first: its exit code says so
    child.stdin?.end(input)
  })
}

/**
 * A path that leads into the namespace: through the target, else through any other process in it, else where `ip netns` keeps it.
 * The inode is compared each time, since a PID may by now live elsewhere.
 */
function enterable({ namespace, process: { pid, startTicks } }: Table): string | undefined {
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

export function requireTool(tool: 'nft' | 'nsenter'): string {
  try {
    return tool === 'nft' ? toolPath(tool) : findOnSystem(tool) ?? toolPath(tool)
  } catch (cause) {
    throw new FaultRefused(`network faults need ${tool}: ${messageOf(cause)}`, { cause })
  }
}

const elements = (devices: readonly string[], remainingMs: number) => devices.map(device => `"${device}" timeout ${Math.max(1, Math.round(remainingMs))}ms`).join(', ')
const saysGone = (error: unknown) => messageOf(error).includes('No such file or directory')
