import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { V1Pod, V1PodDisruptionBudget } from '@kubernetes/client-node'
import { usualBlastRadius } from '#shared/blast-radius.ts'
import { leadsOnlyTo } from '../../services/injector/cluster/addresses.ts'
import { overBudget, selects } from '../../services/injector/cluster/budgets.ts'
import { sortPods } from '../../services/injector/cluster/drain.ts'
import { parseRecord } from '../../services/injector/cluster/fault-records.ts'
import { chooseNodes, controlPodsOn, type CandidateNode } from '../../services/injector/cluster/node-targets.ts'
import { tables } from '../../services/injector/resolvers/sentinel.ts'

const ownedBy = (kind: string) => ({ kind, controller: true, apiVersion: 'v1', name: 'x', uid: 'x' })
const labelled = (uid: string, labels: Record<string, string>): V1Pod => ({ metadata: { uid, labels } })
const budget = (allowed: number, more: Partial<V1PodDisruptionBudget> = {}): V1PodDisruptionBudget => ({
  metadata: { name: 'web', generation: 1 }, spec: { selector: { matchLabels: { app: 'web' } } },
  status: { disruptionsAllowed: allowed, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0, observedGeneration: 1 }, ...more,
})

test('a budget refuses more disruptions than it allows now, and counts only the pods that it selects', () => {
  const web = { app: 'web' }
  assert.equal(overBudget([budget(1)], [web, { app: 'other' }, {}]), undefined)
  assert.equal(overBudget([budget(1)], [web, web]), 'the PodDisruptionBudget web allows 1 more disruption now, and this would be 2')
  assert.equal(overBudget([], [web, web, web]), undefined)
})

test('a budget that its controller has not looked at yet allows nothing', () => {
  assert.match(overBudget([budget(5, { metadata: { name: 'web', generation: 2 } })], [{ app: 'web' }]) ?? '', /allows 0 more/)
  assert.match(overBudget([{ metadata: { name: 'all' }, spec: { selector: {} } }], [{}]) ?? '', /all allows 0/)
})

test('a selector matches as Kubernetes says: by labels and expressions together; an empty one everything, none nothing', () => {
  const expression = (operator: string, values?: string[]) => ({ matchExpressions: [{ key: 'tier', operator, ...(values && { values }) }] })
  assert.ok(selects({}, { a: 'b' }))
  assert.equal(selects(undefined, {}), false)
  assert.deepEqual(['front', undefined].map(tier => selects(expression('In', ['front']), tier === undefined ? {} : { tier })), [true, false])
  assert.deepEqual(['front', 'back', undefined].map(tier => selects(expression('NotIn', ['front']), tier === undefined ? {} : { tier })), [false, true, true])
  assert.deepEqual([selects(expression('Exists'), { tier: '' }), selects(expression('Exists'), {}), selects(expression('DoesNotExist'), {}), selects(expression('DoesNotExist'), { tier: '' })], [true, false, true, false])
  assert.equal(selects({ matchLabels: { app: 'web' }, ...expression('Exists') }, { app: 'web' }), false)
  assert.ok(selects(expression('Near'), {}), 'an operator of a later version counts as a hit')
})

const node = (name: string, more: Partial<CandidateNode> = {}): CandidateNode => ({ name, uid: name, isOptedIn: true, control: [], ...more })
const choose = (found: CandidateNode[], target: object) => chooseNodes(found, { pick: 'one', ...target }, 'run', usualBlastRadius).map(({ name }) => name)

test('one node is chosen among those that may be hit; a node with control pods is left out while there is another', () => {
  assert.deepEqual(choose([node('n1', { control: ['nats-0'] }), node('n2')], { labels: { a: 'b' } }), ['n2'])
  assert.deepEqual(choose([node('n1', { isOptedIn: false }), node('n2'), node('n3')], { labels: { a: 'b' }, pick: 'all' }), ['n2', 'n3'])
})

test('a node that carries control pods is refused by name, and so are all when one of them does', () => {
  assert.throws(() => choose([node('n1', { control: ['nats-0', 'scheduler-1'] })], { name: 'n1' }), /the node n1 carries nats-0, scheduler-1 of faultline itself/)
  assert.throws(() => choose([node('n1', { control: ['nats-0'] }), node('n2')], { labels: { a: 'b' }, pick: 'all' }), /n1 carries nats-0/)
  assert.throws(() => choose([node('n1', { control: ['nats-0'] }), node('n2')], { labels: { a: 'b' }, pick: '100%' }), /n1 carries nats-0/)
  assert.throws(() => choose([node('n1', { control: ['nats-0'] })], { labels: { a: 'b' } }), /n1 carries nats-0/)
})

test('a node that has not opted in is refused, with the command that would opt it in', () => {
  assert.throws(() => choose([node('n1', { isOptedIn: false })], { name: 'n1' }), /n1 has not opted in; kubectl label node n1 faultline.dev\/chaos=allowed/)
  assert.throws(() => choose([node('n1', { isOptedIn: false })], { labels: { a: 'b' }, pick: 'all' }), /has not opted in/)
  assert.throws(() => choose([node('n1')], { labels: { a: 'b' }, pick: 2 }), /asks for 2 nodes, but only 1/)
})

test('of faultline\'s own pods, those of DaemonSets, finished ones and expendable ones keep no node from a fault', () => {
  const pod = (name: string, { phase = 'Running', owner = 'ReplicaSet', labels = {}, node = 'n1' } = {}): V1Pod => ({
    metadata: { name, labels, ownerReferences: [ownedBy(owner)] }, spec: { nodeName: node, containers: [] }, status: { phase },
  })
  const own = [
    pod('scheduler'), pod('waiting', { phase: 'Pending' }), pod('injector', { owner: 'DaemonSet' }), pod('old', { phase: 'Succeeded' }),
    pod('restorer', { labels: { 'faultline.dev/expendable': 'true' } }), pod('elsewhere', { node: 'n2' }),
  ]
  assert.deepEqual(controlPodsOn('n1', own), ['scheduler', 'waiting'])
})

test('a Service counts as the other side\'s only when it leads to nobody else', () => {
  const [primary, replica, web] = [labelled('1', { app: 'pg', role: 'primary' }), labelled('2', { app: 'pg', role: 'replica' }), labelled('3', { app: 'web' })]
  assert.ok(leadsOnlyTo({ app: 'pg', role: 'replica' }, [primary, replica, web], [replica]))
  assert.equal(leadsOnlyTo({ app: 'pg' }, [primary, replica, web], [replica]), false)
  assert.equal(leadsOnlyTo({ app: 'none' }, [primary, replica, web], [replica]), false)
})

test('a drain evicts what a controller makes again in namespaces that have opted in, and names what stays', () => {
  const pod = (name: string, namespace: string, controller?: string, { phase = 'Running', ...metadata }: { phase?: string; annotations?: Record<string, string>; deletionTimestamp?: Date } = {}): V1Pod => ({
    metadata: { name, namespace, ...metadata, ...(controller !== undefined && { ownerReferences: [ownedBy(controller)] }) }, status: { phase },
  })
  const { evicted, left } = sortPods([
    pod('web', 'shop', 'ReplicaSet'), pod('agent', 'shop', 'DaemonSet'), pod('static', 'kube-system', 'Node'), pod('mirror', 'shop', undefined, { annotations: { 'kubernetes.io/config.mirror': 'x' } }),
    pod('bare', 'shop'), pod('dns', 'kube-system', 'ReplicaSet'), pod('done', 'shop', 'Job', { phase: 'Succeeded' }), pod('going', 'shop', 'ReplicaSet', { deletionTimestamp: new Date() }),
  ], new Set(['shop']))
  assert.deepEqual(evicted.map(({ metadata }) => metadata?.name), ['web'])
  assert.deepEqual(left.map(({ pod, why }) => `${pod.metadata?.name}: ${why}`), ['bare: no controller would make it again', 'dns: the namespace kube-system has not opted in'])
})

test('what a Sentinel answers is read in both versions of its protocol', () => {
  assert.deepEqual(tables([['name', 'shop', 'ip', '10.0.0.1'], ['name', 'other']]).map(table => table.get('name')), ['shop', 'other'])
  assert.deepEqual(tables([new Map([['name', 'shop']]), { name: 'third' }]).map(table => table.get('name')), ['shop', 'third'])
  assert.deepEqual(tables('nothing'), [])
})

test('a record is read back as it was written; one that is spoilt or of somebody else is none', () => {
  const annotations = { 'faultline.dev/entry': '{"id":"a"}', 'faultline.dev/remaining-ms': '1200' }
  assert.deepEqual(parseRecord({ metadata: { annotations, resourceVersion: '7' } }), { entry: { id: 'a' }, remainingMs: 1_200, version: '7', reverted: undefined })
  assert.equal(parseRecord({ metadata: { annotations: { ...annotations, 'faultline.dev/entry': '{' } } }), undefined)
  assert.equal(parseRecord({ metadata: {} }), undefined)
})
