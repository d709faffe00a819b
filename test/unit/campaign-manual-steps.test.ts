import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readAuditSpan, type AuditEntry } from '../../services/cli/campaign/audit-log.ts'
import { manualSteps, scalings } from '../../services/cli/campaign/manual-steps.ts'

let next = 0
interface Call { verb: string; by: string; resource: string; at?: number; subresource?: string; namespace?: string; name?: string; code?: number; id?: string }

const call = ({ verb, by, resource, at = 1_000, subresource, namespace = 'jewelry-shop', name = 'it', code = 200, id = `id-${next++}` }: Call): AuditEntry => ({
  auditID: id, stage: 'ResponseComplete', verb, user: { username: by }, requestReceivedTimestamp: new Date(at).toISOString(), responseStatus: { code },
  objectRef: { resource, namespace, name, ...(subresource !== undefined && { subresource }) },
})

const span = { fromMs: 500, toMs: 2_000 }
const options = { namespace: 'faultline-system' }
const counted = (...calls: Call[]) => manualSteps(calls.map(call), span, options).map(({ by, what }) => `${by}: ${what}`)

test('what a person does is counted, each call once and oldest first', () => {
  const twice = { verb: 'create', by: 'admin', resource: 'pods', subresource: 'exec', name: 'postgres-0', at: 1_500, id: 'same' }
  assert.deepEqual(counted(twice, twice, { verb: 'delete', by: 'admin', resource: 'pods', name: 'postgres-1', at: 600 }, { verb: 'get', by: 'admin', resource: 'pods', subresource: 'attach', at: 1_600 }), [
    'admin: delete pods jewelry-shop/postgres-1', 'admin: create pods/exec jewelry-shop/postgres-0', 'admin: get pods/attach jewelry-shop/it',
  ])
})

test('what nobody needed to do is not counted: controllers, kubelets, the control plane, Patroni, the fault and its undo, the watcher', () => {
  assert.deepEqual(counted(
    { verb: 'delete', by: 'system:serviceaccount:kube-system:node-controller', resource: 'pods' },
    { verb: 'patch', by: 'system:node:n1', resource: 'pods', subresource: 'status' },
    { verb: 'create', by: 'system:kube-scheduler', resource: 'pods', subresource: 'binding' },
    { verb: 'patch', by: 'system:serviceaccount:jewelry-shop:postgres', resource: 'endpoints' },
    { verb: 'delete', by: 'system:serviceaccount:faultline-system:cluster-agent', resource: 'pods' },
    { verb: 'get', by: 'admin', resource: 'pods', subresource: 'portforward', namespace: 'faultline-system' },
    { verb: 'create', by: 'admin', resource: 'selfsubjectaccessreviews' },
  ), [])
})

test('the account of the database may not do anything else unseen, nor another namespace\'s port be forwarded, nor an account be taken for another', () => {
  assert.equal(counted(
    { verb: 'create', by: 'system:serviceaccount:jewelry-shop:postgres', resource: 'secrets' },
    { verb: 'get', by: 'admin', resource: 'pods', subresource: 'portforward', namespace: 'jewelry-shop' },
    { verb: 'delete', by: 'system:serviceaccount:kube-system-2:me', resource: 'pods' },
    { verb: 'delete', by: 'system:serviceaccount:faultline-system-2:me', resource: 'pods' },
    { verb: 'delete', by: 'system:nodes:n1', resource: 'pods' },
  ).length, 5)
})

test('reading, what was refused, and what lies before the injection or after the recovery is not counted; the edges are', () => {
  const byHand = { by: 'admin', resource: 'pods' }
  assert.equal(counted({ ...byHand, verb: 'list' }, { ...byHand, verb: 'delete', code: 403 }, { ...byHand, verb: 'delete', at: 499 }, { ...byHand, verb: 'delete', at: 2_001 }).length, 0)
  assert.equal(counted({ ...byHand, verb: 'delete', at: 500 }, { ...byHand, verb: 'delete', at: 2_000 }).length, 2)
})

test('a cloud\'s controller is part of the platform only when the campaign says so', () => {
  const taint = call({ verb: 'patch', by: 'fencing', resource: 'nodes', name: 'n2' })
  assert.equal(manualSteps([taint], span, options).length, 1)
  assert.equal(manualSteps([taint], span, { ...options, platform: ['fencing'] }).length, 0)
})

test('a call about no object is counted, and says so', () => {
  const { objectRef: _none, ...bare } = call({ verb: 'create', by: 'admin', resource: 'x' })
  const { responseStatus: _unknown, ...unanswered } = bare
  assert.deepEqual(manualSteps([unanswered], span, options).map(({ what }) => what), ['create ?'])
  assert.deepEqual(manualSteps([{ ...bare, objectRef: { resource: 'nodes', name: 'n1' } }], span, options).map(({ what }) => what), ['create nodes n1'])
})

test('a scaling is the autoscaler\'s or somebody else\'s, a change of the whole Deployment too; its own controller and others\' Deployments do not count', () => {
  const deployment = { resource: 'deployments', name: 'shop' }
  const { byAutoscaler, byOthers } = scalings([
    { ...deployment, verb: 'update', subresource: 'scale', by: 'system:serviceaccount:kube-system:horizontal-pod-autoscaler' },
    { ...deployment, verb: 'update', by: 'system:serviceaccount:kube-system:deployment-controller' },
    { ...deployment, verb: 'update', subresource: 'status', by: 'system:serviceaccount:kube-system:deployment-controller' },
    { ...deployment, verb: 'patch', subresource: 'scale', by: 'admin' },
    { ...deployment, verb: 'patch', by: 'admin' },
    { ...deployment, verb: 'patch', by: 'admin', at: 5_000 },
    { ...deployment, verb: 'patch', by: 'admin', name: 'other' },
    { ...deployment, verb: 'patch', by: 'admin', namespace: 'other' },
    { resource: 'statefulsets', name: 'shop', verb: 'patch', by: 'admin' },
  ].map(call), span, { namespace: 'jewelry-shop', name: 'shop' })
  assert.equal(byAutoscaler, 1)
  assert.deepEqual(byOthers.map(({ what }) => what), ['patch deployments/scale jewelry-shop/shop', 'patch deployments jewelry-shop/shop'])
})

test('the log is read by the span, and a last line that is still being written is left out', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-audit-'))
  try {
    const lines = [400, 500, 1_500, 2_001].map(at => JSON.stringify(call({ verb: 'delete', by: 'admin', resource: 'pods', at })))
    writeFileSync(join(folder, 'whole'), `${lines.join('\n')}\n`)
    writeFileSync(join(folder, 'growing'), `${lines.slice(0, 3).join('\n')}\n{"auditID": "x`)
    assert.equal((await readAuditSpan(join(folder, 'whole'), span)).length, 2)
    assert.equal((await readAuditSpan(join(folder, 'growing'), span)).length, 2)
    writeFileSync(join(folder, 'nobody'), `${JSON.stringify({ ...call({ verb: 'patch', by: '', resource: 'pods', at: 500, code: 401 }), user: {} })}\n`)
    assert.deepEqual((await readAuditSpan(join(folder, 'nobody'), span)).map(({ user }) => user), [{ username: '' }])
    writeFileSync(join(folder, 'broken'), `{}\n${lines.join('\n')}\n`)
    await assert.rejects(readAuditSpan(join(folder, 'broken'), span))
    await assert.rejects(readAuditSpan(join(folder, 'none'), span), /ENOENT/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
