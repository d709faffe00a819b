import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { namespace } from '../../../services/cli/install/secret.ts'
import { until } from '../../parts/until.ts'
import { installed } from './installed.ts'

/** Who writes an object has it do what they could do themselves: the API server's word, asked without making anything. */
const [own, others] = ['faultline-test-own', 'faultline-test-others']
const user = 'faultline-test-author'
const more = [1, 2, 3, 4].map(index => `faultline-test-more-${index}`)

/** Of a test user: to write faultline's objects everywhere, and to delete pods in some namespaces. */
const rights = [
  ...[own, others, ...more].map(name => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })),
  { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name: user }, rules: [{ apiGroups: ['faultline.dev'], resources: ['experiments', 'campaigns', 'policies'], verbs: ['get', 'create', 'update', 'patch'] }] },
  { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRoleBinding', metadata: { name: user }, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: user }, subjects: [{ kind: 'User', name: user, apiGroup: 'rbac.authorization.k8s.io' }] },
  ...[own, ...more].flatMap(name => [
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: { name: user, namespace: name }, rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['delete'] }] },
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'RoleBinding', metadata: { name: user, namespace: name }, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: user }, subjects: [{ kind: 'User', name: user, apiGroup: 'rbac.authorization.k8s.io' }] },
  ]),
]
const remove = () => kubectl(['delete', '--ignore-not-found', '--wait=false', '--filename', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: rights }))

before(async () => {
  await installed()
  await kubectl(['apply', '--filename', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: rights }))
  const may = (...what: string[]) => kubectl(['auth', 'can-i', ...what, `--as=${user}`]).then(() => true, () => false)
  const known = () => Promise.all([may('create', 'experiments.faultline.dev', '--namespace', own), ...[own, ...more].map(name => may('delete', 'pods', '--namespace', name))])
  await until('the API server acts by these rights', async () => (await known()).every(Boolean), 10_000, { lookMs: 100 })
})
after(remove)

const pause = (where: string) => ({ kind: 'pod-pause', target: { pods: { namespace: where, labels: { app: 'subject' } } }, at: '1s', duration: '2s' })
const scale = (where: string) => ({ kind: 'scale', target: { workload: { namespace: where, kind: 'Deployment', name: 'subject' } }, replicas: 1, at: '1s', duration: '2s' })
const drain = { kind: 'node-drain', target: { nodes: { name: 'node-1' } }, at: '1s', duration: '2s' }
const body = (...faults: object[]) => ({ faults, gates: [{ name: 'one', phase: 'during', promql: { query: 'vector(1)', min: 1 } }] })
const head = (kind: string) => ({ apiVersion: 'faultline.dev/v1alpha1', kind, metadata: { name: 'asked', namespace: own } })
const experiment = (...faults: object[]) => ({ ...head('Experiment'), ...body(...faults) })
const step = (name: string, ...faults: object[]) => ({ kind: 'experiment', name, experiment: body(...faults) })
const campaign = (...steps: object[]) => ({ ...head('Campaign'), steps })
const policy = (...faults: object[]) => ({
  ...head('Policy'), scope: { namespaces: [own, others], nodes: true }, rate: { mean: 1, per: 'week' }, templates: [{ name: 'calm', experiment: body(pause(own)) }, { name: 'other', experiment: body(...faults) }],
})

const create = (object: object, as = user) => kubectl(['create', '--dry-run=server', '--output=name', '--filename', '-', `--as=${as}`], JSON.stringify(object))
const notThere = new RegExp(`it names targets in ${others}, where you may not delete pods`)

test('an object may name the namespaces in which its author may delete pods, wherever it lies', async () => {
  for (const allowed of [experiment(pause(own)), experiment(pause(own), pause(more[0] ?? ''), scale(own)), experiment(), campaign(step('one', pause(own)), { kind: 'parallel', branches: [[step('two', pause(own))], [step('three', pause(more[0] ?? ''))]] }), policy(pause(own))]) {
    assert.match(await create(allowed), /asked/, JSON.stringify(allowed))
  }
})

test('and no other: as pods, as a workload, in a step, in a branch of a step, in a template, as one of several', async () => {
  const refused = [
    experiment(pause(others)), experiment(pause(own), pause(others)), experiment(scale(others)), campaign(step('one', pause(own)), step('two', pause(others))),
    campaign({ kind: 'parallel', branches: [[step('one', pause(own))], [step('two', pause(own)), step('three', scale(others))]] }), policy(pause(others)),
  ]
  for (const object of refused) await assert.rejects(create(object), notThere, JSON.stringify(object))
})

test('nodes take the right to change nodes, and more namespaces than are asked about are refused', async () => {
  for (const object of [experiment(drain), campaign(step('one', pause(own)), step('two', drain)), policy(drain)]) await assert.rejects(create(object), /you may not change/, JSON.stringify(object))
  assert.match(await create(experiment(...more.map(pause))), /asked/)
  await assert.rejects(create(experiment(pause(own), ...more.map(pause))), /more than four namespaces/)
  await assert.rejects(create(experiment(...more.slice(1).map(pause), pause(others))), notThere, 'the last of four is asked about too')
})

test('a change is held to it as a new object is; whoever may do all, may; so may the scheduler, for what it makes of a Campaign', async () => {
  const file = JSON.stringify(experiment(pause(own)))
  await kubectl(['create', '--filename', '-', `--as=${user}`], file)
  try {
    const patch = (faults: object[]) => kubectl(['--namespace', own, 'patch', 'experiment', 'asked', '--type=merge', `--patch=${JSON.stringify({ faults })}`, '--dry-run=server', '--output=name', `--as=${user}`])
    assert.match(await patch([pause(own), pause(own)]), /asked/)
    await assert.rejects(patch([pause(others)]), notThere)
  } finally {
    await kubectl(['delete', '--filename', '-'], file)
  }
  assert.match(await kubectl(['create', '--dry-run=server', '--output=name', '--filename', '-'], JSON.stringify(experiment(pause(others), drain))), /asked/)
  assert.match(await create(experiment(pause(others)), `system:serviceaccount:${namespace}:scheduler`), /asked/)
})
