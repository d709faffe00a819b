import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readKubeConfig } from '../../services/cli/cluster/kube-config.ts'
import { temporaryFolder } from '../parts/child.ts'

test('where there is no kubeconfig it says so, and does not ask a cluster on this machine', () => {
  using folder = temporaryFolder('kube-config')
  const before = { HOME: process.env['HOME'], KUBECONFIG: process.env['KUBECONFIG'] }
  try {
    process.env['HOME'] = folder.path
    delete process.env['KUBECONFIG']
    for (const context of [undefined, 'mine']) assert.throws(() => readKubeConfig(context), { code: 'context_unknown', exitCode: 3, message: /^there is no kubeconfig: name the file with KUBECONFIG/ })
    const file = join(folder.path, 'config.yaml')
    process.env['KUBECONFIG'] = file
    assert.throws(() => readKubeConfig(), { code: 'context_unknown', message: /^the kubeconfig cannot be read: .*config\.yaml/ })
    writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'Config', clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:1' } }], contexts: [{ name: 'mine', context: { cluster: 'c', user: 'u' } }], users: [{ name: 'u', user: {} }] }))
    assert.throws(() => readKubeConfig('other'), { message: 'the kubeconfig has no context other; it has mine' })
    assert.equal(readKubeConfig('mine').getCurrentContext(), 'mine')
  } finally {
    for (const [name, value] of Object.entries(before)) if (value === undefined) delete process.env[name]; else process.env[name] = value
  }
})
