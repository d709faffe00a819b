import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { z } from 'zod'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { until } from '../../parts/until.ts'
import { inSystem, installed } from './installed.ts'
import { startSubject, type Subject } from './subject.ts'

/** Policies as objects of Kubernetes, with nothing but kubectl. */
const owned = new AsyncDisposableStack()
let subject: Subject
const inNamespace = (...args: string[]) => kubectl(['--namespace', subject.namespace, ...args])
before(async () => {
  await installed()
  subject = owned.use(await startSubject({ namespace: 'faultline-test-policies', optedIn: true, replicas: 2 }))
})
after(() => owned.disposeAsync())

/** A pause of one pod some twenty times a minute, were it not for those under way. */
const policy = (name: string, more: object = {}, gate: object = {}) => ({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Policy', metadata: { name }, scope: { namespaces: [subject.namespace] }, rate: { mean: 1_200, per: 'hour' },
  budgets: [{ slo: 'whole', remaining: 'vector(1)', share: '100%', settle: '0s' }],
  templates: [{ name: 'pause', experiment: {
    lease: '15s', faults: [{ kind: 'pod-pause', target: { pods: { namespace: subject.namespace, labels: { app: 'subject' } } }, at: '1s', duration: '2s' }],
    gates: [{ name: 'prometheus-answers', phase: 'during', promql: { query: 'vector(1)', min: 1 }, ...gate }], recovery: { within: '5s', stable: '500ms' },
  } }],
  ...more,
})
const apply = (object: object, ...args: string[]) => kubectl(['--namespace', subject.namespace, 'apply', '--filename', '-', ...args], JSON.stringify(object))
const statusSchema = z.object({ status: z.object({
  observedGeneration: z.number(), state: z.string(), reason: z.string().optional(), lastRun: z.string().optional(), lastVerdict: z.string().optional(),
  conditions: z.array(z.object({ type: z.string(), status: z.string(), message: z.string() })),
}).optional() })
const statusOf = async (name: string) => statusSchema.parse(JSON.parse(await inNamespace('get', 'policy', name, '--output', 'json'))).status

test('a Policy runs its experiments while it is there, also when the schedulers are replaced, and no longer', async () => {
  await subject.ready()
  await apply(policy('steady'))
  await inNamespace('wait', 'policy/steady', '--for=jsonpath={.status.lastVerdict}=passed', '--timeout=90s')
  assert.match(await inNamespace('get', 'pol', 'steady', '--no-headers'), /^steady\s+(?:active|waiting)\s/)
  await inSystem('rollout', 'restart', 'deployment/scheduler')
  await inSystem('rollout', 'status', 'deployment/scheduler', '--timeout=90s')
  const before = (await statusOf('steady'))?.lastRun
  await until('another run is begun', async () => { const run = (await statusOf('steady'))?.lastRun; return run !== undefined && run !== before }, 90_000, { lookMs: 500 })
  await inNamespace('delete', 'policy', 'steady')
})

test('one with a run that fails pauses', async () => {
  await apply(policy('failing', {}, { promql: { query: 'vector(1)', min: 2 } }))
  await inNamespace('wait', 'policy/failing', '--for=jsonpath={.status.state}=paused', '--timeout=90s')
  assert.match((await statusOf('failing'))?.reason ?? '', /^failing-[0-9a-f]{8}-pause-\S+ \(pause\) was failed$/)
  await inNamespace('delete', 'policy', 'failing')
})

test('one that only the whole check can refuse is told what is wrong', async () => {
  await apply(policy('elsewhere', { scope: { namespaces: ['other'] } }))
  await inNamespace('wait', 'policy/elsewhere', '--for=condition=Accepted=False', '--timeout=90s')
  assert.match((await statusOf('elsewhere'))?.conditions[0]?.message ?? '', /templates\[0\]\.experiment\.faults\[0\]\.target: expected a namespace of the policy's scope: other/)
  await assert.rejects(apply(policy('wrong', { rate: { mean: 1, per: 'year' } })), /rate\.per/)
})
