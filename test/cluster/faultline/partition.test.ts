import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { judge } from '#shared/verdict.ts'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { forwardScheduler, installed, type ForwardedScheduler } from './installed.ts'
import { hear as hearFrom, hearAtLast, startSubject, type Subject } from './subject.ts'

const owned = new AsyncDisposableStack()
let scheduler: ForwardedScheduler
let subject: Subject
const inNamespace = (...args: string[]) => kubectl(['--namespace', subject.namespace, ...args])

before(async () => {
  await installed()
  scheduler = owned.use(await forwardScheduler())
  subject = owned.use(await startSubject({ namespace: 'faultline-test-partition', optedIn: true, replicas: 3 }))
})
after(async () => {
  await inNamespace('delete', 'service', 'right', '--ignore-not-found') // before its pods: without them it would have a rule of its own on each node
  await owned.disposeAsync()
})

type Heard = 'here' | 'silence'
const hear = (pod: string, address: string, expected: Heard) => (expected === 'here' ? hearAtLast : hearFrom)({ namespace: subject.namespace, pod }, address)

test('a partition cuts one side from the other in both directions, by pod and by Service address, and spares a third pod; then all is as before', async () => {
  const pods = (await subject.ready()).map(({ name }) => name)
  const [left = '', right = '', third = ''] = pods
  for (const [index, side] of ['left', 'right', 'third'].entries()) await inNamespace('label', 'pod', pods[index] ?? '', `side=${side}`)
  await kubectl(['apply', '--filename', '-'], JSON.stringify({
    apiVersion: 'v1', kind: 'Service', metadata: { name: 'right', namespace: subject.namespace }, spec: { selector: { side: 'right' }, ports: [{ port: 8080 }] },
  }))
  const addressOf = (what: string, field: string) => inNamespace('get', what, '--output', `jsonpath={${field}}`)
  const [leftIp, rightIp, thirdIp, service] = await Promise.all([addressOf(`pod/${left}`, '.status.podIP'), addressOf(`pod/${right}`, '.status.podIP'), addressOf(`pod/${third}`, '.status.podIP'), addressOf('service/right', '.spec.clusterIP')])
  const paths = (across: Heard): Promise<string[]> => Promise.all([
    hear(left, rightIp, across), hear(left, service, across), hear(right, leftIp, across), hear(left, thirdIp, 'here'), hear(third, leftIp, 'here'), hear(third, service, 'here'),
  ])
  const open = ['here', 'here', 'here', 'here', 'here', 'here']
  const givenUpAt = performance.now() + 30_000
  let heard = await paths('here')
  while (heard.includes('silence') && performance.now() < givenUpAt) heard = await paths('here') // nodes learn of a Service in their own time
  assert.deepEqual(heard, open)

  const seen: Promise<string[]>[] = []
  const run = await scheduler.submit({
    apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'partition' }, lease: '15s', // a busy machine is not what is tried here
    faults: [{ kind: 'network-partition', target: { pods: { namespace: subject.namespace, labels: { side: 'left' } } }, from: { labels: { side: 'right' } }, at: '1s', duration: '15s' }],
    gates: [{ name: 'agents-are-seen', phase: 'during', promql: { query: 'sum(up{job="injector"})', min: 1 } }],
    recovery: { within: '20s', stable: '1s' },
  })
  const facts = await scheduler.facts(run, ({ kind }) => { if (kind === 'fault.injected') seen.push(paths('silence')) })
  assert.deepEqual(await Promise.all(seen), [['silence', 'silence', 'silence', 'here', 'here', 'here']])
  const judgement = judge(facts)
  assert.equal(judgement.verdict, 'passed', judgement.reasons.join('; '))
  assert.deepEqual(await paths('here'), open)
})
