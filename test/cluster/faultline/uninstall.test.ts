import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { uninstall } from '../../../services/cli/install/install.ts'
import { namespace as system } from '../../../services/cli/install/secret.ts'
import { until } from '../../parts/until.ts'
import { forwardScheduler, installed } from './installed.ts'
import { startSubject, type Subject } from './subject.ts'

const owned = new AsyncDisposableStack()
let subject: Subject
before(async () => {
  await installed()
  subject = owned.use(await startSubject({ namespace: 'faultline-test-uninstall', optedIn: true, replicas: 1 }))
})
after(() => owned.disposeAsync())

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
  }).then(() => all.reject(new Error(`${run} was judged with only ${[...there].join(', ') || 'nothing'} there`)), () => undefined) // it ends with the scheduler
  await all.promise
  return scheduler
}

const replicas = () => kubectl(['--namespace', subject.namespace, 'get', 'deployment', 'subject', '--output', 'jsonpath={.spec.replicas}'])

/**
 * What is still there of the three faults; nothing, when the Deployment has its one pod again and that one answers. It need not be the first one:
 * of two pods that are not ready, either may be the one to go.
 */
async function left(): Promise<string[]> {
  const pods = await subject.pods()
  const silent = (await Promise.all(pods.map(async pod => await subject.answers(pod) ? [] : [`${pod.name} is silent`]))).flat()
  const scaled = await replicas()
  return [...(scaled === '1' ? [] : [`the Deployment has ${scaled} replicas`]), ...(pods.length === 1 ? [] : [`there are ${pods.length} pods`]), ...silent]
}

/** How long it took until nothing is left; fails with what is there when time is over. */
function allEnded(withinMs: number): Promise<number> {
  let still: string[] = []
  return until('nothing is left', async () => (still = await left()).length === 0, withinMs, { lookMs: 100, now: () => still.join(', ') })
}

const ways: readonly { what: string; remove: () => Promise<unknown> }[] = [
  { what: 'the namespace alone is deleted', remove: () => kubectl(['delete', 'namespace', system, '--timeout=120s']) },
  { what: 'an uninstall', remove: () => uninstall({ patienceS: 120 }, () => undefined) },
]
for (const { what, remove } of ways) {
  test(`${what} in mid-fault: each of three faults ends, whoever ends it`, async () => {
    await installed()
    await subject.ready()
    await using _ = await threeFaults()
    assert.equal(await replicas(), '2')
    await assert.rejects(allEnded(1_500), /2 replicas.*silent/)
    const beganAt = performance.now()
    const [afterMs, removedMs] = await Promise.all([allEnded(30_000), remove().then(() => performance.now() - beganAt)])
    assert.ok(afterMs < removedMs + 5_000, 'a fault was there although faultline was gone') // a look takes a while, too
    console.log(`${what}: the last fault ended ${Math.round(afterMs)} ms later`)
    assert.ok(afterMs < 30_000, 'its lease is a minute')
  })
}

test('an uninstall leaves nothing of faultline in the API; another one finds nothing to do', async () => {
  const left = await kubectl(['get', 'namespaces,clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings,customresourcedefinitions', '--output', 'name'])
  assert.deepEqual(left.split('\n').filter(name => /faultline/.test(name) && !name.startsWith('namespace/faultline-test-')), [])
  await uninstall({ patienceS: 30 }, () => undefined)
})
