import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { namespace } from '../../../services/cli/install/secret.ts'
import { until } from '../../parts/until.ts'
import { inSystem, installed } from './installed.ts'
import { startSubject } from './subject.ts'

before(installed)

const deleteAsAgent = (pod: string, inNamespace: string) =>
  kubectl(['delete', 'pod', pod, '--namespace', inNamespace, '--dry-run=server', `--as=system:serviceaccount:${namespace}:cluster-agent`])
const refusalOf = (pod: string, inNamespace: string): Promise<string> => deleteAsAgent(pod, inNamespace).then(() => 'none', String)

/** The labels of a namespace come to the API server's admission a moment after they are changed. */
async function refusedFor(pod: string, inNamespace: string, wanted: RegExp): Promise<void> {
  let refusal = ''
  await until(`its refusal is ${wanted}`, async () => {
    refusal = await refusalOf(pod, inNamespace)
    assert.ok(refusal !== 'none' || wanted.test(refusal), 'it was not refused')
    return wanted.test(refusal)
  }, 10_000, { lookMs: 100, now: () => refusal })
}

test('the API server itself refuses to delete a pod for the cluster-agent unless the namespace has opted in', async () => {
  await using subject = await startSubject({ namespace: 'faultline-test-policy', optedIn: false, replicas: 1 })
  const [pod] = await subject.ready()
  assert.ok(pod)
  await assert.rejects(deleteAsAgent(pod.name, subject.namespace), /has not opted in/)
  await kubectl(['label', 'namespace', subject.namespace, 'faultline.dev/chaos=no'])
  await assert.rejects(deleteAsAgent(pod.name, subject.namespace), /has not opted in/)
  await kubectl(['label', 'namespace', subject.namespace, 'faultline.dev/chaos=allowed', '--overwrite'])
  await refusedFor(pod.name, subject.namespace, /^none$/)
})

test('faultline\'s own namespace is refused even with the label', async () => {
  const pod = (await inSystem('get', 'pods', '--selector', 'app.kubernetes.io/name=scheduler', '--output', 'go-template={{(index .items 0).metadata.name}}')).trim()
  await kubectl(['label', 'namespace', namespace, 'faultline.dev/chaos=allowed'])
  try {
    await refusedFor(pod, namespace, /never touched/)
  } finally {
    await kubectl(['label', 'namespace', namespace, 'faultline.dev/chaos-'])
  }
})

test('of a node, the cluster-agent may change whether it is schedulable, where it has opted in; the restorer where it bears a fault\'s mark; neither anything else', async () => {
  const node = (await kubectl(['get', 'nodes', '--output', 'jsonpath={.items[0].metadata.name}'])).trim()
  const patch = (account: string, body: object) =>
    kubectl(['patch', 'node', node, '--type=merge', `--patch=${JSON.stringify(body)}`, '--dry-run=server', '--output=name', `--as=system:serviceaccount:${namespace}:${account}`])
  const cordon = { metadata: { annotations: { 'faultline.dev/cordoned-by': 'test' } }, spec: { unschedulable: true } }
  await assert.rejects(patch('cluster-agent', cordon), /has not opted in/)
  await kubectl(['label', 'node', node, 'faultline.dev/chaos=allowed'])
  try {
    assert.match(await patch('cluster-agent', cordon), /node/)
    await assert.rejects(patch('restorer', cordon), /has not opted in/)
    await assert.rejects(patch('cluster-agent', { metadata: { labels: { other: 'label' } } }), /labels of a node/)
    await assert.rejects(patch('cluster-agent', { metadata: { annotations: { other: 'annotation' } } }), /annotations/)
    await assert.rejects(patch('cluster-agent', { spec: { taints: [{ key: 'other', effect: 'NoExecute' }] } }), /taints of a node/)
    await kubectl(['annotate', 'node', node, 'faultline.dev/cordoned-by=test'])
    assert.match(await patch('restorer', { metadata: { annotations: { 'faultline.dev/cordoned-by': null } }, spec: { unschedulable: null } }), /node/)
  } finally {
    await kubectl(['label', 'node', node, 'faultline.dev/chaos-'])
    await kubectl(['annotate', 'node', node, 'faultline.dev/cordoned-by-'])
  }
})
