import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { optInLabel } from '../../services/injector/cluster/opt-in.ts'
import { refusedNamespaces } from '../../services/injector/node-driver.ts'

test('the admission policy asks for the label, and refuses the namespaces, that the agents do', () => {
  const policy = readFileSync(new URL('../../k8s/base/opt-in-policy.yaml', import.meta.url), 'utf8')
  const [, listed = ''] = /request\.namespace in \[([^\]]*)\]/.exec(policy) ?? []
  assert.deepEqual(listed.split(', ').map(name => name.slice(1, -1)), refusedNamespaces)
  assert.ok(policy.includes(`labels['${optInLabel}'] == 'allowed'`))
})
