/** Whether this machine can carry the cluster at all, before anything is changed. */
import { existsSync, readFileSync } from 'node:fs'
import { works } from './commands.ts'
import { MachineUnfit } from './problems.ts'

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
