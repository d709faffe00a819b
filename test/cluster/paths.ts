/** What the cluster is called and where it lies: every name, address and path in one place. */
import { join } from 'node:path'

/** The folder that holds all of it. Nothing is written elsewhere but what record.ts lists. */
export const clusterFolder = process.env['FAULTLINE_CLUSTER_FOLDER'] || '/var/lib/faultline-cluster'

const within = (...parts: string[]): string => join(clusterFolder, ...parts)

export const paths = {
  /** Kept by `down`: what was built or made from packages, and takes minutes. */
  binaries: within('bin'),
  cache: within('cache'),
  /** Removed by `down`. */
  record: within('made.jsonl'),
  lock: within('lock'),
  settings: within('up.json'),
  certificates: within('pki'),
  kubeconfigs: within('kube'),
  logs: within('log'),
  etcd: within('etcd'),
  images: within('images'),
  nodes: within('nodes'),
  controlPlane: within('control-plane'),
  powerToken: within('control-plane', 'power.token'),
  powerLeases: within('control-plane', 'power-leases.json'),
  auditLog: within('log', 'audit.log'),
} as const

export const kubeconfigFile = (user: string): string => join(paths.kubeconfigs, user)
export const adminKubeconfig = kubeconfigFile('admin')
export const logFile = (daemon: string): string => join(paths.logs, `${daemon}.log`)

/** In front of every name that others could see: network namespaces and cgroups. Another prefix and folder make a cluster beside this one. */
const prefix = process.env['FAULTLINE_CLUSTER_PREFIX'] || 'flc'
export const controlPlaneNamespace = `${prefix}-cp`
export const nodeNamespace = (node: number): string => `${prefix}-n${node}`
export const nodeCgroup = nodeNamespace
export const nodeName = (node: number): string => `n${node}`
export const nodeZone = (node: number): string => `zone-${node}`

/** One digit: it is part of addresses. */
export const mostNodes = 9

export const network = {
  controlPlane: '172.30.0.1',
  prefixLength: 24,
  services: '10.96.0.0/16',
  apiService: '10.96.0.1',
  dnsService: '10.96.0.10',
  pods: '10.244.0.0/16',
} as const
/** Of the power service, in the control plane's network, which nobody else listens in. */
export const powerPort = 9647
export const powerUrl = `http://${network.controlPlane}:${powerPort}`
export const nodeAddress = (node: number): string => `172.30.0.1${node}`
export const podSubnet = (node: number): string => `10.244.${node}.0/24`

export const nodeNumbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)
