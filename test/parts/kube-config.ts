/** A kubeconfig for what answers in place of an API server at this URL. Its client wants plain HTTP to be asked for like that. */
export function kubeConfigOf(url: string): string {
  return JSON.stringify({
    apiVersion: 'v1', kind: 'Config', 'current-context': 'test', clusters: [{ name: 'c', cluster: { server: url, 'insecure-skip-tls-verify': true } }], users: [{ name: 'u', user: {} }], contexts: [{ name: 'test', context: { cluster: 'c', user: 'u' } }],
  })
}
