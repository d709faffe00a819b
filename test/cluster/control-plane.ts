/** etcd, the API server and those who live beside it, as processes in the control plane's network namespace. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { addons } from './addons.ts'
import { auditPolicy } from './audit.ts'
import { inNamespace, startDaemon, waitFor } from './commands.ts'
import { kubectlOfSetUp, kubectlWorks } from './kubectl.ts'
import { controlPlaneNamespace, kubeconfigFile, network, paths } from './paths.ts'
import { certificateFile, keyFile } from './pki.ts'
import { isRunning } from './processes.ts'

export const controlPlaneDaemons = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'coredns', 'metrics-server', 'power-server'] as const

/** Requests that come through the API server's aggregation layer carry the user in these headers. */
const front = [`--requestheader-client-ca-file=${certificateFile('front-ca')}`, '--requestheader-allowed-names=front-proxy-client']

export async function startApiServer(): Promise<void> {
  mkdirSync(paths.controlPlane, { recursive: true })
  const etcd = 'http://127.0.0.1:2379'
  await start('etcd', ['etcd', '--data-dir', paths.etcd, '--unsafe-no-fsync',
    '--listen-client-urls', etcd, '--advertise-client-urls', etcd, '--listen-peer-urls', 'http://127.0.0.1:2380'])
  const policy = join(paths.controlPlane, 'audit-policy.json')
  writeFileSync(policy, JSON.stringify(auditPolicy))
  await start('kube-apiserver', [hyperkube(), 'kube-apiserver',
    `--advertise-address=${network.controlPlane}`, `--etcd-servers=${etcd}`, `--service-cluster-ip-range=${network.services}`,
    '--authorization-mode=Node,RBAC', '--enable-admission-plugins=NodeRestriction', '--allow-privileged=true',
    `--tls-cert-file=${certificateFile('apiserver')}`, `--tls-private-key-file=${keyFile('apiserver')}`, `--client-ca-file=${certificateFile('ca')}`,
    `--kubelet-certificate-authority=${certificateFile('ca')}`, '--kubelet-preferred-address-types=InternalIP',
    `--kubelet-client-certificate=${certificateFile('apiserver-kubelet-client')}`, `--kubelet-client-key=${keyFile('apiserver-kubelet-client')}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${join(paths.certificates, 'service-accounts.pub')}`, `--service-account-signing-key-file=${keyFile('service-accounts')}`,
    ...front, '--requestheader-username-headers=X-Remote-User', '--requestheader-group-headers=X-Remote-Group', '--requestheader-extra-headers-prefix=X-Remote-Extra-',
    `--proxy-client-cert-file=${certificateFile('front')}`, `--proxy-client-key-file=${keyFile('front')}`, '--enable-aggregator-routing=true',
    // the log's own rotation deletes nothing, and one file holds hours
    `--audit-policy-file=${policy}`, `--audit-log-path=${paths.auditLog}`, '--audit-log-mode=blocking', '--audit-log-maxsize=2048'])
  await waitFor('API server', 60, () => kubectlWorks('get', '--raw', '/readyz'))
}

/** All that needs the API server to be there. */
export async function startControllers(): Promise<void> {
  const as = (user: string): string[] => ['kubeconfig', 'authentication-kubeconfig', 'authorization-kubeconfig'].map(flag => `--${flag}=${kubeconfigFile(user)}`)
  await start('kube-controller-manager', [hyperkube(), 'kube-controller-manager', ...as('kube-controller-manager'), '--leader-elect=false',
    '--use-service-account-credentials', `--service-account-private-key-file=${keyFile('service-accounts')}`, `--root-ca-file=${certificateFile('ca')}`,
    `--cluster-signing-cert-file=${certificateFile('ca')}`, `--cluster-signing-key-file=${keyFile('ca')}`,
    '--allocate-node-cidrs=false', `--cluster-cidr=${network.pods}`,
    // a dead node is seen after seconds, and the autoscaler looks and forgets sooner: a test should not wait for defaults made for large clusters
    '--node-monitor-period=1s', '--node-monitor-grace-period=8s',
    '--horizontal-pod-autoscaler-sync-period=5s', '--horizontal-pod-autoscaler-downscale-stabilization=30s'])
  await start('kube-scheduler', [hyperkube(), 'kube-scheduler', ...as('kube-scheduler'), '--leader-elect=false'])
  const corefile = join(paths.controlPlane, 'Corefile')
  writeFileSync(corefile, `.:53 {
  bind ${network.controlPlane}
  errors
  ready
  kubernetes cluster.local in-addr.arpa {
    kubeconfig ${kubeconfigFile('coredns')}
    ttl 5
  }
  cache 5
}
`)
  await start('coredns', [join(paths.binaries, 'coredns'), '-conf', corefile])
  await start('metrics-server', [join(paths.binaries, 'metrics-server'), ...as('metrics-server'), '--secure-port=4443',
    `--cert-dir=${join(paths.controlPlane, 'metrics-server')}`, `--kubelet-certificate-authority=${certificateFile('ca')}`, '--kubelet-preferred-address-types=InternalIP',
    '--metric-resolution=10s', '--kubelet-request-timeout=5s', ...front])
  writeFileSync(paths.powerToken, randomBytes(24).toString('base64url'), { mode: 0o600 })
  await start('power-server', [process.execPath, fileURLToPath(new URL('power-server.ts', import.meta.url))])
  await kubectlOfSetUp(['apply', '--filename', '-'], JSON.stringify(addons))
}

export const runningControlPlane = (): Record<(typeof controlPlaneDaemons)[number], boolean> => {
  const running = (daemon: (typeof controlPlaneDaemons)[number]) => isRunning(controlPlaneNamespace, daemon)
  return {
    etcd: running('etcd'), 'kube-apiserver': running('kube-apiserver'), 'kube-controller-manager': running('kube-controller-manager'),
    'kube-scheduler': running('kube-scheduler'), coredns: running('coredns'), 'metrics-server': running('metrics-server'), 'power-server': running('power-server'),
  }
}

const hyperkube = (): string => join(paths.binaries, 'hyperkube')

const start = (name: string, command: readonly string[]): Promise<number> => startDaemon(name, inNamespace(controlPlaneNamespace, ...command))
