import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { V1Pod } from '@kubernetes/client-node'
import { answering } from '../../services/cli/cluster/port-forward.ts'

const pod = (name: string, ready: 'True' | 'False', more: { deletionTimestamp?: Date } = {}): V1Pod => ({ metadata: { name, ...more }, status: { conditions: [{ type: 'PodScheduled', status: 'True' }, { type: 'Ready', status: ready }] } })

test('a connection goes to a pod that is ready and stays: not to one that is going, which is called ready until it has ended', () => {
  const pods = [pod('going', 'True', { deletionTimestamp: new Date(0) }), pod('starting', 'False'), pod('one', 'True'), { metadata: { name: 'unheard-of' } }, pod('other', 'True')]
  assert.deepEqual(answering(pods).map(({ metadata }) => metadata?.name), ['one', 'other'])
})
