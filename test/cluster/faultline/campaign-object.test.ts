import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { until } from '../../parts/until.ts'
import { onSteadyMachine } from '../../parts/steady-machine.ts'
import { inSystem, installed } from './installed.ts'
import { startSubject, type Subject } from './subject.ts'

/** Campaigns as objects of Kubernetes, with nothing but kubectl. */
const owned = new AsyncDisposableStack()
let subject: Subject
const inNamespace = (...args: string[]) => kubectl(['--namespace', subject.namespace, ...args])
before(async () => {
  await installed()
  subject = owned.use(await startSubject({ namespace: 'faultline-test-campaigns', optedIn: true, replicas: 1 }))
})
after(() => owned.disposeAsync())

const pause = (duration: string, gate: object = {}, lease = '15s') => ({ // a busy machine is not what is tried here
  lease,
  faults: [{ kind: 'pod-pause', target: { pods: { namespace: subject.namespace, labels: { app: 'subject' } } }, at: '1s', duration }],
  gates: [{ name: 'prometheus-answers', phase: 'during', promql: { query: 'vector(1)', min: 1 }, ...gate }],
  recovery: { within: '5s', stable: '500ms' },
})
const step = (name: string, experiment: object, more: object = {}) => ({ kind: 'experiment', name, experiment, ...more })
const apply = (name: string, steps: object[]) => kubectl(['--namespace', subject.namespace, 'apply', '--filename', '-'], JSON.stringify({ apiVersion: 'faultline.dev/v1alpha1', kind: 'Campaign', metadata: { name }, steps }))

const statusSchema = z.object({ status: z.object({ verdict: z.string().optional(), reasons: z.array(z.string()), steps: z.array(z.object({ name: z.string(), verdict: z.string().optional(), experiments: z.array(z.string()) })) }) })
const statusOf = async (name: string) => statusSchema.parse(JSON.parse(await inNamespace('get', 'campaign', name, '--output', 'json'))).status
const experiments = async () => (await inNamespace('get', 'experiments', '--output', 'name')).trim().split('\n').filter(Boolean)

test('a Campaign runs its Experiments one after another, also when the schedulers are replaced meanwhile, and waits can be made for it to pass', async () => {
  await subject.ready()
  await apply('whole', [step('first', pause('2s')), step('twice', pause('1s'), { repeat: 2 })])
  await inNamespace('wait', 'experiment/whole-first', '--for=create', '--timeout=90s')
  await inSystem('rollout', 'restart', 'deployment/scheduler')
  await inNamespace('wait', 'campaign/whole', '--for=condition=Passed', '--timeout=150s')
  const { verdict, steps } = await statusOf('whole')
  assert.deepEqual([verdict, ...steps.map(({ name, verdict: its, experiments: made }) => `${name} ${its} ${made.join(' ')}`)], ['passed', 'first passed whole-first', 'twice passed whole-twice-1 whole-twice-2'])
  assert.match(await inNamespace('get', 'camp', 'whole', '--no-headers'), /^whole\s+passed\s+2 of 2\s/)
  await inNamespace('delete', 'campaign', 'whole')
  await until('its Experiments went with it', async () => (await experiments()).length === 0, 30_000)
})

test('a step that fails ends it, and says why', async () => {
  await apply('failing', [step('first', pause('1s', { promql: { query: 'vector(1)', min: 2 } })), step('second', pause('1s'))])
  await inNamespace('wait', 'campaign/failing', '--for=condition=Complete', '--timeout=120s')
  const { verdict, reasons } = await statusOf('failing')
  assert.equal(verdict, 'failed')
  assert.match(reasons.join('; '), /^first failed: failing-first: .*prometheus-answers.*; second was skipped: first failed$/)
  assert.deepEqual(await experiments(), ['experiment.faultline.dev/failing-first'])
})

test('one that only the whole check can refuse is told what is wrong, and makes nothing', async () => {
  await apply('refused', [step('first', pause('1s')), step('second', { ...pause('1s'), gates: [{ name: 'errors', errorRate: { max: '1%' }, source: 'stream' }] })])
  await inNamespace('wait', 'campaign/refused', '--for=condition=Complete', '--timeout=90s')
  assert.match((await statusOf('refused')).reasons.join('; '), /^the experiment of second: gates\[0\]\.source: expected prometheus/)
  assert.ok(!(await experiments()).some(name => name.includes('refused')))
})

test('deleted in mid-fault, its Experiment goes with it, and the fault ends within its lease and a second of that', () => onSteadyMachine(async () => {
  const [pod] = await subject.ready()
  assert.ok(pod)
  await apply('deleted', [step('first', pause('60s', {}, '3s'))])
  await inNamespace('wait', 'experiment/deleted-first', '--for=create', '--timeout=90s')
  await inNamespace('wait', 'experiment/deleted-first', '--for=jsonpath={.status.phase}=Hold', '--timeout=90s')
  const answered = subject.ask(pod)
  assert.equal(await Promise.race([answered, delay(500)]), undefined)
  await inNamespace('delete', 'campaign', 'deleted')
  await until('its Experiment is gone', async () => !(await experiments()).some(name => name.includes('deleted')), 30_000) // by Kubernetes' garbage collector
  const goneAt = performance.now()
  await answered
  console.log(`the pause ended ${Math.round(performance.now() - goneAt)} ms after the Experiment was gone`)
  assert.ok(performance.now() - goneAt < 4_000)
}))
