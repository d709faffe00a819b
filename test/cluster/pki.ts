/** Certificates of a cluster that lives for hours: two authorities, a certificate for everyone who speaks to the API server, and a kubeconfig each. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './commands.ts'
import { kubeconfigFile, network, nodeAddress, nodeName, nodeNumbers, paths } from './paths.ts'

const days = '30'
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

export const certificateFile = (name: string): string => join(paths.certificates, `${name}.crt`)
export const keyFile = (name: string): string => join(paths.certificates, `${name}.key`)

interface Identity {
  name: string
  authority?: 'ca' | 'front-ca'
  subject: string
  alternativeNames?: readonly string[]
  /** Whether it speaks to the API server as itself. */
  kubeconfig: boolean
}

export async function createCertificates(nodeCount: number): Promise<void> {
  for (const folder of [paths.certificates, paths.kubeconfigs]) mkdirSync(folder, { recursive: true, mode: 0o700 })
  await Promise.all([createAuthority('ca'), createAuthority('front-ca'), createServiceAccountKey()])
  await Promise.all(identities(nodeCount).map(createIdentity))
}

function identities(nodeCount: number): Identity[] {
  return [
    {
      name: 'apiserver', subject: '/CN=kube-apiserver', kubeconfig: false,
      alternativeNames: [`IP:${network.controlPlane}`, 'IP:127.0.0.1', `IP:${network.apiService}`, 'DNS:kubernetes', 'DNS:kubernetes.default', 'DNS:kubernetes.default.svc'],
    },
    { name: 'front', authority: 'front-ca', subject: '/CN=front-proxy-client', kubeconfig: false },
    { name: 'apiserver-kubelet-client', subject: '/O=system:masters/CN=kube-apiserver-kubelet-client', kubeconfig: false },
    { name: 'admin', subject: '/O=system:masters/CN=admin', kubeconfig: true },
    // apart from the admin, so that the audit log tells a person's calls from theirs
    ...['coredns', 'metrics-server', 'set-up', 'node-fencing'].map(name => ({ name, subject: `/O=system:masters/CN=${name}`, kubeconfig: true })),
    ...['kube-controller-manager', 'kube-scheduler', 'kube-proxy'].map(name => ({ name, subject: `/CN=system:${name}`, kubeconfig: true })),
    ...nodeNumbers(nodeCount).map(node => ({
      name: nodeName(node), subject: `/O=system:nodes/CN=system:node:${nodeName(node)}`, kubeconfig: true,
      alternativeNames: [`IP:${nodeAddress(node)}`, `DNS:${nodeName(node)}`],
    })),
  ]
}

async function createAuthority(name: string): Promise<void> {
  await run(['openssl', 'req', '-x509', ...newKey, '-keyout', keyFile(name), '-out', certificateFile(name), '-subj', `/CN=${name}`, '-days', days])
}

async function createServiceAccountKey(): Promise<void> {
  await run(['openssl', 'ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', keyFile('service-accounts')])
  await run(['openssl', 'ec', '-in', keyFile('service-accounts'), '-pubout', '-out', join(paths.certificates, 'service-accounts.pub')])
}

async function createIdentity({ name, authority = 'ca', subject, alternativeNames, kubeconfig }: Identity): Promise<void> {
  const request = join(paths.certificates, `${name}.csr`)
  const extensions = join(paths.certificates, `${name}.ext`)
  writeFileSync(extensions, ['keyUsage=digitalSignature', 'extendedKeyUsage=serverAuth,clientAuth', ...alternativeNames ? [`subjectAltName=${alternativeNames.join(',')}`] : []].join('\n'))
  await run(['openssl', 'req', ...newKey, '-keyout', keyFile(name), '-out', request, '-subj', subject])
  await run([
    'openssl', 'x509', '-req', '-in', request, '-CA', certificateFile(authority), '-CAkey', keyFile(authority),
    '-set_serial', `0x${randomBytes(8).toString('hex')}`, '-out', certificateFile(name), '-days', days, '-extfile', extensions,
  ])
  if (kubeconfig) writeKubeconfig(name)
}

/** A kubeconfig is YAML, and JSON is YAML. */
function writeKubeconfig(name: string): void {
  const inline = (file: string): string => readFileSync(file).toString('base64')
  const content = {
    apiVersion: 'v1', kind: 'Config', 'current-context': 'faultline',
    clusters: [{ name: 'faultline', cluster: { server: `https://${network.controlPlane}:6443`, 'certificate-authority-data': inline(certificateFile('ca')) } }],
    users: [{ name, user: { 'client-certificate-data': inline(certificateFile(name)), 'client-key-data': inline(keyFile(name)) } }],
    contexts: [{ name: 'faultline', context: { cluster: 'faultline', user: name } }],
  }
  writeFileSync(kubeconfigFile(name), JSON.stringify(content, undefined, 2), { mode: 0o600 })
}
