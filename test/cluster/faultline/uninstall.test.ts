import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { uninstall } from '../../../services/cli/install/install.ts'
import { namespace as system } from '../../../services/cli/install/secret.ts'
import { forwardScheduler, installed } from './installed.ts'
import { startSubject, type Subject, type SubjectPod } from './subject.ts'

const owned = new AsyncDisposableStack()
let subject: Subject
before(async () => {
  await installed()
  subject = owned.use(await startSubject({ namespace: 'faultline-test-uninstall', optedIn: true, replicas: 1 }))
})
after(async () => {
  await owned.disposeAsync()
  await installed() // as the other tests find it
})

/** Faults that are ended by a reverter, by the kernel, and by the restorers; resolves when all are there. */
async function threeFaults(): Promise<AsyncDisposable> {
  const scheduler = await forwardScheduler()
  const all = Promise.withResolvers<void>()
  const pods = { pods: { namespace: subject.namespace, labels: { app: 'subject' } } }
  const run = await scheduler.submit({
    apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'uninstalled' }, lease: '60s', blastRadius: { disruptionBudgets: 'ignore' },
    faults: [
      { kind: 'scale', target: { workload: { namespace: subject.namespace, kind: 'Deployment', name: 'subject' } }, replicas: 2 },
      { kind: 'network-drop', target: pods },
      { kind: 'pod-pause', target: pods },
    ].map(fault => ({ ...fault, at: '1s', duration: '120s' })),
    gates: [{ name: 'prometheus-answers', phase: 'during', promql: { query: 'vector(1)', min: 1 } }],
    recovery: { within: '5s', stable: '1s' },
  })
  const there = new Set<string>()
  void scheduler.facts(run, ({ kind, fact }) => {
    if (kind === 'fault.injected') there.add(fact.data.fault)
    if (there.size === 3) all.resolve()
  }).catch(() => undefined) // it ends with the scheduler
  await all.promise
  return scheduler
}

const replicas = () => kubectl(['--namespace', subject.namespace, 'get', 'deployment', 'subject', '--output', 'jsonpath={.spec.replicas}'])

async function allEnded(pod: SubjectPod): Promise<void> {
  while (!await subject.answers(pod) || await replicas() !== '1') await delay(100)
}

const ways: readonly { what: string; remove: () => Promise<unknown> }[] = [
  { what: 'the namespace alone is deleted', remove: () => kubectl(['delete', 'namespace', system, '--timeout=120s']) },
  { what: 'an uninstall', remove: () => uninstall({ patienceS: 120 }, () => undefined) },
]
for (const { what, remove } of ways) {
  test(`${what} in mid-fault: each of three faults ends, whoever ends it`, async () => {
    await installed()
    const [pod] = await subject.ready()
    assert.ok(pod)
    await using _ = await threeFaults()
    assert.equal(await replicas(), '2')
    assert.equal(await Promise.race([allEnded(pod), delay(1_500, 'still there')]), 'still there')
    const beganAt = performance.now()
    const ended = allEnded(pod).then(() => performance.now() - beganAt)
    await remove()
    const endedMs = await Promise.race([ended, delay(1_000, undefined)])
    assert.ok(endedMs !== undefined, 'a fault is there although faultline is gone')
    console.log(`${what}: the last fault ended ${Math.round(endedMs)} ms later`)
    assert.ok(endedMs < 10_000)
  })
}

test('an uninstall leaves nothing of faultline in the API; another one finds nothing to do', async () => {
  const left = await kubectl(['get', 'namespaces,clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings,customresourcedefinitions', '--output', 'name'])
  assert.deepEqual(left.split('\n').filter(name => /faultline/.test(name) && !name.startsWith('namespace/faultline-test-')), [])
  await uninstall({ patienceS: 30 }, () => undefined)
})
