/** A node's cgroup, in every hierarchy that the machine has: many with cgroup v1, one with v2. */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { nodeCgroup } from './paths.ts'
import { LeftBehind, MachineUnfit } from './problems.ts'
import { record, recorded } from './record.ts'

const root = '/sys/fs/cgroup'
/** What the kubelet insists on. */
const neededControllers = ['cpu', 'cpuset', 'memory', 'pids']

/** The root of v2 has this file; that of v1 is a folder of hierarchies. */
export const isUnified = (): boolean => existsSync(join(root, 'cgroup.controllers'))

export function createCgroup(node: number): void {
  if (isUnified()) createUnified(node)
  else createHierarchies(node)
}

/** A frozen process does not take its SIGKILL under v1, and a frozen pod would outlive its node. */
export function thaw(node: number): void {
  const freezer = join(root, 'freezer', nodeCgroup(node))
  for (const folder of foldersBelow(freezer)) {
    try {
      writeFileSync(join(folder, 'freezer.state'), 'THAWED')
    } catch {
      // removed in this moment, or v2, whose kernel kills the frozen too
    }
  }
}

/** No machine starts with the cgroups of its earlier life; a kubelet that finds some waits three seconds for each. */
export async function removeCgroupsOf(node: number): Promise<void> {
  for (const made of recorded()) if (made.made === 'cgroup' && made.path.endsWith(`/${nodeCgroup(node)}`)) await removeCgroup(made.path)
}

/** Removes a recorded folder and all below it, once their processes are gone; the kernel takes a moment after the last has ended. */
export async function removeCgroup(path: string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    let left = false
    for (const folder of foldersBelow(path)) {
      try {
        rmdirSync(folder)
      } catch {
        left = existsSync(folder) || left
      }
    }
    if (!left) return
    await delay(50)
  }
  throw new LeftBehind(`the cgroup ${path} cannot be removed; what is in its cgroup.procs is not the cluster's to kill.`)
}

function createHierarchies(node: number): void {
  const controllers = readdirSync(root, { withFileTypes: true }).filter(entry => entry.isDirectory()).map(entry => entry.name)
  const missing = ['memory', 'cpu', 'pids', 'cpuset'].filter(controller => !existsSync(join(root, controller)))
  if (missing.length > 0) throw new MachineUnfit(`no cgroup controller ${missing.join(', ')} below ${root}: the kubelet needs it.`)
  for (const controller of controllers) {
    const folder = join(root, controller, nodeCgroup(node))
    make(folder)
    if (controller !== 'cpuset') continue
    // v1 starts a cpuset empty, and no process can enter an empty one
    for (const file of ['cpuset.cpus', 'cpuset.mems']) writeFileSync(join(folder, file), readFileSync(join(root, controller, file)))
  }
}

function createUnified(node: number): void {
  const available = readFileSync(join(root, 'cgroup.controllers'), 'utf8').split(/\s+/)
  const missing = neededControllers.filter(controller => !available.includes(controller))
  if (missing.length > 0) throw new MachineUnfit(`${root} does not offer the cgroup controller ${missing.join(', ')}: the kubelet needs it. Inside a container, delegate it; elsewhere, see cgroup_disable on the kernel's command line.`)
  const enabled = readFileSync(join(root, 'cgroup.subtree_control'), 'utf8').split(/\s+/)
  const all = [...neededControllers, 'io', 'hugetlb'].filter(controller => available.includes(controller))
  const wanted = all.filter(controller => !enabled.includes(controller))
  if (wanted.length > 0) {
    try {
      writeFileSync(join(root, 'cgroup.subtree_control'), wanted.map(controller => `+${controller}`).join(' '))
    } catch (error) {
      throw new MachineUnfit(`the controllers ${wanted.join(', ')} cannot be enabled for groups below ${root}: this is not the machine's own root, and has processes in it. Run on the machine, or move them into a group.`, { cause: error })
    }
  }
  const folder = join(root, nodeCgroup(node))
  make(folder)
  writeFileSync(join(folder, 'cgroup.subtree_control'), all.map(controller => `+${controller}`).join(' '))
}

function make(folder: string): void {
  if (existsSync(folder)) {
    if (!isOurs(folder)) throw new MachineUnfit(`${folder} is there already and not this cluster's.`)
    return
  }
  if (!isOurs(folder)) record({ made: 'cgroup', path: folder })
  mkdirSync(folder)
}

const isOurs = (folder: string): boolean => recorded().some(made => made.made === 'cgroup' && made.path === folder)

/** Deepest first, itself last. */
function foldersBelow(path: string): string[] {
  if (!existsSync(path)) return []
  const inside = readdirSync(path, { withFileTypes: true }).filter(entry => entry.isDirectory())
  return [...inside.flatMap(entry => foldersBelow(join(path, entry.name))), path]
}
