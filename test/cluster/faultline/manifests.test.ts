import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { variants } from '../../../services/cli/install/install.ts'
import { namespace } from '../../../services/cli/install/secret.ts'

const folder = (path: string) => fileURLToPath(new URL(`../../../k8s/${path}`, import.meta.url))

/** What lives in a namespace is checked in it; in one of its own, so that whatever is installed does not matter. */
const checkedIn = 'faultline-test-manifests'
before(() => kubectl(['apply', '--filename', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: checkedIn } })))
after(() => kubectl(['delete', 'namespace', checkedIn, '--wait=false']))

for (const [name, path] of Object.entries(variants)) {
  test(`the API server accepts every object of ${name}`, async () => {
    const written = await kubectl(['kustomize', folder(path)])
    const accepted = await kubectl(['apply', '--dry-run=server', '--output', 'name', '--filename', '-'], written.replaceAll(namespace, checkedIn))
    assert.equal(accepted.trim().split('\n').length, written.match(/^kind: /gm)?.length)
  })
}

test('three servers of NATS meet each other with the route\'s password, and the stream is kept on three', async () => {
  const ha = await kubectl(['kustomize', folder(variants.ha)])
  assert.match(ha, /replicas: 3/)
  assert.match(ha, /FAULTLINE_NATS_REPLICAS: "3"/)
  assert.match(ha, /nats-route:\/\/route:\$\(NATS_ROUTE_PASSWORD\)@nats-2\.nats-peers:6222/)
})
