import assert from 'node:assert/strict'
import { test } from 'node:test'
import { peerSides, pickOf, printPeerSide, printTargetSpec, targetKindOf, targetSchemaOf, type TargetSpec } from '#shared/target.ts'

const schema = targetSchemaOf(['process', 'pods', 'nodes', 'workload'])
const parse = (target: object): TargetSpec => schema.parse(target)
const refused = (target: object): string => schema.safeParse(target).error?.issues.map(({ message }) => message).join('; ') ?? 'accepted'

for (const { target, kind, pick, words } of [
  { target: { process: { match: 'postgres' } }, kind: 'process', pick: 'one', words: 'processes matching postgres' },
  { target: { pods: { namespace: 'shop', labels: { app: 'web' }, pick: '50%' } }, kind: 'pods', pick: '50%', words: 'pods of shop with app=web' },
  {
    target: { pods: { namespace: 'shop', owner: { kind: 'StatefulSet', name: 'postgres' }, node: 'n1', role: 'postgres-primary', pick: 2 } },
    kind: 'pods', pick: 2, words: 'pods of shop of StatefulSet postgres, on n1, as postgres-primary',
  },
  { target: { nodes: { name: 'n2.example.org' } }, kind: 'nodes', pick: 'one', words: 'node n2.example.org' },
  { target: { nodes: { labels: { zone: 'a' }, running: { namespace: 'shop', role: 'redis-master' }, pick: 'all' } }, kind: 'nodes', pick: 'all', words: 'nodes with zone=a that run pods of shop as redis-master' },
  { target: { workload: { namespace: 'shop', kind: 'Deployment', name: 'web' } }, kind: 'workload', pick: 'one', words: 'Deployment shop/web' },
] as const) {
  test(`${words}: is a target, and is told in these words`, () => {
    const spec = parse(target)
    assert.deepEqual([targetKindOf(spec), pickOf(spec), printTargetSpec(spec)], [kind, pick, words])
  })
}

test('a selector that is empty would mean everything, and is an error', () => {
  for (const target of [
    { pods: { namespace: 'shop' } }, { pods: { namespace: 'shop', labels: {} } }, { pods: { namespace: 'shop', pick: 'all' } },
    { nodes: {} }, { nodes: { pick: 'all' } }, { nodes: { running: { namespace: 'shop' } } }, { nodes: { labels: {} } },
  ]) assert.match(refused(target), /would mean every/, JSON.stringify(target))
})

test('a share is a whole number of percent from 1 to 100', () => {
  for (const pick of ['0%', '101%', '12.5%', '-5%', '%', 'half', '50']) assert.notEqual(refused({ nodes: { name: 'n1', pick } }), 'accepted', pick)
  for (const pick of ['1%', '99%', '100%']) assert.equal(refused({ nodes: { name: 'n1', pick } }), 'accepted', pick)
})

test('roles and kinds of owners are those that there is a resolver for', () => {
  assert.notEqual(refused({ pods: { namespace: 'shop', role: 'mysql-primary' } }), 'accepted')
  assert.notEqual(refused({ pods: { namespace: 'shop', owner: { kind: 'Job', name: 'x' } } }), 'accepted')
  assert.notEqual(refused({ workload: { namespace: 'shop', kind: 'DaemonSet', name: 'x' } }), 'accepted')
})

test('the other side is one or several, pods or the API server, and never nobody', () => {
  assert.deepEqual(peerSides.parse({ apiServer: true }), [{ apiServer: true }])
  const sides = peerSides.parse([{ role: 'postgres-replica' }, { namespace: 'other', labels: { app: 'x' } }, { apiServer: true }])
  assert.deepEqual(sides.map(printPeerSide), ['pods as postgres-replica', 'pods of other with app=x', 'the API server'])
  for (const given of [[], {}, { namespace: 'shop' }, { apiServer: false }, { labels: {} }, { apiServer: true, role: 'redis-master' }]) assert.equal(peerSides.safeParse(given).success, false, JSON.stringify(given))
})
