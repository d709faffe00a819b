import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { V1Pod } from '@kubernetes/client-node'
import { answering, podOf } from '../../services/cli/cluster/port-forward.ts'

const pod = (name: string, ready: 'True' | 'False', more: { deletionTimestamp?: Date } = {}): V1Pod => ({ metadata: { name, ...more }, status: { conditions: [{ type: 'PodScheduled', status: 'True' }, { type: 'Ready', status: ready }] } })

test('a connection goes to a pod that is ready and stays: not to one that is going, which is called ready until it has ended', () => {
  const pods = [pod('going', 'True', { deletionTimestamp: new Date(0) }), pod('starting', 'False'), pod('one', 'True'), { metadata: { name: 'unheard-of' } }, pod('other', 'True')]
  assert.deepEqual(answering(pods).map(({ metadata }) => metadata?.name), ['one', 'other'])
})

test('a Service that selects no pods leads to none, and to none of its namespace\'s others', async () => {
  const core = (selector: Record<string, string> | undefined) => ({
    readNamespacedService: () => Promise.resolve({ spec: { ...(selector && { selector }) } }),
    listNamespacedPod: ({ labelSelector }: { labelSelector?: string }) => Promise.resolve({ items: labelSelector === 'app=scheduler' ? [pod('its', 'True')] : [pod('another', 'True')] }),
  })
  const to = { namespace: 'faultline-system', service: 'scheduler', port: 9646 }
  assert.equal(await podOf(core({ app: 'scheduler' }), to), 'its')
  for (const selector of [{}, undefined]) await assert.rejects(podOf(core(selector), to), { message: 'the Service faultline-system/scheduler selects no pods' })
})
