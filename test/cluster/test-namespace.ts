/** A Kubernetes namespace for one test file, gone afterwards. */
import { kubectl, kubectlApply } from './kubectl.ts'
import { waitFor } from './commands.ts'

export interface TestNamespace extends AsyncDisposable {
  name: string
  apply(...objects: object[]): Promise<void>
  kubectl(...args: string[]): Promise<string>
  /** Waits until a Deployment or StatefulSet has all its replicas ready. */
  rolledOut(workload: string): Promise<void>
  /** Runs a command in a pod; the answer is what it printed. */
  exec(pod: string, ...command: string[]): Promise<string>
}

export async function createTestNamespace(name: string): Promise<TestNamespace> {
  await kubectl('delete', 'namespace', name, '--ignore-not-found', '--timeout', '90s')
  await kubectl('create', 'namespace', name)
  // pods are refused until the namespace has its service account
  await waitFor('default service account', 30, async () => (await kubectl('get', 'serviceaccount', '--namespace', name, '--output', 'name')).includes('default'))
  const inside = (...args: string[]) => kubectl('--namespace', name, ...args)
  return {
    name,
    kubectl: inside,
    apply: async (...objects) => { await kubectlApply({ apiVersion: 'v1', kind: 'List', items: objects }, '--namespace', name) },
    rolledOut: async workload => { await inside('rollout', 'status', workload, '--timeout', '90s') },
    exec: (pod, ...command) => inside('exec', pod, '--', ...command),
    [Symbol.asyncDispose]: async () => { await kubectl('delete', 'namespace', name, '--wait=false') },
  }
}
