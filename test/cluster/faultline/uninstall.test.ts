import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { uninstall } from '../../../services/cli/install/install.ts'
import { forwardScheduler, installed } from './installed.ts'
import { startSubject, type Subject } from './subject.ts'

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

test('an uninstall in mid-fault ends the fault, and leaves nothing of faultline in the API; a second one finds nothing to do', async () => {
  const [pod] = await subject.ready()
  assert.ok(pod)
  const paused = Promise.withResolvers<void>()
  const scheduler = await forwardScheduler()
  const run = await scheduler.submit({
    apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'uninstalled' }, lease: '60s',
    faults: [{ kind: 'pod-pause', target: { pods: { namespace: subject.namespace, labels: { app: 'subject' } } }, at: '1s', duration: '60s' }],
    gates: [{ name: 'prometheus-answers', phase: 'during', promql: { query: 'vector(1)', min: 1 } }],
    recovery: { within: '5s', stable: '1s' },
  })
  void scheduler.facts(run, ({ kind }) => { if (kind === 'fault.injected') paused.resolve() }).catch(() => undefined) // it ends with the scheduler
  await paused.promise
  const answered = subject.ask(pod)
  assert.equal(await Promise.race([answered, delay(500)]), undefined)
  const beganAt = performance.now()
  const [endedMs] = await Promise.all([answered.then(() => performance.now() - beganAt), uninstall({ patienceS: 120 }, () => undefined)])
  console.log(`the pause ended ${Math.round(endedMs)} ms after the uninstall began`)
  assert.ok(endedMs < 10_000)
  const left = await kubectl(['get', 'namespaces,clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings', '--output', 'name'])
  assert.deepEqual(left.split('\n').filter(name => /\/faultline/.test(name) && !name.startsWith('namespace/faultline-test-')), [])
  await uninstall({ patienceS: 30 }, () => undefined)
  await scheduler[Symbol.asyncDispose]()
})
