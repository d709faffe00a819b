/** Network namespaces: the control plane's with a bridge in it, and one for each node at a port of that bridge. None has a default route. */
import { existsSync, readFileSync, readdirSync, rmdirSync, statSync } from 'node:fs'
import { inNamespace, run, works } from './commands.ts'
import { controlPlaneNamespace, network, nodeAddress, nodeNamespace, nodeNumbers, podSubnet } from './paths.ts'
import { ArgumentInvalid } from './problems.ts'
import { isRecorded, record } from './record.ts'

const namespaceFolder = '/run/netns'
export const namespaceFile = (name: string): string => `${namespaceFolder}/${name}`
export const isNamespaceThere = (name: string): boolean => existsSync(namespaceFile(name))

export async function createControlPlaneNetwork(): Promise<void> {
  await createNamespace(controlPlaneNamespace)
  const ip = (...args: string[]) => run(['ip', '-n', controlPlaneNamespace, ...args])
  await ip('link', 'add', 'br0', 'type', 'bridge')
  await ip('link', 'set', 'br0', 'up')
  await ip('address', 'add', `${network.controlPlane}/${network.prefixLength}`, 'dev', 'br0')
}

/** Also what a node gets when its power comes back: a namespace with no rule, no device and no connection of its earlier life. */
export async function createNodeNetwork(node: number, nodeCount: number): Promise<void> {
  const namespace = nodeNamespace(node)
  await createNamespace(namespace)
  const ip = (...args: string[]) => run(['ip', '-n', namespace, ...args])
  const controlPlane = (...args: string[]) => run(['ip', '-n', controlPlaneNamespace, ...args])
  await run(['ip', 'link', 'add', port(node), 'netns', controlPlaneNamespace, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace])
  await controlPlane('link', 'set', port(node), 'master', 'br0', 'up')
  await ip('link', 'set', 'eth0', 'up')
  await ip('address', 'add', `${nodeAddress(node)}/${network.prefixLength}`, 'dev', 'eth0')
  // a packet to a Service needs some route before kube-proxy's rules see it
  await ip('route', 'add', network.services, 'dev', 'eth0')
  for (const other of nodeNumbers(nodeCount)) if (other !== node) await ip('route', 'add', podSubnet(other), 'via', nodeAddress(other))
  await controlPlane('route', 'replace', podSubnet(node), 'via', nodeAddress(node))
  await run(inNamespace(namespace, 'tee', '/proc/sys/net/ipv4/ip_forward'), { input: '1' })
}

/** The node's network falls silent: nothing answers for it any more, not even with a reset. */
export async function removeNodeNetwork(node: number): Promise<void> {
  await works(['ip', '-n', controlPlaneNamespace, 'link', 'delete', port(node)])
  await removeNamespace(nodeNamespace(node))
}

export async function removeNamespace(name: string): Promise<void> {
  if (isNamespaceThere(name)) await run(['ip', 'netns', 'delete', name])
}

/** Undoes what the first `ip netns add` of the machine did, if that was ours and nobody else uses it now. */
export async function removeNamespaceFolder(): Promise<void> {
  if (!existsSync(namespaceFolder) || readdirSync(namespaceFolder).length > 0) return
  if (isMountPoint(namespaceFolder)) await run(['umount', namespaceFolder])
  rmdirSync(namespaceFolder)
}

/** The inode of a network namespace, which is what /proc/PID/ns/net says too. */
export function namespaceInode(name: string): number | undefined {
  return statSync(namespaceFile(name), { throwIfNoEntry: false })?.ino
}

async function createNamespace(name: string): Promise<void> {
  if (isNamespaceThere(name)) {
    throw new ArgumentInvalid(`the network namespace ${name} is there already and not this cluster's; if it belongs to a cluster with another FAULTLINE_CLUSTER_FOLDER, take that one down first.`)
  }
  if (!existsSync(namespaceFolder)) record({ made: 'namespace-folder' })
  if (!isRecorded(name)) record({ made: 'namespace', name })
  await run(['ip', 'netns', 'add', name])
  await run(['ip', '-n', name, 'link', 'set', 'lo', 'up'])
}

const port = (node: number): string => `n${node}`

const isMountPoint = (path: string): boolean =>
  readFileSync('/proc/self/mountinfo', 'utf8').split('\n').some(line => line.split(' ')[4] === path)
