/** CoreDNS and metrics-server run as processes beside the API server; these objects lead the cluster to them. */
import { network } from './paths.ts'

const endpoints = [{ addresses: [network.controlPlane] }]
const namespace = 'kube-system'

export const addons = {
  apiVersion: 'v1',
  kind: 'List',
  items: [
    {
      apiVersion: 'v1', kind: 'Service', metadata: { name: 'kube-dns', namespace },
      spec: { clusterIP: network.dnsService, ports: [{ name: 'dns', port: 53, protocol: 'UDP' }, { name: 'dns-tcp', port: 53, protocol: 'TCP' }] },
    },
    {
      apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { name: 'kube-dns', namespace, labels: { 'kubernetes.io/service-name': 'kube-dns' } },
      addressType: 'IPv4', endpoints, ports: [{ name: 'dns', port: 53, protocol: 'UDP' }, { name: 'dns-tcp', port: 53, protocol: 'TCP' }],
    },
    {
      apiVersion: 'v1', kind: 'Service', metadata: { name: 'metrics-server', namespace },
      spec: { ports: [{ name: 'https', port: 443, targetPort: 4443 }] },
    },
    {
      apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { name: 'metrics-server', namespace, labels: { 'kubernetes.io/service-name': 'metrics-server' } },
      addressType: 'IPv4', endpoints, ports: [{ name: 'https', port: 4443, protocol: 'TCP' }],
    },
    {
      apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService', metadata: { name: 'v1beta1.metrics.k8s.io' },
      spec: {
        service: { name: 'metrics-server', namespace }, group: 'metrics.k8s.io', version: 'v1beta1',
        insecureSkipTLSVerify: true, groupPriorityMinimum: 100, versionPriority: 100,
      },
    },
  ],
}
