import { execFile, execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import { messageOf } from '#shared/errors.ts'
import { toolPath } from '#shared/tools.mjs'
import { FaultRefused } from './fault-refused.ts'
import { hierarchiesOf } from './host-cgroup.ts'

const withinMs = 3_000

/**
 * Puts a process into the cgroups that a target is in: those of these controllers on v1, the one that there is on v2. What it has allocated by
 * then stays charged to where it came from. The agent has no right to write others' files (DAC_OVERRIDE), and needs none: these are root's own.
 *
 * Written and read back in the node's cgroup namespace, as host-cgroup.ts explains. Rejects with FaultRefused unless it is there afterwards.
 */
export async function joinCgroups(pid: number, target: number, controllers: readonly string[]): Promise<void> {
  const folders = cgroupFolders(target, controllers)
  const script = 'pid=$1; shift; for folder in "$@"; do echo "$pid" > "$folder/cgroup.procs" || exit 1; done; cat "/proc/$pid/cgroup"'
  try {
    const { stdout } = await promisify(execFile)(toolPath('nsenter'), [...inNode, 'sh', '-c', script, 'sh', String(pid), ...folders], { timeout: withinMs, killSignal: 'SIGKILL' })
    const isThere = cgroupPaths(stdout, controllers).every((path, index) => path === cgroupPaths(cgroupOf(target), controllers)[index])
    if (!isThere) throw new FaultRefused(`${pid} is not in the target's cgroups after it was put there`)
  } catch (cause) {
    if (cause instanceof FaultRefused) throw cause
    throw new FaultRefused(`${pid} could not be put into the cgroups of ${target} (${folders.join(', ')}): ${messageOf(cause).trim()}`, { cause })
  }
}

/** What the target's memory cgroup allows it, in bytes; undefined when it has no limit. Throws FaultRefused. */
export function memoryLimit(target: number): number | undefined {
  const text = readMemoryFile(target, ['memory.max', 'memory.limit_in_bytes'])
  const bytes = Number(text)
  return Number.isFinite(bytes) && bytes < 2 ** 60 ? bytes : undefined // v2 says `max`, v1 a number near 2^63
}

/** What is charged to the target's memory cgroup, in bytes. Throws FaultRefused. */
export const memoryUsage = (target: number): number => Number(readMemoryFile(target, ['memory.current', 'memory.usage_in_bytes']))

function readMemoryFile(target: number, names: readonly string[]): string {
  const [folder = ''] = cgroupFolders(target, ['memory'])
  for (const name of names) {
    try {
      return readFileSync(join(folder, name), 'utf8').trim()
    } catch {
      // the other version's name
    }
  }
  throw new FaultRefused(`the memory cgroup of ${target} cannot be read: neither ${names.join(' nor ')} is in ${folder || 'it'}`)
}

const inNode = ['--target', '1', '--cgroup', '--']

/** As the node's own cgroup namespace shows it: in another one paths would be told from there. */
function cgroupOf(pid: number): string {
  try {
    return execFileSync(toolPath('nsenter'), [...inNode, 'cat', `/proc/${pid}/cgroup`], { encoding: 'utf8', timeout: withinMs, stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (cause) {
    throw new FaultRefused(`the cgroups of ${pid} cannot be seen: ${messageOf(cause).trim()}; the agent needs hostPID and SYS_ADMIN`, { cause })
  }
}

function cgroupFolders(target: number, controllers: readonly string[]): string[] {
  const folders = foldersOf(readFileSync('/proc/1/mountinfo', 'utf8'), cgroupOf(target), controllers)
  if (folders.length === 0) throw new FaultRefused(`no cgroup of ${controllers.join(' or ')} is mounted on this node for ${target}`)
  return folders.map(folder => `/proc/1/root${folder}`)
}

/** Where a process's cgroups of these controllers are mounted, by the texts of a mountinfo and of its /proc/PID/cgroup. Pure. */
export function foldersOf(mountinfo: string, cgroup: string, controllers: readonly string[]): string[] {
  const lines = linesOf(cgroup, controllers)
  const folders = lines.flatMap(({ names, path }) => {
    const mount = hierarchiesOf(mountinfo).find(({ type, options }) => names === '' ? type === 'cgroup2' : type === 'cgroup' && names.split(',').every(name => options.includes(name)))
    return mount ? [join(mount.point, relative(mount.root, path))] : []
  })
  return [...new Set(folders)]
}

const cgroupPaths = (cgroup: string, controllers: readonly string[]): string[] => linesOf(cgroup, controllers).map(({ path }) => path)

/** The lines of v1 that name one of the controllers; where there is none, that of v2. */
function linesOf(cgroup: string, controllers: readonly string[]): { names: string; path: string }[] {
  const all = cgroup.split('\n').flatMap(line => {
    const [, names, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    return names === undefined || path === undefined ? [] : [{ names, path }]
  })
  const named = all.filter(({ names }) => names.split(',').some(name => controllers.includes(name)))
  return named.length > 0 ? named : all.filter(({ names }) => names === '')
}
