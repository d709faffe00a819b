import assert from 'node:assert/strict'
import { test } from 'node:test'
import { run, waitFor } from './commands.ts'
import { kubectl } from './kubectl.ts'
import { controlPlaneNamespace, nodeNamespace, nodeNumbers } from './paths.ts'
import { settingsOfRunningCluster } from './settings.ts'
import { status } from './status.ts'

const { nodes } = settingsOfRunningCluster()

test('every node is Ready, three of them or as many as were asked for, each in a zone of its own', async () => {
  const rows = (await kubectl('get', 'nodes', '--output', 'jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status} {.metadata.labels.topology\\.kubernetes\\.io/zone}{"\\n"}{end}')).trim().split('\n')
  assert.deepEqual(rows.sort(), nodeNumbers(nodes).map(node => `n${node} True zone-${node}`))
})

test('status says that everything runs', async () => {
  const now = await status()
  assert.deepEqual(Object.entries(now.controlPlane ?? {}).filter(([, runs]) => !runs), [])
  assert.ok(now.up)
  assert.deepEqual(now.nodes.map(({ name, power, ready }) => ({ name, power, ready })), nodeNumbers(nodes).map(node => ({ name: `n${node}`, power: 'on', ready: true })))
})

test('no namespace has a default route, so no packet leaves the cluster', async () => {
  for (const namespace of [controlPlaneNamespace, ...nodeNumbers(nodes).map(nodeNamespace)]) {
    for (const family of ['-4', '-6']) assert.equal((await run(['ip', '-n', namespace, family, 'route', 'show', 'default'])).trim(), '', `${namespace} ${family}`)
  }
})

test('the metrics of every node are there', async () => {
  await waitFor('metrics of all nodes', 60, async () => (await kubectl('top', 'nodes', '--no-headers').catch(() => '')).trim().split('\n').filter(line => !line.includes('<unknown>')).length === nodes)
})
