/**
 * What a cloud's node controller does when it knows that a machine is off: the taint that lets the pods of StatefulSets be made again elsewhere, which
 * nothing in Kubernetes may do by itself, since a node that is only silent may still write. It has a name of its own in the audit log.
 */
import { run } from './commands.ts'
import { clusterEnvironment, kubectlCommand } from './kubectl.ts'
import { kubeconfigFile } from './paths.ts'

export const fencingUser = 'node-fencing'
const taint = 'node.kubernetes.io/out-of-service'

const kubectl = (...args: string[]): Promise<string> => run(kubectlCommand(['--kubeconfig', kubeconfigFile(fencingUser), ...args]), { env: clusterEnvironment() })

/** To be called when the node has no power. Waits until the control plane has given the node up; one that has power again by then is left alone. */
export async function fence(node: string, isOff: () => boolean): Promise<void> {
  await kubectl('wait', `node/${node}`, '--for=condition=Ready=Unknown', '--timeout=120s')
  if (isOff()) await kubectl('taint', 'node', node, `${taint}=nodeshutdown:NoExecute`, '--overwrite')
}

/** To be called when the node is ready again. Repeatable. */
export async function unfence(node: string): Promise<void> {
  const there = await kubectl('get', 'node', node, '--output', `jsonpath={.spec.taints[?(@.key=="${taint}")].key}`)
  if (there !== '') await kubectl('taint', 'node', node, `${taint}-`)
}
