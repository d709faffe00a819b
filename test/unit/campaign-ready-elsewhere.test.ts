import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { V1Pod } from '@kubernetes/client-node'
import { hitBy, readyPods } from '../../services/cli/campaign/ready-elsewhere.ts'

const pod = (uid: string, node: string, { ready = 'True', going = false } = {}): V1Pod => ({
  metadata: { uid, ...(going && { deletionTimestamp: new Date(0) }) }, spec: { nodeName: node, containers: [] }, status: { conditions: [{ type: 'Ready', status: ready }] },
})
const none = { pods: new Set<string>(), nodes: new Set<string>() }

test('a pod counts when it is Ready, stays, and was not hit, nor the node that it is on', () => {
  const pods = [pod('a', 'n1'), pod('b', 'n2'), pod('c', 'n3', { ready: 'False' }), pod('d', 'n3', { going: true }), { metadata: { uid: 'e' } }]
  assert.equal(readyPods(pods, none), 2)
  assert.equal(readyPods(pods, { ...none, pods: new Set(['a']) }), 1)
  assert.equal(readyPods(pods, { ...none, nodes: new Set(['n2']) }), 1)
})

test('what was hit is told by the targets of the injection', () => {
  const hit = hitBy({ targets: [
    { id: 'pod:u1', pod: { namespace: 'x', name: 'p', uid: 'u1', node: 'n1' }, description: 'p' },
    { id: 'node:u2', node: { name: 'n2', uid: 'u2' }, description: 'n2' },
    { id: 'process:1:2', pid: 1, startTicks: 2, description: 'postgres' },
  ] })
  assert.deepEqual([[...hit.pods], [...hit.nodes]], [['u1'], ['n2']])
})
