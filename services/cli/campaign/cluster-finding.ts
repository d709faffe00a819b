import { CoreV1Api, VersionApi, type KubeConfig } from '@kubernetes/client-node'
import type { ClusterFinding } from './findings.ts'

/** What cluster it is, for the report and the checks. Rejects when it does not answer. */
export async function clusterFinding(kubeConfig: KubeConfig): Promise<ClusterFinding> {
  const [version, { items }] = await Promise.all([kubeConfig.makeApiClient(VersionApi).getCode(), kubeConfig.makeApiClient(CoreV1Api).listNode()])
  return {
    context: kubeConfig.getCurrentContext(), version: version.gitVersion,
    nodes: items.map(({ metadata, status }) => ({
      name: metadata?.name ?? '', cpu: status?.allocatable?.['cpu'] ?? '0', memory: status?.allocatable?.['memory'] ?? '0',
      kernel: status?.nodeInfo?.kernelVersion ?? '', runtime: status?.nodeInfo?.containerRuntimeVersion ?? '',
      ready: status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false,
    })),
  }
}
