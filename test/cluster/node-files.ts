/** The configuration files of a node, as text: containerd's, CNI's and the kubelet's. */
import { existsSync } from 'node:fs'
import { network, nodeCgroup, podSubnet } from './paths.ts'

/** Where the node's own files lie, as the node sees them: its /run is memory, and empty after a power cut. */
export const nodeRun = '/run/faultline-cluster'
export const pauseImage = 'localhost/pause:1'

/** Debian's package has the plugins here; those who install them by hand put them into /opt. */
export const pluginFolder = (): string => ['/usr/lib/cni', '/opt/cni/bin'].find(folder => existsSync(`${folder}/bridge`)) ?? '/usr/lib/cni'

export const containerdConfiguration = (): string => `version = 2
disabled_plugins = ["io.containerd.internal.v1.opt"]   # it would make /opt/containerd on the machine

[plugins."io.containerd.grpc.v1.cri"]
restrict_oom_score_adj = true   # a machine without CAP_SYS_RESOURCE refuses lower scores
disable_apparmor = true         # the machine's profiles are not the node's
sandbox_image = "${pauseImage}"

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "${pluginFolder()}"
conf_dir = "${nodeRun}/cni"
`

/** A bridge for the node's pods. It enforces no NetworkPolicy. Addresses are given out anew after a power cut, with /run. */
export const networkConfiguration = (node: number): string => JSON.stringify({
  cniVersion: '1.0.0',
  name: 'faultline',
  plugins: [
    {
      type: 'bridge', bridge: 'cni0', isGateway: true, hairpinMode: true,
      ipam: { type: 'host-local', dataDir: `${nodeRun}/addresses`, ranges: [[{ subnet: podSubnet(node) }]], routes: [{ dst: '0.0.0.0/0' }] },
    },
    { type: 'portmap', capabilities: { portMappings: true } },
  ],
}, undefined, 2)

export const kubeletConfiguration = (node: number): string => JSON.stringify({
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: `${nodeRun}/ca.crt` } },
  authorization: { mode: 'Webhook' },
  tlsCertFile: `${nodeRun}/node.crt`,
  tlsPrivateKeyFile: `${nodeRun}/node.key`,
  containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
  volumePluginDir: '/var/lib/kubelet/volume-plugins', // the default is below /usr, which is the machine's
  cgroupDriver: 'cgroupfs',
  cgroupRoot: `/${nodeCgroup(node)}`,
  failCgroupV1: false,
  failSwapOn: false,
  featureGates: { KubeletInUserNamespace: true }, // tolerates sysctls and limits that the machine refuses
  clusterDNS: [network.dnsService],
  clusterDomain: 'cluster.local',
  resolvConf: '',
  nodeStatusUpdateFrequency: '2s',
  nodeLeaseDurationSeconds: 8,
  serializeImagePulls: false,
  // images come from no registry: one that is collected does not come back
  imageGCHighThresholdPercent: 100,
  evictionHard: { 'memory.available': '50Mi', 'nodefs.available': '0%', 'imagefs.available': '0%' },
}, undefined, 2)
