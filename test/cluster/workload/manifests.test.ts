import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { parts } from '../../../services/cli/deploy/parts.ts'

for (const { name, namespaceFile } of Object.values(parts)) {
  test(`the API server accepts k8s/${name}`, async () => {
    const folder = fileURLToPath(new URL(`../../../k8s/${name}`, import.meta.url))
    await kubectl(['apply', '--filename', `${folder}/${namespaceFile}`]) // what lies in a namespace can only be tried where there is one
    await kubectl(['apply', '--kustomize', folder, '--dry-run=server'])
  })
}
