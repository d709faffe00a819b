/**
 * What a fault, a service or a test could leave behind on this machine, before and after: processes, nft, tc, addresses, mounts, files. The
 * matrix has namespaces of its own (inside.ts), so that all of it is its own and nothing needs to be left out for strangers.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { commandLine, isAlive, isStopped, readProcesses } from '#shared/process/process-table.ts'
import { toolPath } from '#shared/tools.mjs'

/** One line a thing. Several of the same are so many lines. */
export type Picture = readonly string[]

export interface PictureOptions {
  /** Processes in further network namespaces that belong to the picture. */
  networks: readonly number[]
  /** Folders in which nothing may be left. */
  folders: readonly string[]
}

/** What outlives a fault by design: the agent's memory of epochs and of runs that were aborted. */
const kept = new Set(['memory'])

export function takePicture({ networks, folders }: PictureOptions): Picture {
  const lines = (text: string) => text.split('\n').map(line => line.trimEnd()).filter(line => line !== '')
  const said = (...[program = '', ...args]: string[]) => lines(execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }))
  const processes = readProcesses().filter(entry => isAlive(entry) && entry.pid !== process.pid)
    .map(entry => `process: ${isStopped(entry) ? 'stopped' : 'running'} ${commandLine(entry.pid) || entry.name}, in ${cgroupsOf(entry.pid)}`)
  const ofNetworks = [[], ...networks.map(pid => ['nsenter', '--target', String(pid), '--net'])].flatMap((enter, index) => [
    ...said(...enter, toolPath('nft'), '--stateless', 'list', 'ruleset').map(line => `nft ${index}: ${line}`),
    ...said(...enter, toolPath('tc'), 'qdisc', 'show').map(line => `tc ${index}: ${line}`),
    ...said(...enter, toolPath('ip'), '-oneline', 'address').map(line => `address ${index}: ${line}`),
  ])
  const mounts = lines(readFileSync('/proc/self/mountinfo', 'utf8')).map(line => `mount: ${line.split(' ').slice(3).filter(word => !/^(?:shared|master):/.test(word)).join(' ')}`)
  const files = folders.flatMap(folder => namesIn(folder).filter(name => !kept.has(name)).map(name => `file: ${folder}/${name}`))
  return [...processes, ...ofNetworks, ...mounts, ...files]
}

/** With folders in folders. One of these may go while they are read. */
function namesIn(folder: string): string[] {
  for (;;) {
    try {
      return readdirSync(folder, { recursive: true }).map(String)
    } catch (error) {
      if (!existsSync(folder) || !(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    }
  }
}

/** Path of the process in each hierarchy, without duplicates. */
function cgroupsOf(pid: number): string {
  try {
    return [...new Set(readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n').map(line => line.split(':')[2] ?? ''))].join(' ')
  } catch {
    return 'none' // it ended just now
  }
}

/** What one of them has and the other has not, in words. Pure. */
export function compare(before: Picture, after: Picture): string[] {
  const changes = new Map<string, number>()
  for (const line of after) changes.set(line, (changes.get(line) ?? 0) + 1)
  for (const line of before) changes.set(line, (changes.get(line) ?? 0) - 1)
  return [...changes].filter(([, change]) => change !== 0).map(([line, change]) => `${change > 0 ? '+' : '-'}${Math.abs(change)} ${line}`).sort()
}
