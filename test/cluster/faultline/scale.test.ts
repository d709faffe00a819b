import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { judge } from '#shared/verdict.ts'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { forwardScheduler, installed, type ForwardedScheduler } from './installed.ts'
import { demandSame, settle, takePicture } from './picture.ts'
import { startSubject, type Subject } from './subject.ts'

const owned = new AsyncDisposableStack()
let scheduler: ForwardedScheduler
let subject: Subject
before(async () => {
  await installed()
  scheduler = owned.use(await forwardScheduler())
  subject = owned.use(await startSubject({ namespace: 'faultline-test-scale', optedIn: true, replicas: 3 }))
})
after(() => owned.disposeAsync())

const inNamespace = (...args: string[]) => kubectl(['--namespace', subject.namespace, ...args])
const replicas = async () => Number(await inNamespace('get', 'deployment', 'subject', '--output', 'jsonpath={.spec.replicas}'))
const experiment = (fault: object) => ({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'scale' }, lease: '15s', faults: [fault], // a busy machine is not what is tried here
  gates: [{ name: 'prometheus-answers', phase: 'during', promql: { query: 'vector(1)', min: 1 } }], recovery: { within: '10s', stable: '1s' },
})
const scale = () => experiment({ kind: 'scale', target: { workload: { namespace: subject.namespace, kind: 'Deployment', name: 'subject' } }, replicas: 1, at: '1s', duration: '4s' })

test('a workload has another number of replicas for a while, then its own again', async () => {
  await subject.ready()
  await settle([subject.namespace])
  const picture = await takePicture([subject.namespace])
  const seen: Promise<number>[] = []
  const facts = await scheduler.facts(await scheduler.submit(scale()), ({ kind }) => { if (kind === 'fault.injected') seen.push(replicas()) })
  assert.deepEqual(await Promise.all(seen), [1])
  assert.equal(judge(facts).verdict, 'passed', judge(facts).reasons.join('; '))
  assert.equal(await replicas(), 3)
  await subject.ready()
  await demandSame(picture, [subject.namespace], 'new pods on any node')
})

test('what somebody else sets meanwhile stays', async () => {
  const changed: Promise<string>[] = []
  const facts = await scheduler.facts(await scheduler.submit(scale()), ({ kind }) => { if (kind === 'fault.injected') changed.push(inNamespace('scale', 'deployment', 'subject', '--replicas=2')) })
  await Promise.all(changed)
  assert.equal(await replicas(), 2)
  assert.match(facts.flatMap(({ kind, fact }) => kind === 'fault.reverted' ? fact.data.readBack : []).join(), /was set to 2 by somebody else meanwhile, which stays/)
})

test('a workload that an autoscaler scales is refused by its name; so are more targets than the blast radius, and a budget overdrawn', async () => {
  await subject.ready()
  await inNamespace('autoscale', 'deployment', 'subject', '--min=2', '--max=4', '--cpu-percent=50')
  const why = async (document: object) => {
    const facts = await scheduler.facts(await scheduler.submit(document))
    assert.equal(judge(facts).verdict, 'inconclusive')
    return facts.flatMap(({ kind, fact }) => kind === 'fault.refused' ? [fact.data.why] : kind === 'run.aborting' ? [fact.data.detail] : []).join()
  }
  assert.match(await why(scale()), /is scaled by the HorizontalPodAutoscaler subject/)
  await inNamespace('delete', 'hpa', 'subject')
  const kill = { kind: 'pod-kill', target: { pods: { namespace: subject.namespace, labels: { app: 'subject' }, pick: 'all' } }, at: '1s' }
  assert.match(await why({ ...experiment(kill), blastRadius: { maxShare: '50%' } }), /would hit 2 of 2 targets that match, and blastRadius.maxShare is 50%/)
  await inNamespace('create', 'poddisruptionbudget', 'subject', '--selector=app=subject', '--min-available=1')
  await inNamespace('wait', 'poddisruptionbudget/subject', '--for=jsonpath={.status.disruptionsAllowed}=1', '--timeout=90s')
  const before = await subject.pods()
  assert.match(await why(experiment(kill)), /the PodDisruptionBudget subject allows 1 more disruption now, and this would be 2/)
  assert.deepEqual(await subject.pods(), before)
})
