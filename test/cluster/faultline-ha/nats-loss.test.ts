import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { judge } from '#shared/verdict.ts'
import { install, uninstall, VariantFixed } from '../../../services/cli/install/install.ts'
import { forwardScheduler, images, inSystem, installed, variant, type ForwardedScheduler } from '../faultline/installed.ts'
import { startSubject, type Subject } from '../faultline/subject.ts'

/** FAULTLINE_TEST_VARIANT=ha: of one server there would be nothing left. */
assert.notEqual(variant, 'base')
const owned = new AsyncDisposableStack()
let scheduler: ForwardedScheduler
let subject: Subject
before(async () => {
  await uninstall({ patienceS: 120 }, () => undefined) // one server does not become three in place
  await installed()
  scheduler = owned.use(await forwardScheduler())
  subject = owned.use(await startSubject({ namespace: 'faultline-test-nats', optedIn: true, replicas: 1 }))
})
after(() => owned.disposeAsync())

for (const server of ['nats-0', 'nats-1', 'nats-2']) {
  test(`a run passes though ${server} is deleted by force in mid-fault, and every fact of it is there`, async () => {
    await subject.ready()
    await inSystem('rollout', 'status', 'statefulset/nats', '--timeout=90s')
    const deleted: Promise<string>[] = []
    const run = await scheduler.submit({
      apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'nats-loss' }, lease: '15s',
      faults: [{ kind: 'pod-pause', target: { pods: { namespace: subject.namespace, labels: { app: 'subject' } } }, at: '1s', duration: '12s' }],
      gates: [{ name: 'works-again', phase: 'recovery', promql: { query: 'vector(1)', min: 1 } }],
      recovery: { within: '30s', stable: '1s' },
    })
    const facts = await scheduler.facts(run, ({ kind }) => {
      if (kind === 'fault.injected') deleted.push(inSystem('delete', 'pod', server, '--force', '--grace-period=0'))
    })
    assert.equal((await Promise.all(deleted)).length, 1)
    const judgement = judge(facts)
    assert.equal(judgement.verdict, 'passed', judgement.reasons.join('; '))
  })
}

test('another variant is refused while this one is installed, and changes nothing', async () => {
  const replicas = () => inSystem('get', 'statefulset/nats', '--output', 'jsonpath={.spec.replicas}')
  const before = await replicas()
  await assert.rejects(install({ variant: 'base', ...images, patienceS: 5 }, () => undefined), VariantFixed)
  assert.equal(await replicas(), before)
})
