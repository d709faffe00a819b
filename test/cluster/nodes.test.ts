import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { busyboxImage, provideBusyboxImage } from './busybox-image.ts'
import { run, waitFor } from './commands.ts'
import { kubectl } from './kubectl.ts'
import { controlPlaneNamespace, nodeNamespace, nodeNumbers, paths } from './paths.ts'
import { settingsOfRunningCluster } from './settings.ts'
import { status } from './status.ts'
import { createTestNamespace } from './test-namespace.ts'

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
  await waitFor('metrics of all nodes', 120, async () => (await kubectl('top', 'nodes', '--no-headers').catch(() => '')).trim().split('\n').filter(line => !line.includes('<unknown>')).length === nodes)
})

test('what a pod writes below /var/lib of its node is on that node\'s disk, and not on the machine or another node', async () => {
  await provideBusyboxImage()
  await using namespace = await createTestNamespace('test-nodes')
  const path = '/var/lib/faultline-node-test'
  await namespace.apply({
    apiVersion: 'v1', kind: 'Pod', metadata: { name: 'writer' },
    spec: {
      nodeName: 'n1', restartPolicy: 'Never', volumes: [{ name: 'disk', hostPath: { path, type: 'DirectoryOrCreate' } }],
      containers: [{ name: 'writer', image: busyboxImage, command: ['/bin/busybox', 'sh', '-c', `echo written > ${path}/file`], volumeMounts: [{ name: 'disk', mountPath: path }] }],
    },
  })
  await namespace.kubectl('wait', '--for', 'jsonpath={.status.phase}=Succeeded', 'pod/writer', '--timeout', '90s')
  assert.equal(readFileSync(join(paths.nodes, 'n1/lib/faultline-node-test/file'), 'utf8'), 'written\n')
  assert.ok(!existsSync(path))
  for (const node of nodeNumbers(nodes).slice(1)) assert.ok(!existsSync(join(paths.nodes, `n${node}/lib/faultline-node-test`)))
})
