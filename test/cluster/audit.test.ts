import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { readAuditLog } from './audit.ts'
import { busyboxImage, provideBusyboxImage } from './busybox-image.ts'
import { createTestNamespace } from './test-namespace.ts'

await provideBusyboxImage()
const startedAt = new Date().toISOString()
const namespace = await createTestNamespace('test-audit')
after(() => namespace[Symbol.asyncDispose]())

/** What the administrator did in the namespace, each request once. */
function callsByHand(): string[] {
  const mine = readAuditLog().filter(entry => entry.user.username === 'admin' && entry.requestReceivedTimestamp >= startedAt && entry.objectRef?.namespace === namespace.name)
  const once = Map.groupBy(mine, entry => entry.auditID)
  return [...once.values()].flatMap(([entry]) => entry ? [`${entry.verb} ${entry.objectRef?.resource}${entry.objectRef?.subresource ? `/${entry.objectRef.subresource}` : ''} ${entry.objectRef?.name}`] : [])
}

test('every change made by hand is in the audit log with its maker, and reading is not', async () => {
  await namespace.kubectl('create', 'configmap', 'note', '--from-literal', 'a=1')
  await namespace.kubectl('get', 'configmap', 'note')
  await namespace.kubectl('label', 'configmap', 'note', 'seen=yes')
  await namespace.kubectl('delete', 'configmap', 'note')
  const aboutNote = callsByHand().filter(call => call.includes('configmaps'))
  assert.deepEqual(aboutNote, ['create configmaps note', 'patch configmaps note', 'delete configmaps note'])
})

test('a command run in a container counts as a change', async () => {
  await namespace.kubectl('run', 'target', '--image', busyboxImage, '--command', '--', '/bin/busybox', 'sleep', '600')
  await namespace.kubectl('wait', '--for', 'condition=Ready', 'pod/target', '--timeout', '90s')
  await namespace.exec('target', '/bin/busybox', 'true')
  assert.equal(callsByHand().filter(call => call.endsWith(' pods/exec target')).length, 1)
})

test('what controllers and kubelets do has their own names, not the administrator\'s', () => {
  const makers = new Set(readAuditLog().map(entry => entry.user.username))
  assert.ok([...makers].some(name => name.startsWith('system:node:')), 'a kubelet')
  assert.ok(makers.has('system:serviceaccount:kube-system:namespace-controller') || makers.has('system:serviceaccount:kube-system:service-account-controller'), 'a controller')
})
