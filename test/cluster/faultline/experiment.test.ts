import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { StoredFact } from '#shared/events.ts'
import { judge } from '#shared/verdict.ts'
import { forwardScheduler, installed, type ForwardedScheduler } from './installed.ts'
import { startSubject, type Subject } from './subject.ts'

const owned = new AsyncDisposableStack()
let scheduler: ForwardedScheduler
let subject: Subject
before(async () => {
  await installed()
  scheduler = owned.use(await forwardScheduler())
  subject = owned.use(await startSubject({ namespace: 'faultline-test-subject', optedIn: true }))
})
after(() => owned.disposeAsync())

const experiment = (kind: string, namespace: string, more: object = {}) => ({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: kind }, lease: '15s', // a busy machine is not what is tried here
  faults: [{ kind, target: { pods: { namespace, labels: { app: 'subject' }, pick: 'all' } }, at: '1s', ...more }],
  gates: [{ name: 'agents-are-seen', phase: 'during', promql: { query: 'sum(up{job="injector"})', min: 1 } }],
  recovery: { within: '20s', stable: '1s' },
})

const of = <K extends StoredFact['kind']>(facts: readonly StoredFact[], kind: K) => facts.filter((stored): stored is Extract<StoredFact, { kind: K }> => stored.kind === kind)

for (const [kind, more] of Object.entries({ 'pod-pause': { duration: '3s' }, 'network-drop': { duration: '3s' }, 'pod-kill': {} })) {
  test(`${kind}: both pods are hit, seen to be hit, and well again; the run passes`, async () => {
    const pods = await subject.ready()
    const facts = await scheduler.facts(await scheduler.submit(experiment(kind, subject.namespace, more)))
    assert.deepEqual(of(facts, 'fault.refused').map(({ fact }) => fact.data.why), [])
    const injected = of(facts, 'fault.injected').map(({ fact }) => fact.data)
    assert.deepEqual(new Set(injected.flatMap(({ targets }) => targets.map(({ id }) => id))), new Set(pods.map(({ uid }) => `pod:${uid}`)))
    assert.ok(injected.every(({ verified }) => verified))
    assert.ok(of(facts, 'fault.reverted').every(({ fact }) => fact.data.verified))
    const judgement = judge(facts)
    assert.equal(judgement.verdict, 'passed', judgement.reasons.join('; '))
  })
}

test('a namespace that has not opted in is refused, and nothing in it is touched', async () => {
  await using closed = await startSubject({ namespace: 'faultline-test-closed', optedIn: false, replicas: 1 })
  const before = await closed.ready()
  for (const kind of ['pod-kill', 'pod-pause']) {
    const facts = await scheduler.facts(await scheduler.submit(experiment(kind, closed.namespace, kind === 'pod-kill' ? {} : { duration: '3s' })))
    assert.match(of(facts, 'run.aborting')[0]?.fact.data.detail ?? '', /has not opted in/)
    assert.equal(of(facts, 'fault.injected').length, 0)
    assert.equal(judge(facts).verdict, 'inconclusive')
  }
  assert.deepEqual(await closed.pods(), before)
})
