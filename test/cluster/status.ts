import { z } from 'zod'
import { kubernetesVersion } from './binaries.ts'
import { runningControlPlane } from './control-plane.ts'
import { kubectlOfSetUp } from './kubectl.ts'
import { checkUser } from './machine.ts'
import { isOn } from './node.ts'
import { adminKubeconfig, clusterFolder, network, nodeAddress, nodeName, nodeNumbers, nodeZone, paths } from './paths.ts'
import { readSettings } from './settings.ts'

export interface Status {
  up: boolean
  folder: string
  kubernetes: string
  upSince?: string
  kubeconfig?: string
  apiServer?: string
  auditLog?: string
  controlPlane?: Record<string, boolean>
  nodes: { name: string; address: string; zone: string; power: 'on' | 'off'; ready: boolean }[]
}

/** `up`: it was started to its end, and the whole control plane runs. A node without power does not change that. */
export async function status(): Promise<Status> {
  const settings = readSettings()
  const basic = { folder: clusterFolder, kubernetes: kubernetesVersion }
  if (!settings) return { up: false, ...basic, nodes: [] }
  checkUser() // others do not see whose namespaces processes are in
  const controlPlane = runningControlPlane()
  const ready = await readyNodes()
  return {
    up: Object.values(controlPlane).every(Boolean), ...basic, upSince: settings.upSince,
    kubeconfig: adminKubeconfig, apiServer: `https://${network.controlPlane}:6443`, auditLog: paths.auditLog, controlPlane,
    nodes: nodeNumbers(settings.nodes).map(node => ({
      name: nodeName(node), address: nodeAddress(node), zone: nodeZone(node), power: isOn(node) ? 'on' : 'off', ready: ready.includes(nodeName(node)),
    })),
  }
}

export function renderStatus({ up, folder, kubernetes, upSince, kubeconfig, auditLog, controlPlane = {}, nodes }: Status): string {
  if (!upSince) return `down; its folder is ${folder}`
  const dead = Object.entries(controlPlane).filter(([, runs]) => !runs).map(([daemon]) => daemon)
  return [
    up ? `up since ${upSince}, Kubernetes ${kubernetes}` : `broken: ${dead.join(', ')} ${dead.length === 1 ? 'does' : 'do'} not run; \`npm run cluster:up\` starts anew`,
    ...nodes.map(({ name, address, zone, power, ready }) => `  ${name}  ${address}  ${zone}  power ${power}, ${ready ? 'Ready' : 'not Ready'}`),
    `kubeconfig ${kubeconfig} (for \`npm run cluster:run -- COMMAND\`, which enters the cluster's network)`,
    `audit log  ${auditLog}`,
  ].join('\n')
}

const nodeListSchema = z.object({
  items: z.array(z.object({ metadata: z.object({ name: z.string() }), status: z.object({ conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]) }) })),
})

async function readyNodes(): Promise<string[]> {
  try {
    const { items } = nodeListSchema.parse(JSON.parse(await kubectlOfSetUp(['get', 'nodes', '--output', 'json', '--request-timeout', '5s'])))
    return items.filter(node => node.status.conditions.some(condition => condition.type === 'Ready' && condition.status === 'True')).map(node => node.metadata.name)
  } catch {
    return [] // no API server, and so no node that it calls ready
  }
}
