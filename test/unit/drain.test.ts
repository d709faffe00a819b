import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { test } from 'node:test'
import { z } from 'zod'
import { prepareDrain, uncordon } from '../../services/injector/cluster/drain.ts'
import { connectKubernetes } from '../../services/injector/cluster/kubernetes.ts'
import type { ActContext } from '../../services/injector/step-in-hand.ts'
import { temporaryFolder } from '../parts/child.ts'
import { kubeConfigOf } from '../parts/kube-config.ts'
import { serve } from '../parts/sample-recorder.ts'

const patchSchema = z.object({
  metadata: z.object({ resourceVersion: z.string().optional(), annotations: z.record(z.string(), z.string().nullable()) }), spec: z.object({ unschedulable: z.boolean().nullable() }),
})
type Meanwhile = 'nothing' | 'the kubelet tells of itself' | 'somebody cordons it' | 'somebody takes the cordon over'
const mark = 'faultline.dev/cordoned-by'
const undo = { undo: 'uncordon', node: 'n1', uid: 'u1', mark: 'f1' } as const
const context: ActContext = {
  folder: '', id: '', lease: { leaseEndsMs: 0, endsMs: 0 }, reverter: undefined, shelter: undefined, record: () => undefined, onEndedEarly: () => undefined, requireTimeLeft: () => 1_000,
}

/** A node at an API server that refuses a patch on another version than it has. `meanwhile`: what has changed it just before the next patch arrives, or with `always` each. */
async function startNode() {
  const here = { unschedulable: false, annotations: new Map<string, string>(), version: 1, meanwhile: 'nothing' as Meanwhile, always: false, patches: 0 }
  const server = await serve((request, response) => {
    const answer = (body: object, status = 200) => void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    const node = () => ({ metadata: { name: 'n1', uid: 'u1', resourceVersion: String(here.version), labels: { 'faultline.dev/chaos': 'allowed' }, annotations: Object.fromEntries(here.annotations) }, spec: { unschedulable: here.unschedulable } })
    if (new URL(request.url ?? '', 'http://api').pathname !== '/api/v1/nodes/n1') return answer({ items: [] })
    if (request.method !== 'PATCH') return answer(node())
    void json(request).then(body => {
      const { metadata, spec } = patchSchema.parse(body)
      here.patches += 1
      if (here.meanwhile !== 'nothing') here.version += 1
      if (here.meanwhile === 'somebody cordons it') here.unschedulable = true
      if (here.meanwhile === 'somebody takes the cordon over') here.annotations.clear()
      if (!here.always) here.meanwhile = 'nothing'
      if (metadata.resourceVersion !== undefined && metadata.resourceVersion !== String(here.version)) return answer({ message: 'the object has been modified' }, 409)
      for (const [name, value] of Object.entries(metadata.annotations)) if (value === null) here.annotations.delete(name); else here.annotations.set(name, value)
      here.unschedulable = spec.unschedulable ?? false
      here.version += 1
      return answer(node())
    })
  })
  const folder = temporaryFolder('drain')
  const kubeconfig = join(folder.path, 'kubeconfig')
  writeFileSync(kubeconfig, kubeConfigOf(server.url))
  process.env['KUBECONFIG'] = kubeconfig
  const kubernetes = await connectKubernetes()
  const drain = prepareDrain(kubernetes, { id: 'node:u1', node: { name: 'n1', uid: 'u1' }, description: 'n1' }, 'respect', 'f1')
  return { here, kubernetes, drain, async [Symbol.asyncDispose]() { await server.close(); folder[Symbol.dispose]() } }
}

test('a node that somebody cordons in the very moment stays theirs: the drain neither marks it nor lets it go afterwards', async () => {
  await using node = await startNode()
  node.here.meanwhile = 'somebody cordons it'
  const { verified, readBack } = await node.drain.act(context)
  assert.deepEqual([verified, readBack], [true, ['n1 is cordoned, and was before']])
  assert.equal(node.here.annotations.has(mark), false)
  assert.deepEqual((await uncordon(node.kubernetes, undo)).readBack, ['n1 is cordoned, and not by this fault'])
  assert.equal(node.here.unschedulable, true)
})

test('a cordon that somebody takes over while it is being undone is left to them', async () => {
  await using node = await startNode()
  await node.drain.act(context)
  node.here.meanwhile = 'somebody takes the cordon over'
  assert.deepEqual(await uncordon(node.kubernetes, undo), { verified: true, readBack: ['n1 is cordoned, and not by this fault'] })
  assert.equal(node.here.unschedulable, true)
})

test('what the kubelet tells of its node at the same time costs another try, of the cordon and of its undo', async () => {
  await using node = await startNode()
  node.here.meanwhile = 'the kubelet tells of itself'
  assert.deepEqual((await node.drain.act(context)).readBack, ['n1 is cordoned'])
  assert.deepEqual([node.here.annotations.get(mark), node.here.patches], ['f1', 2])
  node.here.meanwhile = 'the kubelet tells of itself'
  assert.deepEqual(await uncordon(node.kubernetes, undo), { verified: true, readBack: ['n1 is schedulable'] })
  assert.deepEqual([node.here.unschedulable, node.here.annotations.size, node.here.patches], [false, 0, 4])
})

test('a node that is another at each try is left as it is, and told after five', async () => {
  await using node = await startNode()
  Object.assign(node.here, { meanwhile: 'the kubelet tells of itself', always: true })
  await assert.rejects(node.drain.act(context), /^FaultRefused: cordoning n1: it was changed, or another has that name by now \(409\)$/)
  assert.deepEqual([node.here.patches, node.here.unschedulable, node.here.annotations.size], [5, false, 0])
})
