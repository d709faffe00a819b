import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { namespace } from '../../../services/cli/install/secret.ts'
import { inSystem, installed } from './installed.ts'
import { startSubject } from './subject.ts'

before(installed)

const deleteAsAgent = (pod: string, inNamespace: string) =>
  kubectl(['delete', 'pod', pod, '--namespace', inNamespace, '--dry-run=server', `--as=system:serviceaccount:${namespace}:cluster-agent`])

test('the API server itself refuses to delete a pod for the cluster-agent unless the namespace has opted in', async () => {
  await using subject = await startSubject({ namespace: 'faultline-test-policy', optedIn: false, replicas: 1 })
  const [pod] = await subject.ready()
  assert.ok(pod)
  await assert.rejects(deleteAsAgent(pod.name, subject.namespace), /has not opted in/)
  await kubectl(['label', 'namespace', subject.namespace, 'faultline.dev/chaos=no'])
  await assert.rejects(deleteAsAgent(pod.name, subject.namespace), /has not opted in/)
  await kubectl(['label', 'namespace', subject.namespace, 'faultline.dev/chaos=allowed', '--overwrite'])
  assert.match(await deleteAsAgent(pod.name, subject.namespace), /deleted/)
})

test('faultline\'s own namespace is refused even with the label', async () => {
  const pod = (await inSystem('get', 'pods', '--selector', 'app.kubernetes.io/name=scheduler', '--output', 'go-template={{(index .items 0).metadata.name}}')).trim()
  await kubectl(['label', 'namespace', namespace, 'faultline.dev/chaos=allowed'])
  try {
    await assert.rejects(deleteAsAgent(pod, namespace), /never touched/)
  } finally {
    await kubectl(['label', 'namespace', namespace, 'faultline.dev/chaos-'])
  }
})
