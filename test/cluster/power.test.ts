import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { deployment, provideBusyboxImage, webContainer } from './busybox-image.ts'
import { inNamespace, waitFor, works } from './commands.ts'
import { kubectl } from './kubectl.ts'
import { controlPlaneNamespace, nodeAddress, nodeCgroup, nodeNamespace, nodeNumbers } from './paths.ts'
import { powerOff, powerOn } from './power-command.ts'
import { processesOf } from './processes.ts'
import { settingsOfRunningCluster } from './settings.ts'
import { createTestNamespace } from './test-namespace.ts'

const { nodes } = settingsOfRunningCluster()
const quiet = () => {}

await provideBusyboxImage()
const namespace = await createTestNamespace('test-power')
after(async () => {
  await powerOn('2', quiet)
  await namespace[Symbol.asyncDispose]()
})

const secondsUntilEvicted = 2
const notLongOn = ['not-ready', 'unreachable'].map(condition => ({ key: `node.kubernetes.io/${condition}`, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: secondsUntilEvicted }))
function freezePods(node: number): void {
  const [v1, v2] = [`/sys/fs/cgroup/freezer/${nodeCgroup(node)}/kubepods/freezer.state`, `/sys/fs/cgroup/${nodeCgroup(node)}/kubepods/cgroup.freeze`]
  if (existsSync(v1)) writeFileSync(v1, 'FROZEN')
  else writeFileSync(v2, '1')
}

const readyOf = (node: number) => kubectl('get', 'node', `n${node}`, '--output', 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')
const nodesOfReadyPods = async () => (await namespace.kubectl('get', 'pods', '--selector', 'app=web', '--output', 'jsonpath={range .items[*]}{.metadata.deletionTimestamp}/{.spec.nodeName}/{.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}'))
  .trim().split('\n').filter(row => row.startsWith('/') && row.endsWith('/True')).map(row => row.split('/')[1] ?? '')

test('a node without power, frozen pods and all, becomes not ready, nothing answers for it, and its pod is replaced elsewhere', { skip: nodes < 2 && 'needs two nodes' }, async () => {
  await namespace.apply(deployment('web', 1, {
    containers: [webContainer], tolerations: notLongOn,
    affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference: { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['n2'] }] } }] } },
  }))
  await namespace.rolledOut('deployment/web')
  assert.deepEqual(await nodesOfReadyPods(), ['n2'])

  freezePods(2) // under cgroup v1 a frozen process does not take even SIGKILL
  await powerOff('2', quiet)
  assert.deepEqual(processesOf(nodeNamespace(2)), [])
  // a kernel that is still there would refuse at once; silence is what a cut cable sounds like
  const knock = inNamespace(controlPlaneNamespace, process.execPath, '-e',
    `require('net').connect({ host: '${nodeAddress(2)}', port: 10250 }).on('error', error => process.exit(error.code === 'ECONNREFUSED' || error.code === 'ECONNRESET' ? 1 : 0)).on('connect', () => process.exit(1)); setTimeout(() => process.exit(0), 1000)`)
  assert.ok(await works(knock), 'something answered at the address of the dead node')
  await waitFor('n2 not ready', 60, async () => await readyOf(2) !== 'True')
  await waitFor('pod elsewhere', 90, async () => (await nodesOfReadyPods()).some(node => node !== 'n2'))
})

test('power off twice is no error', { skip: nodes < 2 && 'needs two nodes' }, () => powerOff('2', quiet))

test('power on brings the node back with an empty memory, and pods run on it again', { skip: nodes < 2 && 'needs two nodes' }, async () => {
  await powerOn('2', quiet)
  assert.equal(await readyOf(2), 'True')
  await namespace.apply(deployment('back', 1, { containers: [webContainer], nodeSelector: { 'kubernetes.io/hostname': 'n2' } }))
  await namespace.rolledOut('deployment/back')
})

test('every other node stayed ready throughout', async () => {
  for (const node of nodeNumbers(nodes)) assert.equal(await readyOf(node), 'True', `n${node}`)
})
