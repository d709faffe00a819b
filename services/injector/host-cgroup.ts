import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { messageOf } from '#shared/errors.ts'
import { toolPath } from '#shared/tools.mjs'
import { FaultRefused } from './fault-refused.ts'

const movedWithinMs = 3_000

/**
 * Takes a process out of the agent's container, so that it outlives the agent's pod: whoever removes a pod kills all that its cgroups hold.
 * It goes into the root of every hierarchy that the node's first process sees. Moved out of one hierarchy only, it did not survive.
 *
 * The node's files are reached through /proc/1/root, which needs hostPID and SYS_PTRACE and no program of the node. On cgroup v2 with nsdelegate
 * a process may be moved only within the cgroup namespace of who moves it, hence the node's (nsenter -C).
 *
 * Rejects with FaultRefused unless it is seen to be outside afterwards.
 */
export async function moveToHostCgroups(pid: number): Promise<void> {
  const roots = cgroupRoots(readFileSync('/proc/1/mountinfo', 'utf8'))
  const refuse = (why: string, cause?: unknown): never => {
    throw new FaultRefused(`the reverter ${pid} could not be taken out of the agent's pod, with which it would die, so nothing was done: ${why}`, { cause })
  }
  if (roots.length === 0) refuse('the node\'s first process sees no cgroup file system; the agent needs hostPID')
  // Each hierarchy is tried, and what came of it read back: one may refuse some kinds of processes (cpu on v2: real-time ones). It is read in
  // the node's cgroup namespace too: in one of its own the agent would see itself at the root.
  const script = `pid=$1; agent=$2; shift 2
    for root in "$@"; do echo "$pid" > "/proc/1/root$root/cgroup.procs" || echo "$root refuses it" >&2; done
    cat "/proc/$pid/cgroup"; echo; cat "/proc/$agent/cgroup"`
  try {
    const argv = ['--target', '1', '--cgroup', '--', 'sh', '-c', script, 'sh', String(pid), String(process.pid), ...roots]
    const child = spawn(toolPath('nsenter'), argv, { stdio: ['ignore', 'pipe', 'pipe'], timeout: movedWithinMs, killSignal: 'SIGKILL' })
    const [printed, complaints] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
    const [ofProcess = '', ofAgent = ''] = printed.split('\n\n')
    if (ofProcess === '' || ofAgent === '') refuse(complaints.trim())
    const shared = stillShared(ofProcess, ofAgent)
    if (shared.length > 0) refuse(`it is still in ${shared.join(', ')}; ${complaints.trim()}`)
  } catch (cause) {
    if (cause instanceof FaultRefused) throw cause
    refuse(messageOf(cause), cause)
  }
}

/** Where the cgroup hierarchies are mounted, v1 and v2, by a text such as /proc/1/mountinfo (proc_pid_mountinfo(5)). Pure. */
export const cgroupRoots = (mountinfo: string): string[] => [...new Set(hierarchiesOf(mountinfo).map(({ point }) => point))]

/** `root`: which cgroup is at the mount point. `options`: of the file system, on v1 the names of its controllers. */
export interface Hierarchy { type: 'cgroup' | 'cgroup2'; root: string; point: string; options: string[] }

/** Pure. */
export function hierarchiesOf(mountinfo: string): Hierarchy[] {
  return mountinfo.split('\n').flatMap((line): Hierarchy[] => {
    const [mount = '', fileSystem = ''] = line.split(' - ')
    const [type, , options = ''] = fileSystem.split(' ')
    const [, , , root, point] = mount.split(' ')
    if ((type !== 'cgroup' && type !== 'cgroup2') || root === undefined || point === undefined) return []
    return [{ type, root: unescapeMount(root), point: unescapeMount(point), options: options.split(',') }]
  })
}

const unescapeMount = (text: string) => text.replaceAll(/\\(\d{3})/g, (_, octal: string) => String.fromCodePoint(Number.parseInt(octal, 8)))

/**
 * Cgroups that a process is in, or below, together with the agent, by the texts of their /proc/PID/cgroup (cgroups(7)). The root of a hierarchy
 * belongs to no pod. Pure.
 */
export function stillShared(ofProcess: string, ofAgent: string): string[] {
  const agents = pathsOf(ofAgent)
  return [...pathsOf(ofProcess)].filter(([hierarchy, path]) => {
    const own = agents.get(hierarchy)
    return own !== undefined && own !== '/' && (path === own || path.startsWith(`${own}/`))
  }).map(([hierarchy, path]) => `${hierarchy}:${path}`)
}

function pathsOf(cgroup: string): Map<string, string> {
  return new Map(cgroup.split('\n').flatMap((line): [string, string][] => {
    const [, hierarchy, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    return hierarchy === undefined || path === undefined ? [] : [[hierarchy, path]]
  }))
}
