import assert from 'node:assert/strict'
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { CustomObjectsApi, KubeConfig } from '@kubernetes/client-node'
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { inSystem, installed } from './installed.ts'
import { until } from '../../parts/until.ts'
import { startSubject, type Subject } from './subject.ts'

/** Experiments as objects of Kubernetes, with nothing but kubectl. */
const leaseMs = 3_000
const owned = new AsyncDisposableStack()
let subject: Subject
const inNamespace = (...args: string[]) => kubectl(['--namespace', subject.namespace, ...args])
before(async () => {
  await installed()
  subject = owned.use(await startSubject({ namespace: 'faultline-test-objects', optedIn: true, replicas: 1 }))
})
after(() => owned.disposeAsync())

const experiment = (name: string, more: object = {}, duration = '3s') => ({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name }, lease: `${leaseMs}ms`,
  faults: [{ kind: 'pod-pause', target: { pods: { namespace: subject.namespace, labels: { app: 'subject' } } }, at: '1s', duration }],
  gates: [{ name: 'prometheus-answers', phase: 'during', promql: { query: 'vector(1)', min: 1 } }],
  recovery: { within: '5s', stable: '500ms' },
  ...more,
})
const apply = (object: object, ...args: string[]) => kubectl(['--namespace', subject.namespace, 'apply', '--filename', '-', ...args], JSON.stringify(object))
const wait = (name: string, condition: string) => inNamespace('wait', `experiment/${name}`, `--for=condition=${condition}`, '--timeout=120s')

const statusSchema = z.object({ status: z.object({
  runId: z.string().optional(), phase: z.string(), verdict: z.string().optional(), reasons: z.array(z.string()),
  conditions: z.array(z.object({ type: z.string(), status: z.string(), reason: z.string(), message: z.string() })),
}) })
const statusOf = async (name: string) => statusSchema.parse(JSON.parse(await inNamespace('get', 'experiment', name, '--output', 'json'))).status
const eventsOn = async (kind: string, name: string) => (await inNamespace('get', 'events', '--field-selector', `involvedObject.kind=${kind},involvedObject.name=${name}`, '--output', 'go-template={{range .items}}{{.reason}}\n{{end}}')).trim().split('\n').sort()

/** Resolves when the pod is paused by the run of this object. */
async function paused(name: string): Promise<void> {
  await inNamespace('wait', `experiment/${name}`, '--for=jsonpath={.status.phase}=Hold', '--timeout=90s')
}

test('an Experiment is run once, waits can be made for it to pass, and Events tell of its fault where it was', async () => {
  const [pod] = await subject.ready()
  assert.ok(pod)
  const asWritten = { description: 'the same file as for the command', lease: '15s' } // a busy machine is not what is tried here
  await apply(experiment('passes', asWritten))
  await wait('passes', 'Passed')
  await wait('passes', 'Complete')
  const { runId, phase, verdict } = await statusOf('passes')
  assert.deepEqual([phase, verdict], ['Judged', 'passed'])
  assert.match(runId ?? '', /^passes-[0-9a-f]{8}-[0-9a-f]{4}-1$/)
  assert.match(await inNamespace('get', 'exp', 'passes', '--no-headers'), /^passes\s+passed\s+Judged\s/)
  await until('all its Events are there', async () => (await eventsOn('Experiment', 'passes')).join() === 'FaultInjected,FaultReverted,RunJudged,RunSubmitted', 60_000, { lookMs: 200 })
  let onPod: string[] = []
  const areOnPod = async () => {
    onPod = await eventsOn('Pod', pod.name)
    return ['FaultInjected', 'FaultReverted'].every(reason => onPod.includes(reason))
  }
  await until('those of its fault are on the pod', areOnPod, 60_000, { lookMs: 200, now: () => onPod.join() })

  await apply({ ...experiment('passes', asWritten), metadata: { name: 'passes', labels: { changed: 'yes' } } }) // labels are no new generation
  await inSystem('rollout', 'restart', 'deployment/scheduler')
  await inSystem('rollout', 'status', 'deployment/scheduler', '--timeout=90s')
  await delay(2_000) // the new leader looks every second
  assert.equal((await statusOf('passes')).runId, runId)
  assert.equal((await eventsOn('Experiment', 'passes')).filter(reason => reason === 'RunSubmitted').length, 1)
})

test('one that only the whole check can refuse is told what is wrong, is complete, and has not passed', async () => {
  await apply(experiment('refused', { gates: [{ name: 'errors', errorRate: { max: '1%' }, source: 'stream' }] }))
  await wait('refused', 'Complete')
  const { phase, conditions, runId } = await statusOf('refused')
  assert.deepEqual([phase, runId, conditions.find(({ type }) => type === 'Accepted')?.status], ['Refused', undefined, 'False'])
  assert.match(conditions.find(({ type }) => type === 'Passed')?.message ?? '', /^gates\[0\]\.source: expected prometheus/)
})

test('deleting it in mid-fault aborts its run, and the abort ends the fault before its lease would', async () => {
  const [pod] = await subject.ready()
  assert.ok(pod)
  await apply(experiment('deleted', {}, '60s'))
  await paused('deleted')
  const answered = subject.ask(pod)
  assert.equal(await Promise.race([answered, delay(500)]), undefined)
  const beganAt = performance.now()
  await Promise.all([answered, inNamespace('delete', 'experiment', 'deleted')])
  const tookMs = performance.now() - beganAt
  console.log(`the pause ended ${Math.round(tookMs)} ms after the deletion was asked for`)
  await until('the Event of its revert is there', async () => /ended by abort/.test(await inNamespace('get', 'events', '--field-selector', `involvedObject.uid=${pod.uid}`, '--output', 'jsonpath={.items[*].message}')), 60_000) // and not by its lease
})

test('deleting it while there is no scheduler hangs on nothing, and the fault ends with its lease', async () => {
  const [pod] = await subject.ready()
  assert.ok(pod)
  await apply(experiment('alone', {}, '60s'))
  await paused('alone')
  const answered = subject.ask(pod)
  const beganAt = performance.now()
  await inSystem('scale', 'deployment/scheduler', '--replicas=0')
  await inSystem('delete', 'pods', '--selector', 'app.kubernetes.io/name=scheduler', '--force', '--grace-period=0')
  const deletingAt = performance.now()
  await inNamespace('delete', 'experiment', 'alone', '--timeout=30s')
  const deletedMs = performance.now() - deletingAt
  await answered
  const endedMs = performance.now() - beganAt
  console.log(`without a scheduler, the deletion took ${Math.round(deletedMs)} ms, and the pause ended ${Math.round(endedMs)} ms after the schedulers were taken away`)
  assert.ok(deletedMs < 20_000)
  await installed()
  await inSystem('rollout', 'status', 'deployment/scheduler', '--timeout=90s')
})

const filesIn = (folder: string) => {
  const path = fileURLToPath(new URL(`../../../${folder}/`, import.meta.url))
  return globSync(`${path}/**/*.yaml`).sort()
}
const asks = (file: string) => kubectl(['--namespace', subject.namespace, 'apply', '--dry-run=server', '--filename', file])

test('the API server takes every example, and every valid file of the corpus', async () => {
  for (const file of [...filesIn('k8s/experiments'), ...filesIn('test/corpus/experiments/valid')]) assert.match(await asks(file), /created \(server dry run\)/, file)
})

const golden = new URL('golden/accepted-by-the-server.txt', import.meta.url)

test('of the invalid files of the corpus that are YAML at all, the API server refuses all but those that are listed', async () => {
  const cluster = new KubeConfig()
  cluster.loadFromDefault()
  const api = cluster.makeApiClient(CustomObjectsApi)
  const accepted: string[] = []
  for (const file of filesIn('test/corpus/experiments/invalid')) {
    const documents = parseAllDocuments(readFileSync(file, 'utf8'), { logLevel: 'silent' })
    if (!Array.isArray(documents) || documents.some(({ errors }) => errors.length > 0)) continue // kubectl reads no more of it than the command
    const objects = documents.flatMap(document => {
      try {
        return [document.toJS() as unknown]
      } catch {
        return []
      }
    })
    const answers = await Promise.all(objects.map(body => api.createNamespacedCustomObject({
      group: 'faultline.dev', version: 'v1alpha1', plural: 'experiments', namespace: subject.namespace, body, dryRun: 'All', fieldValidation: 'Strict',
    }).then(() => true, () => false)))
    if (answers.length > 0 && answers.every(Boolean)) accepted.push(basename(file))
  }
  if (process.env['REWRITE']) writeFileSync(golden, accepted.map(file => `${file}\n`).join('')) // then read the diff
  assert.deepEqual(accepted, readFileSync(golden, 'utf8').trim().split('\n'))
})

test('what kubectl has applied is what was written: nothing is pruned, nothing is filled in', async () => {
  const [document] = parseAllDocuments(readFileSync(new URL('../../corpus/experiments/valid/issue.yaml', import.meta.url), 'utf8')).map(parsed => parsed.toJS() as Record<string, unknown>)
  const stored = JSON.parse(await apply(document ?? {}, '--dry-run=server', '--output', 'json')) as Record<string, unknown>
  const { metadata, status: _, ...rest } = stored
  const { metadata: written, ...asWritten } = document ?? {}
  assert.deepEqual(rest, asWritten)
  assert.equal(z.object({ name: z.string() }).parse(metadata).name, z.object({ name: z.string() }).parse(written).name)
})
