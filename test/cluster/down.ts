import { existsSync, readFileSync, readdirSync, rmSync, rmdirSync, writeFileSync } from 'node:fs'
import { cutPower } from './node.ts'
import { removeCgroup } from './cgroups.ts'
import { takeLock } from './lock.ts'
import { checkUser } from './machine.ts'
import { unmountBelow } from './mounts.ts'
import { removeNamespace, removeNamespaceFolder } from './namespaces.ts'
import { clusterFolder, controlPlaneNamespace, mostNodes, nodeNamespace, nodeNumbers, paths } from './paths.ts'
import { ArgumentInvalid } from './problems.ts'
import { isInside, killProcessesOf } from './processes.ts'
import { recorded } from './record.ts'

/** Ends the cluster and removes all it made; with `purge`, what it keeps for the next time too. */
export async function down({ purge }: { purge: boolean }, say: (line: string) => void): Promise<void> {
  checkUser()
  if (!existsSync(clusterFolder)) {
    say('there is no cluster')
    return
  }
  if (isInside(controlPlaneNamespace)) throw new ArgumentInvalid('this runs in the cluster\'s own network and would end itself; run it outside of `cluster:run`.')
  using _ = takeLock(say)
  await removeCluster()
  if (!purge) return
  await unmountBelow(clusterFolder)
  rmSync(clusterFolder, { recursive: true, force: true })
}

/** In the order that leaves no gap: processes, what they held, and the record of it last. */
export async function removeCluster(): Promise<void> {
  const made = recorded()
  const namespaces = made.flatMap(entry => entry.made === 'namespace' ? [entry.name] : [])
  for (const node of nodeNumbers(mostNodes)) if (namespaces.includes(nodeNamespace(node))) await cutPower(node)
  for (const namespace of namespaces) {
    await killProcessesOf(namespace)
    await removeNamespace(namespace)
  }
  if (made.some(entry => entry.made === 'namespace-folder')) await removeNamespaceFolder()
  for (const entry of made.reverse()) {
    if (entry.made === 'cgroup') await removeCgroup(entry.path)
    if (entry.made === 'file') rmSync(entry.path, { recursive: true, force: true })
    if (entry.made === 'setting' && readFileSync(entry.path, 'utf8').trim() === entry.now) writeFileSync(entry.path, entry.before)
    if (entry.made === 'folder' && isEmptyFolder(entry.path)) rmdirSync(entry.path)
  }
  for (const path of temporary) {
    await unmountBelow(path)
    rmSync(path, { recursive: true, force: true })
  }
  await unmountBelow(paths.cache)
  for (const name of leftoversOfInterruption()) rmSync(name, { recursive: true, force: true })
  rmSync(paths.record, { force: true })
}

const isEmptyFolder = (path: string): boolean => existsSync(path) && readdirSync(path).length === 0

const temporary = [paths.settings, paths.nodes, paths.etcd, paths.controlPlane, paths.images, paths.kubeconfigs, paths.certificates, paths.logs]

function leftoversOfInterruption(): string[] {
  return [paths.binaries, paths.cache].filter(existsSync).flatMap(folder => readdirSync(folder).filter(name => name.includes('.partial')).map(name => `${folder}/${name}`))
}
