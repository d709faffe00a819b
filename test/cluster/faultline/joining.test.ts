import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { judge } from '#shared/verdict.ts'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { until } from '../../parts/until.ts'
import { forwardScheduler, installed, type ForwardedScheduler } from './installed.ts'
import { hear as hearFrom, hearAtLast, startSubject, type Subject, type SubjectPod } from './subject.ts'

const owned = new AsyncDisposableStack()
let scheduler: ForwardedScheduler
let subject: Subject
let client: Subject
const inNamespace = (...args: string[]) => kubectl(['--namespace', subject.namespace, ...args])

before(async () => {
  await installed()
  scheduler = owned.use(await forwardScheduler())
  subject = owned.use(await startSubject({ namespace: 'faultline-test-joining', optedIn: true, replicas: 1 }))
  client = owned.use(await startSubject({ namespace: 'faultline-test-joining-client', optedIn: false, replicas: 1 }))
  await Promise.all([subject.ready(), client.ready()])
})
after(() => owned.disposeAsync())

const asked = (from: typeof hearFrom) => async ({ name }: SubjectPod): Promise<string> => {
  const [asking] = await client.pods()
  return from({ namespace: client.namespace, pod: asking?.name ?? '' }, await inNamespace('get', 'pod', name, '--output', 'jsonpath={.status.podIP}'))
}
const hear = asked(hearFrom)
const hearAgain = asked(hearAtLast)

const joined = (what: string, look: () => boolean | Promise<boolean>) => until(what, look, 20_000, { lookMs: 100 })

/** Runs a fault on the subject's pods to its verdict; `meanwhile` begins when the first part is there, and is told of what was hit by then. */
async function run(fault: { kind: string; pick: 'all' | 'one'; from?: object }, meanwhile: (injected: () => string[]) => Promise<void>): Promise<void> {
  const { pick, ...rest } = fault
  const parts: string[] = []
  const looks: Promise<void>[] = []
  const submitted = await scheduler.submit({
    apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'joining' }, lease: '15s', // a busy machine is not what is tried here
    faults: [{ ...rest, target: { pods: { namespace: subject.namespace, labels: { app: 'subject' }, pick } }, at: '0s', duration: '25s' }],
    gates: [{ name: 'prometheus-answers', phase: 'during', promql: { query: 'vector(1)', min: 1 } }],
    recovery: { within: '20s', stable: '1s' },
  })
  const facts = await scheduler.facts(submitted, ({ kind, fact }) => {
    if (kind !== 'fault.injected') return
    parts.push(...fact.data.targets.map(({ id }) => id))
    if (looks.length === 0) looks.push(meanwhile(() => parts))
  })
  await Promise.all(looks)
  const { verdict, reasons, faults } = judge(facts)
  assert.equal(verdict, 'passed', reasons.join('; '))
  // a part's own time runs from when it was there, a little later: the scheduler, for which the fault is over by then, may be the first to end it
  assert.ok(faults.every(({ id, verified, cause }) => verified && (cause === 'duration' || (id.includes('.') && cause === 'command'))), JSON.stringify(faults))
}

const idOf = ({ uid }: SubjectPod) => `pod:${uid}`

test('a pod that is born during a fault on all of its kind joins it, and is well again when the fault ends', async () => {
  const [first] = await subject.ready()
  assert.ok(first)
  let born: SubjectPod | undefined
  await run({ kind: 'network-drop', pick: 'all' }, async injected => {
    await inNamespace('scale', 'deployment/subject', '--replicas=2')
    await joined('a second pod that has joined', async () => {
      born = (await subject.pods()).find(({ uid }) => uid !== first.uid)
      return born !== undefined && injected().includes(idOf(born))
    })
    assert.ok(born)
    assert.deepEqual(await Promise.all([hear(first), hear(born)]), ['silence', 'silence'])
  })
  assert.ok(born)
  assert.deepEqual(await Promise.all([hearAgain(first), hearAgain(born)]), ['here', 'here'])
})

test('of two pods one is hit, and the other stays spared; the one that takes its place is hit instead', async () => {
  const pods = await subject.ready()
  assert.equal(pods.length, 2)
  await run({ kind: 'network-drop', pick: 'one' }, async injected => {
    const hit = pods.find(pod => injected().includes(idOf(pod)))
    const spared = pods.find(pod => pod !== hit)
    assert.ok(hit && spared)
    await delay(2_500) // two looks
    assert.deepEqual([injected(), await hearAgain(spared)], [[idOf(hit)], 'here'])
    await inNamespace('delete', 'pod', hit.name, '--grace-period=0', '--force')
    await joined('one that has joined', () => injected().length === 2)
    const [, next] = injected()
    const now = (await subject.pods()).find(pod => idOf(pod) === next)
    assert.ok(now)
    assert.equal(await hear(now), 'silence')
  })
  assert.deepEqual(await Promise.all((await subject.ready()).map(hearAgain)), ['here', 'here'])
})

test('who is born on the other side of a partition is cut off as well', async () => {
  const pods = await subject.ready()
  const [left] = pods
  const [former] = await client.ready()
  assert.ok(left && former)
  await run({ kind: 'network-partition', pick: 'all', from: { namespace: client.namespace, labels: { app: 'subject' } } }, async injected => {
    await joined('each of the pods, by its own agent', () => pods.every(pod => injected().includes(idOf(pod))))
    assert.equal(await hear(left), 'silence')
    const before = injected().length
    await kubectl(['--namespace', client.namespace, 'delete', 'pod', former.name, '--grace-period=0', '--force'])
    await client.ready()
    await joined('a part against the new one, on each target', () => injected().length >= 2 * before)
    assert.equal(await hear(left), 'silence')
  })
  assert.equal(await hearAgain(left), 'here')
})
