/** Whether this machine can carry the cluster at all, before anything is changed. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { works } from './commands.ts'
import { MachineUnfit } from './problems.ts'
import { record } from './record.ts'

export function checkUser(): void {
  if (process.platform !== 'linux') throw new MachineUnfit(`the cluster is made of Linux namespaces; this is ${process.platform}. Any other cluster does as well: everything else takes the current kubeconfig context.`)
  if (process.getuid?.() !== 0) throw new MachineUnfit('namespaces, mounts and cgroups need root; run it with sudo, or use a cluster of your own through the current kubeconfig context.')
}

/** Modules are loaded where the kernel has them as such, and found built in elsewhere. */
export async function checkKernel(): Promise<void> {
  for (const module of ['overlay', 'br_netfilter', 'nf_conntrack']) await works(['modprobe', module])
  if (!readFileSync('/proc/filesystems', 'utf8').split('\n').some(line => line.endsWith('\toverlay'))) throw new MachineUnfit('this kernel has no overlay file system, in which images are unpacked.')
  // without it a pod's answer to a neighbour takes the short way over the bridge, past the rule that must translate its address back
  if (!existsSync('/proc/sys/net/bridge/bridge-nf-call-iptables')) throw new MachineUnfit('this kernel has no br_netfilter (module or built in), without which Services do not work between pods of one node.')
  if (!existsSync('/sys/fs/cgroup')) throw new MachineUnfit('no cgroups are mounted on /sys/fs/cgroup.')
}

const inotifyInstances = '/proc/sys/fs/inotify/max_user_instances'
/** All nodes are one user's, whom Linux gives 128 for everything that it runs; three nodes take 35 and more. */
const inotifyInstancesNeeded = 1_024

/** Raises what would stop the kubelets (`too many open files`) until the cluster is down again. Where it may not be written, it says so. */
export function raiseLimits(say: (line: string) => void): void {
  const before = readFileSync(inotifyInstances, 'utf8').trim()
  if (Number(before) >= inotifyInstancesNeeded) return
  const now = String(inotifyInstancesNeeded)
  try {
    record({ made: 'setting', path: inotifyInstances, before, now })
    writeFileSync(inotifyInstances, now)
    say(`fs.inotify.max_user_instances was ${before}; it is ${now} until the cluster is down`)
  } catch {
    say(`fs.inotify.max_user_instances is ${before} and may not be changed here; a kubelet that says "too many open files" needs ${now}`)
  }
}
