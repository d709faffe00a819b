import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { V1Pod } from '@kubernetes/client-node'
import { crowded } from '../../services/cli/campaign/spread.ts'

const nodes = ['n1', 'n2', 'n3']
const pod = (name: string, nodeName: string, createdMs: number, going = false): V1Pod => ({
  metadata: { name, creationTimestamp: new Date(createdMs), ...(going && { deletionTimestamp: new Date(0) }) }, spec: { nodeName, containers: [] },
})
const moved = (...pods: V1Pod[]) => crowded(pods, nodes)?.metadata?.name

test('the youngest of those that share a node is moved, while a node has none', () => {
  assert.equal(moved(pod('a', 'n1', 1), pod('b', 'n1', 3), pod('c', 'n3', 5)), 'b')
  assert.equal(moved(pod('a', 'n1', 2), pod('b', 'n1', 1)), 'a')
})

test('nothing is moved when each has a node of its own, or every node has one; one that is going is none', () => {
  assert.equal(moved(pod('a', 'n1', 1), pod('b', 'n2', 2)), undefined)
  assert.equal(moved(pod('a', 'n1', 1), pod('b', 'n2', 2), pod('c', 'n3', 3), pod('d', 'n3', 4)), undefined)
  assert.equal(moved(pod('a', 'n1', 1), pod('b', 'n1', 2, true), pod('c', 'n3', 3)), undefined)
})
