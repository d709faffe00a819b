import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { commandLine, isAlive, readProcesses, type ProcessEntry } from '#shared/process/process-table.ts'
import type { BoundPod, BoundProcess } from '#shared/target.ts'
import { FaultRefused } from './fault-refused.ts'
import { isOwnProgram } from './untouchable.ts'

/** A pod as this node's kernel shows it. */
export interface PodProcesses {
  /** Any process in the pod's network namespace: the sandbox's, which outlives its containers, where it can be told. */
  network: BoundProcess
  containers: PodContainer[]
}

/**
 * `first`: with which it began, and with which it ends. `beside`: whatever else runs in it and is no descendant of that, such as the command of a probe or of
 * `kubectl exec`, the topmost of each. Those may end at any time.
 */
export interface PodContainer { name: string; first: BoundProcess; beside: BoundProcess[] }

/** What a pod's processes are found by; read at once, so that the search itself is pure. */
export interface PodScene {
  table: readonly ProcessEntry[]
  /** Paths of a process in the cgroup hierarchies, as /proc/PID/cgroup has them, one a line. */
  cgroupOf(pid: number): string
  commandOf(pid: number): string
  /** Names in the kubelet's /var/log/containers: `<pod>_<namespace>_<container>-<id>.log`. */
  containerLogs: readonly string[]
}

/**
 * Finds a pod's processes by its UID in their cgroups, with no container runtime asked. Of the containers there, those with a log of their own
 * are the pod's; the one without is its sandbox. Pure. Throws FaultRefused when no process of the pod is here.
 */
export function podProcesses({ id, pod, description }: BoundPod, { table, cgroupOf, commandOf, containerLogs }: PodScene): PodProcesses {
  const inPod = table.filter(isAlive).flatMap(entry => {
    const container = containerIn(cgroupOf(entry.pid), pod.uid)
    return container === undefined || isOwnProgram(commandOf(entry.pid)) ? [] : [{ entry, container }]
  })
  const topmost = inPod.filter(({ entry, container }) => !inPod.some(other => other.entry.pid === entry.parent && other.container === container))
  const bound = (entry: ProcessEntry): BoundProcess => ({
    id: `process:${entry.pid}:${entry.startTicks}`, pid: entry.pid, startTicks: entry.startTicks, description: `${description}: ${commandOf(entry.pid).slice(0, 120)}`,
  })
  const found = [...Map.groupBy(topmost, ({ container }) => container)].map(([container, its]) => ({
    log: containerLogs.find(name => name.startsWith(`${pod.name}_${pod.namespace}_`) && name.endsWith(`-${container}.log`)),
    suffix: `-${container}.log`, entries: its.map(({ entry }) => entry).toSorted((a, b) => a.startTicks - b.startTicks || a.pid - b.pid),
  }))
  const containers = found.flatMap(({ log, suffix, entries: [first, ...beside] }): PodContainer[] => (
    log === undefined || !first ? [] : [{ name: log.slice(`${pod.name}_${pod.namespace}_`.length, -suffix.length), first: bound(first), beside: beside.map(bound) }]))
  const [sandbox] = (found.find(({ log }) => log === undefined) ?? found[0])?.entries ?? []
  if (!sandbox) throw new FaultRefused(`${id}: no process of ${description} is on this node; it has ended, or its cgroup does not bear its UID`)
  return { network: bound(sandbox), containers }
}

/**
 * The container's id in a process's cgroup path below the pod's: `/kubepods/burstable/pod<uid>/<id>`, or with systemd
 * `kubepods-burstable-pod<uid with underscores>.slice/cri-containerd-<id>.scope`.
 */
function containerIn(cgroup: string, uid: string): string | undefined {
  for (const line of cgroup.split('\n')) {
    for (const name of [uid, uid.replaceAll('-', '_')]) {
      const below = line.split(`pod${name}`)[1]
      const leaf = below === undefined ? undefined : /^(?:\.slice)?\/([^/]+)/.exec(below)?.[1]
      if (leaf !== undefined) return leaf.replace(/^.*-(?=[0-9a-f]{12,})/, '').replace(/\.scope$/, '')
    }
  }
  return undefined
}

/** The pod of this UID has this name and namespace, by the folder that the kubelet keeps for its logs. Throws FaultRefused. */
export function confirmName({ id, pod: { namespace, name, uid } }: BoundPod, podLogsFolder: string): void {
  if (!existsSync(join(podLogsFolder, `${namespace}_${name}_${uid}`))) {
    throw new FaultRefused(`${id}: the kubelet of this node knows no pod ${namespace}/${name} of that UID (${podLogsFolder})`)
  }
}

export function podSceneNow(containerLogsFolder: string): PodScene {
  const read = (pid: number) => {
    try {
      return readFileSync(`/proc/${pid}/cgroup`, 'utf8')
    } catch {
      return '' // ended
    }
  }
  return { table: readProcesses(), cgroupOf: read, commandOf: commandLine, containerLogs: existsSync(containerLogsFolder) ? readdirSync(containerLogsFolder) : [] }
}
