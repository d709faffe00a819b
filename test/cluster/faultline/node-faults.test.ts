import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { readConfig } from '#shared/config.ts'
import type { StoredFact } from '#shared/events.ts'
import { judge } from '#shared/verdict.ts'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { configuredPower } from '../../../services/injector/cluster/power.ts'
import { onSteadyMachine } from '../../parts/steady-machine.ts'
import { until } from '../../parts/until.ts'
import { forwardScheduler, inSystem, installed, type ForwardedScheduler } from './installed.ts'
import { demandSame, settle, takePicture } from './picture.ts'
import { hear as hearFrom, hearAtLast, startSubject, type Subject, type SubjectPod } from './subject.ts'
import { controlNodes, kill, killLater, podsOf } from './system-pods.ts'

const leaseMs = 3_000
const optIn = 'faultline.dev/chaos'
const owned = new AsyncDisposableStack()
let scheduler: ForwardedScheduler
let subject: Subject

before(async () => {
  await installed()
  scheduler = owned.use(await forwardScheduler())
  subject = owned.use(await startSubject({ namespace: 'faultline-test-nodes', optedIn: true, replicas: 3 }))
  await kubectl(['label', 'nodes', '--all', `${optIn}=allowed`, '--overwrite'])
})
after(async () => {
  await kubectl(['label', 'nodes', '--all', `${optIn}-`])
  await owned.disposeAsync()
})

const experiment = (kind: string, durationS: number, more: object = {}) => ({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: kind }, lease: `${leaseMs}ms`,
  faults: [{ kind, target: { nodes: { running: { namespace: subject.namespace, labels: { app: 'subject' } } } }, at: '1s', duration: `${durationS}s`, ...more }],
  gates: [{ name: 'prometheus-answers', phase: 'during', promql: { query: 'vector(1)', min: 1 } }],
  recovery: { within: '20s', stable: '1s' },
})

type Injected = Extract<StoredFact, { kind: 'fault.injected' }>['fact']['data']

/** Runs it to its verdict; `whileThere` begins when the fault is there, with its node. */
async function run(document: object, whileThere: (node: string, injected: Injected) => Promise<void>): Promise<StoredFact[]> {
  const looks: Promise<void>[] = []
  const facts = await scheduler.facts(await scheduler.submit({ ...document, lease: '15s' }), stored => { // a busy machine is not what is tried here
    if (stored.kind === 'fault.injected') looks.push(whileThere(nodeOf(stored.fact.data), stored.fact.data))
  })
  assert.deepEqual(facts.flatMap(({ kind, fact }) => kind === 'fault.refused' ? [fact.data.why] : kind === 'run.aborting' ? [fact.data.detail] : []), [])
  assert.equal(looks.length, 1)
  await Promise.all(looks)
  return facts
}

function nodeOf({ targets: [target] }: Injected): string {
  assert.ok(target && 'node' in target)
  return target.node.name
}

const isCordoned = async (node: string) => (await kubectl(['get', 'node', node, '--output', 'jsonpath={.spec.unschedulable}'])) === 'true'
const marksOf = (node: string) => kubectl(['get', 'node', node, '--output', 'jsonpath={.metadata.annotations.faultline\\.dev/cordoned-by}'])
const isReady = async (node: string) => (await kubectl(['get', 'node', node, '--output', 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'])) === 'True'
const podsOn = async (node: string): Promise<SubjectPod[]> => (await subject.pods()).filter(pod => pod.node === node)

/** Again, after the drains. */
async function spread(): Promise<void> {
  await kubectl(['--namespace', subject.namespace, 'rollout', 'restart', 'deployment/subject'])
  await kubectl(['--namespace', subject.namespace, 'rollout', 'status', 'deployment/subject', '--timeout=90s'])
}

const power = configuredPower(readConfig())
async function powerOf(node: string): Promise<string> {
  assert.ok(power)
  const answer = await fetch(`${power.url}/nodes/${node}/power`, { headers: { authorization: `Bearer ${power.token}` } })
  return z.looseObject({ state: z.string() }).parse(await answer.json()).state
}

/**
 * Waits for faultline's pods on a node that has been without power since (Unix epoch, milliseconds): until its kubelet has started them again, the API may have
 * them as they were.
 */
async function startedAgain(node: string, sinceMs: number): Promise<void> {
  let seen = ''
  await until(`${node}'s agent and prober are started again`, async () => {
    seen = (await inSystem('get', 'pods', '--selector', 'app.kubernetes.io/name in (injector, prober)', '--field-selector', `spec.nodeName=${node}`,
      '--output', 'go-template={{range .items}}{{range .status.containerStatuses}}{{.ready}} {{with .state.running}}{{.startedAt}}{{end}}\n{{end}}{{end}}')).trim()
    const pods = seen.split('\n').map(line => line.split(' '))
    return pods.length === 2 && pods.every(([ready, startedAt = '']) => ready === 'true' && Date.parse(startedAt) + 1_000 > sinceMs) // it is told in whole seconds
  }, 90_000, { lookMs: 300, now: () => seen })
}

function confirmEnded(facts: readonly StoredFact[], causes: string[]): void {
  const reverted = facts.flatMap(({ kind, fact }) => kind === 'fault.reverted' ? [fact.data] : [])
  assert.deepEqual(reverted.map(({ cause, verified }) => [cause, verified]), causes.map(cause => [cause, true]), JSON.stringify(reverted))
}

test('a drained node is cordoned and its pod goes elsewhere; then it is as before', async () => {
  await subject.ready()
  await settle([subject.namespace])
  const picture = await takePicture([subject.namespace])
  const facts = await run(experiment('node-drain', 10), async (node, { verified }) => {
    assert.ok(verified)
    assert.ok(await isCordoned(node))
    assert.deepEqual(await podsOn(node), [])
    assert.equal((await subject.ready()).length, 3)
  })
  confirmEnded(facts, ['duration'])
  const [node = ''] = facts.flatMap(({ kind, fact }) => kind === 'fault.injected' ? [nodeOf(fact.data)] : [])
  assert.deepEqual([await isCordoned(node), await marksOf(node)], [false, ''])
  await demandSame(picture, [subject.namespace], 'new pods on any node')
  assert.equal(judge(facts).verdict, 'passed', judge(facts).reasons.join('; '))
})

test('a cordon ends within its lease and a second when its agent is dead to all signals and its pod deleted by force, with none in its place', () => onSteadyMachine(async () => {
  await subject.ready()
  const agent = (await inSystem('get', 'pods', '--selector', 'app.kubernetes.io/name=cluster-agent', '--output', 'name')).trim()
  const home = await inSystem('get', agent, '--output', 'jsonpath={.spec.nodeName}')
  const beside = (await inSystem('get', 'pods', '--selector', 'app.kubernetes.io/name=injector', '--field-selector', `spec.nodeName=${home}`, '--output', 'name')).trim()
  await using takenAway = new AsyncDisposableStack()
  takenAway.defer(installed)
  for (const owner of ['deployments', 'replicasets']) await inSystem('delete', owner, '--selector', 'app.kubernetes.io/name=cluster-agent', '--cascade=orphan') // nobody replaces it
  const { injected, judged } = await scheduler.hold(experiment('node-drain', 60))
  const node = nodeOf(injected)
  await delay(2_000) // renewed by now
  assert.ok(await isCordoned(node))
  await inSystem('exec', beside, '--', 'sh', '-c', 'for c in $(grep -lsz "^services/injector/main.ts$" /proc/[0-9]*/cmdline); do p=${c%/cmdline}; grep -q "^Uid:.65532" $p/status && kill -STOP ${p#/proc/}; done; true')
  const beganAt = performance.now()
  await inSystem('delete', agent, '--force', '--grace-period=0')
  while (await isCordoned(node)) await delay(50)
  const tookMs = performance.now() - beganAt
  console.log(`the cordon ended ${Math.round(tookMs)} ms after the agent's last breath`)
  assert.equal(await marksOf(node), '')
  await takenAway.disposeAsync()
  const facts = await judged
  assert.ok(tookMs < leaseMs + 1_000, `it took ${Math.round(tookMs)} ms`)
  confirmEnded(facts, ['lease']) // the next agent tells what the restorer did
  assert.equal(judge(facts).verdict, 'inconclusive')
  assert.equal((await inSystem('get', 'leases', '--selector', 'faultline.dev/record', '--output', 'name')).trim(), '')
}))

test('an isolated node is silent to the others while its agent is heard; then it comes back by itself', async () => {
  const hear = (asking: SubjectPod, address: string) => hearFrom({ namespace: subject.namespace, pod: asking.name }, address)
  await spread()
  const pods = await subject.pods()
  await settle([subject.namespace])
  const picture = await takePicture([subject.namespace])
  const addresses = new Map(await Promise.all(pods.map(async ({ name }) => [name, await kubectl(['--namespace', subject.namespace, 'get', 'pod', name, '--output', 'jsonpath={.status.podIP}'])] as const)))
  let cut: SubjectPod | undefined
  let other: SubjectPod | undefined
  let address = ''
  const facts = await run(experiment('node-isolate', 12), async node => {
    cut = pods.find(pod => pod.node === node)
    other = pods.find(pod => pod.node !== node)
    assert.ok(cut && other)
    address = addresses.get(cut.name) ?? ''
    assert.equal(await hear(other, address), 'silence')
  })
  confirmEnded(facts, ['duration']) // told by the agent of the isolated node
  assert.ok(cut && other)
  assert.equal(await hearAtLast({ namespace: subject.namespace, pod: other.name }, address), 'here')
  await demandSame(picture, [subject.namespace], 'nothing')
  assert.equal(judge(facts).verdict, 'passed', judge(facts).reasons.join('; '))
})

test('the agent of an isolated node is killed there: the kernel ends the isolation within its lease and a second', () => onSteadyMachine(async () => {
  await spread()
  const [pods, control] = [await subject.pods(), await controlNodes()]
  const cut = pods.find(({ node }) => !control.has(node))
  const agent = (await podsOf('injector')).find(({ node }) => node === cut?.node)
  assert.ok(cut && agent)
  const killAfterS = 12
  const killAt = performance.now() + killAfterS * 1_000
  await killLater(agent, killAfterS) // on an isolated node nobody can be asked to
  const document = { ...experiment('node-isolate', 60), faults: [{ kind: 'node-isolate', target: { nodes: { name: cut.node } }, at: '1s', duration: '60s' }] }
  const { judged } = await scheduler.hold(document)
  const wasSilent = !await subject.answers(cut)
  const seenAt = performance.now()
  while (!await subject.answers(cut)) await delay(50)
  const endedMs = performance.now() - killAt
  console.log(`the isolation ended ${Math.round(endedMs)} ms after its agent`)
  assert.equal(judge(await judged).verdict, 'inconclusive')
  assert.ok(seenAt < killAt, 'it was isolated too late')
  assert.ok(wasSilent)
  assert.ok(endedMs > 0 && endedMs < leaseMs + 1_000, `${Math.round(endedMs)} ms`)
}))

test('a node loses its power, and has it back and is ready after its time', { skip: power === undefined && 'needs a power service' }, async () => {
  await subject.ready()
  await settle([subject.namespace])
  const picture = await takePicture([subject.namespace])
  const wasReady: boolean[] = []
  const facts = await run(experiment('node-power', 16), async (node, { verified, readBack }) => {
    assert.ok(verified, readBack.join('; '))
    const givenUpAt = performance.now() + 14_000
    while (await isReady(node) && performance.now() < givenUpAt) await delay(200)
    wasReady.push(await isReady(node))
  })
  assert.deepEqual(wasReady, [false])
  const [injected] = facts.flatMap(({ kind, fact }) => kind === 'fault.injected' ? [fact.data] : [])
  assert.ok(injected)
  const node = nodeOf(injected)
  confirmEnded(facts, ['duration'])
  assert.ok(await isReady(node))
  assert.equal(judge(facts).verdict, 'passed', judge(facts).reasons.join('; '))
  await startedAgain(node, injected.injectedAtMs)
  await subject.ready()
  await demandSame(picture, [subject.namespace], 'new pods on any node')
})

test('the API-side agent is killed while a node is without power: it has it back within its lease and a second', { skip: power === undefined && 'needs a power service' }, () => onSteadyMachine(async () => {
  await subject.ready()
  const { injected, judged } = await scheduler.hold(experiment('node-power', 25))
  const node = nodeOf(injected)
  assert.equal(await powerOf(node), 'off')
  for (const agent of await podsOf('cluster-agent')) await kill(agent)
  const killedAt = performance.now()
  while (await powerOf(node) === 'off') await delay(50)
  const endedMs = performance.now() - killedAt
  console.log(`the power came back ${Math.round(endedMs)} ms after the agent's end`)
  assert.equal(judge(await judged).verdict, 'inconclusive')
  await until(`${node} has its power`, async () => await powerOf(node) === 'on', 120_000, { lookMs: 300 })
  await startedAgain(node, injected.injectedAtMs)
  await inSystem('rollout', 'status', 'deployment/cluster-agent', '--timeout=90s')
  assert.ok(endedMs < leaseMs + 1_000, `${Math.round(endedMs)} ms`)
}))

test('a node that carries faultline\'s control pods, and one that has not opted in, are refused by name', async () => {
  const control = await inSystem('get', 'pods', '--selector', 'app.kubernetes.io/name=nats', '--output', 'jsonpath={.items[0].spec.nodeName}')
  const refusal = async (name: string) => {
    const document = { ...experiment('node-drain', 5), faults: [{ kind: 'node-drain', target: { nodes: { name } }, at: '1s', duration: '5s' }] }
    const facts = await scheduler.facts(await scheduler.submit(document))
    assert.equal(judge(facts).verdict, 'inconclusive')
    return facts.flatMap(({ kind, fact }) => kind === 'run.aborting' ? [fact.data.detail] : []).join()
  }
  assert.match(await refusal(control), /carries .*nats-0/)
  await kubectl(['label', 'node', control, `${optIn}-`])
  assert.match(await refusal(control), /has not opted in/)
  assert.equal(await isCordoned(control), false)
})
