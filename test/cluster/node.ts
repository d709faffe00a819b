/**
 * A node: network, mount, PID and UTS namespaces with a containerd, kubelet and kube-proxy of their own.
 *
 * Its first process is a small init that only collects the dead. Killing it kills every process of the node at once, containers
 * too, as a power cut does; the folder that it sees as /var/lib is its disk, and stays.
 */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createCgroup, removeCgroupsOf, thaw } from './cgroups.ts'
import { inNamespace, run, startDaemon, waitFor, works } from './commands.ts'
import { importImages } from './images.ts'
import { createNodeNetwork, isNamespaceThere, removeNodeNetwork } from './namespaces.ts'
import { containerdConfiguration, kubeletConfiguration, networkConfiguration, nodeRun } from './node-files.ts'
import { kubeconfigFile, network, nodeAddress, nodeName, nodeNamespace, nodeZone, paths } from './paths.ts'
import { certificateFile, keyFile } from './pki.ts'
import { firstProcessOf, killProcessesOf } from './processes.ts'

const init = 'catatonit'

export const isOn = (node: number): boolean => firstProcessOf(nodeNamespace(node)) !== undefined

/** Everything before the kubelet: it needs no API server. */
export async function boot(node: number, nodeCount: number): Promise<void> {
  await createNodeNetwork(node, nodeCount)
  createCgroup(node)
  const pid = await startInit(node)
  await mountDisks(node, pid)
  writeFiles(node, pid)
  await startDaemon(`containerd-${nodeName(node)}`, inNode(pid, 'containerd', '--config', `${nodeRun}/containerd.toml`))
  await containerdAnswers(node, pid)
  await importImages(node, socketOf(pid))
}

export async function startKubelet(node: number): Promise<void> {
  const pid = firstProcessOf(nodeNamespace(node))
  if (pid === undefined) return
  const hyperkube = '/var/lib/faultline-bin/hyperkube'
  const name = nodeName(node)
  await startDaemon(`kubelet-${name}`, inNode(pid, hyperkube, 'kubelet', `--config=${nodeRun}/kubelet.json`, `--kubeconfig=${nodeRun}/kubelet.kubeconfig`,
    `--hostname-override=${name}`, `--node-ip=${nodeAddress(node)}`, `--node-labels=topology.kubernetes.io/zone=${nodeZone(node)}`))
  await startDaemon(`kube-proxy-${name}`, inNode(pid, hyperkube, 'kube-proxy', `--kubeconfig=${nodeRun}/kube-proxy.kubeconfig`,
    `--hostname-override=${name}`, '--proxy-mode=iptables', `--cluster-cidr=${network.pods}`,
    // these sysctls are the machine's, not the namespace's
    '--conntrack-max-per-core=0', '--conntrack-tcp-timeout-established=0', '--conntrack-tcp-timeout-close-wait=0'))
}

/** The power cut: no process is asked, and afterwards nothing answers for the node. Also what `down` does. */
export async function cutPower(node: number): Promise<void> {
  const namespace = nodeNamespace(node)
  const first = firstProcessOf(namespace)
  if (first !== undefined) process.kill(first, 'SIGKILL')
  await killProcessesOf(namespace, () => thaw(node))
  await removeCgroupsOf(node)
  if (isNamespaceThere(namespace)) await removeNodeNetwork(node)
}

/** It has begun a moment ago, or is about to. `pid`: of the node's first process. */
export const containerdAnswers = (node: number, pid: number): Promise<void> => waitFor(`containerd on ${nodeName(node)}`, 30, () => works(['ctr', '--address', socketOf(pid), 'version']))

/** Where containerd listens, as seen from outside of the node. */
export const socketOf = (pid: number): string => `/proc/${pid}/root/run/containerd/containerd.sock`

async function startInit(node: number): Promise<number> {
  const namespace = nodeNamespace(node)
  await startDaemon(nodeName(node), inNamespace(namespace,
    'unshare', '--mount', '--uts', '--pid', '--fork', '--kill-child', '--mount-proc', '--propagation', 'private', init, '-P'))
  let pid: number | undefined
  await waitFor(`first process of ${nodeName(node)}`, 10, () => {
    pid = firstProcessOf(namespace)
    // before it becomes the init it is unshare, which still has to mount /proc
    return pid !== undefined && readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === init
  })
  return pid ?? 0
}

/** Each source is mounted before a later mount hides it: the cluster's folder may itself lie in /var/lib. */
async function mountDisks(node: number, pid: number): Promise<void> {
  const disk = (folder: string): string => join(paths.nodes, nodeName(node), folder)
  for (const folder of ['log/pods', 'log/containers', 'lib/containerd', 'lib/kubelet', 'lib/faultline-bin']) mkdirSync(disk(folder), { recursive: true })
  const mount = (...args: string[]) => run(inNode(pid, 'mount', '--no-mtab', ...args)) // its table would be in the machine's /run
  await mount('--make-rshared', '/') // among the node's own; `private` above has cut it off from the machine's
  await mount('--bind', paths.binaries, disk('lib/faultline-bin'))
  await mount('--bind', disk('log'), '/var/log')
  await mount('--rbind', disk('lib'), '/var/lib')
  await mount('-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', '/run')
  await run(inNode(pid, 'hostname', nodeName(node)))
}

function writeFiles(node: number, pid: number): void {
  const inRun = (...path: string[]): string => join(`/proc/${pid}/root`, nodeRun, ...path)
  mkdirSync(inRun('cni'), { recursive: true, mode: 0o700 })
  for (const folder of ['netns', 'lock']) mkdirSync(`/proc/${pid}/root/run/${folder}`)
  writeFileSync(inRun('containerd.toml'), containerdConfiguration())
  writeFileSync(inRun('cni', '10-faultline.conflist'), networkConfiguration(node))
  writeFileSync(inRun('kubelet.json'), kubeletConfiguration(node))
  copyFileSync(certificateFile('ca'), inRun('ca.crt'))
  copyFileSync(certificateFile(nodeName(node)), inRun('node.crt'))
  copyFileSync(keyFile(nodeName(node)), inRun('node.key'))
  copyFileSync(kubeconfigFile(nodeName(node)), inRun('kubelet.kubeconfig'))
  copyFileSync(kubeconfigFile('kube-proxy'), inRun('kube-proxy.kubeconfig'))
}

/** In all four namespaces of the node, as a process of the node. */
const inNode = (pid: number, ...command: string[]): string[] => ['nsenter', '--target', String(pid), '--mount', '--uts', '--net', '--pid', ...command]
