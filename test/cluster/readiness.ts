import { waitFor } from './commands.ts'
import { kubectlOfSetUp } from './kubectl.ts'
import { nodeName } from './paths.ts'

/** A node without power is called ready for some seconds, so what counts is that its kubelet says so, after a moment in wall-clock time. */
export async function waitUntilReady(node: number, afterMs = 0): Promise<void> {
  await waitFor(`ready node ${nodeName(node)}`, 90, () => isReady(node, afterMs))
}

/** The API server's answer; a node's kubelet says it every few seconds, and dates it in whole seconds. */
export async function isReady(node: number, afterMs = 0): Promise<boolean> {
  const ready = '.status.conditions[?(@.type=="Ready")]'
  const answer = await kubectlOfSetUp(['get', 'node', nodeName(node), '--output', `jsonpath={${ready}.status} {${ready}.lastHeartbeatTime}`]).catch(() => '')
  const [status, heartbeat = ''] = answer.split(' ')
  return status === 'True' && Date.parse(heartbeat) > afterMs
}
