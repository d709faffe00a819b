import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseFact, type FactData, type FactType, type StoredFact } from '#shared/events.ts'
import { experimentSchema } from '#shared/experiment.ts'
import { begin, fold, type RunState } from '../../services/scheduler/core.ts'
import { printOrigin, problemsIn, readExperimentObject, readOrigin, runNameOf, statusOf, wasSubmitted, type Condition, type ExperimentStatus, type Finding } from '../../services/scheduler/experiment-object.ts'
import { eventsOf } from '../../services/scheduler/kubernetes-events.ts'

const file = {
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment',
  faults: [{ kind: 'pod-pause', target: { pods: { namespace: 'shop', labels: { app: 'web' } } }, duration: '3s' }],
  gates: [{ name: 'one', promql: { query: 'vector(1)', max: 2 } }],
}
const uid = '0c9d9ac6-58fd-4c1b-9a63-5a3f4a6a2f11'
const raw = {
  ...file,
  metadata: { name: 'pause', namespace: 'shop', uid, generation: 2, labels: { team: 'a' }, resourceVersion: '7', creationTimestamp: '2026-01-01T00:00:00Z', annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}' }, managedFields: [] },
}
const object = readExperimentObject(raw) ?? assert.fail('it is one')
const startMs = Date.UTC(2026, 0, 1)

let stream = 0
function fact<T extends FactType>(kind: T, data: FactData<T>): StoredFact {
  stream += 1
  return parseFact({
    specversion: '1.0', id: `id-${stream}`, source: '/faultline/test/1', type: `dev.faultline.${kind}`, subject: 'pause-run', time: new Date(startMs).toISOString(),
    datacontenttype: 'application/json', sequence: stream, traceparent: `00-${'0'.repeat(32)}-${'0'.repeat(16)}-01`, data,
  }, stream)
}
const after = (...facts: StoredFact[]): RunState => facts.reduce(fold, begin(runNameOf(object), experimentSchema.parse(object.document), startMs))
const status = (finding: Finding, previous?: ExperimentStatus, nowMs = startMs) => statusOf(object, finding, previous, nowMs)
const conditions = ({ conditions: list }: ExperimentStatus) => list.map(({ type, status: is, reason }) => `${type} ${is} ${reason}`)
const aborting = fact('run.aborting', { cause: 'user', detail: 'aborted by the deletion of its Experiment', atMs: 1, clock: 'c' })
const judged = (verdict: 'passed' | 'failed' | 'inconclusive', ...reasons: string[]) => [fact('run.sealed', { atMs: startMs + 5_400 }), fact('run.judged', { verdict, reasons, revertUnconfirmed: false })]

test('of an object the file is left, without what Kubernetes has added', () => {
  assert.deepEqual(object.document, { ...file, metadata: { name: 'pause', namespace: 'shop', labels: { team: 'a' } } })
  assert.deepEqual(problemsIn(object.document), [])
  assert.deepEqual(readExperimentObject({ ...raw, status: {} }), object)
  for (const other of [undefined, 'x', {}, { metadata: { name: 'x' } }]) assert.equal(readExperimentObject(other), undefined)
})

test('its run is named after UID and generation, so that it is begun once, and again after a change', () => {
  assert.equal(runNameOf(object), 'pause-0c9d9ac6-58fd-2')
  assert.match(runNameOf({ ...object, metadata: { ...object.metadata, name: 'x'.repeat(63), generation: 99_999 } }), /^[a-z0-9](?:[-a-z0-9]{0,118}[a-z0-9])?$/)
})

test('a run tells which object it is of; a file\'s name is none', () => {
  assert.deepEqual(readOrigin(printOrigin(object)), { namespace: 'shop', name: 'pause', uid, generation: 2 })
  for (const other of [undefined, 'pause.yaml', 'kubernetes:', 'kubernetes:shop/pause']) assert.equal(readOrigin(other), undefined)
  const state = after(fact('run.submitted', { experiment: {}, experimentHash: '', epoch: { bucketCreatedMs: 1, revision: 1 }, file: printOrigin(object) }))
  assert.equal(readOrigin(state.file)?.uid, uid)
})

test('problems are told in the command\'s words', () => {
  const [first, ...more] = problemsIn({ ...object.document, gates: [{ name: 'one', errorRate: { max: '1%' }, source: 'stream' }] })
  assert.equal(more.length, 0)
  assert.match(first ?? '', /^gates\[0\]\.source: expected prometheus; an experiment without load/)
  assert.match(problemsIn(7)[0] ?? '', /^expected /)
})

for (const [name, finding, phase, expected] of [
  ['refused', { is: 'refused', problems: ['gates: none'] }, 'Refused', ['Accepted False Invalid', 'Running False Invalid', 'Complete True Invalid', 'Passed False Invalid']],
  ['waiting', { is: 'waiting', reason: 'LoadGeneratorBusy', message: 'r has it' }, 'Waiting', ['Accepted False LoadGeneratorBusy', 'Running False LoadGeneratorBusy', 'Complete False LoadGeneratorBusy', 'Passed Unknown LoadGeneratorBusy']],
  ['lost', { is: 'lost' }, 'Lost', ['Accepted True Valid', 'Running False Lost', 'Complete True Lost', 'Passed False Inconclusive']],
  ['submitted', { is: 'run', state: after() }, 'Submitted', ['Accepted True Valid', 'Running True UnderWay', 'Complete False NotJudged', 'Passed Unknown NotJudged']],
  ['held', { is: 'run', state: after(fact('run.phase', { phase: 'steady', atMs: 1 }), fact('run.phase', { phase: 'hold', atMs: 2 })) }, 'Hold', ['Accepted True Valid', 'Running True UnderWay', 'Complete False NotJudged', 'Passed Unknown NotJudged']],
  ['aborted', { is: 'run', state: after(aborting) }, 'Aborting', ['Accepted True Valid', 'Running True Aborting', 'Complete False NotJudged', 'Passed Unknown NotJudged']],
  ['aborted and recovering', { is: 'run', state: after(aborting, fact('run.phase', { phase: 'recover', atMs: 2 })) }, 'Recover', ['Accepted True Valid', 'Running True Aborting', 'Complete False NotJudged', 'Passed Unknown NotJudged']],
  ['sealed', { is: 'run', state: after(fact('run.sealed', { atMs: 9 })) }, 'Sealed', ['Accepted True Valid', 'Running False Sealed', 'Complete False NotJudged', 'Passed Unknown NotJudged']],
  ['passed', { is: 'run', state: after(...judged('passed')) }, 'Judged', ['Accepted True Valid', 'Running False Sealed', 'Complete True Judged', 'Passed True Passed']],
  ['failed', { is: 'run', state: after(...judged('failed', 'errors: 3 %')) }, 'Judged', ['Accepted True Valid', 'Running False Sealed', 'Complete True Judged', 'Passed False Failed']],
  ['inconclusive', { is: 'run', state: after(aborting, ...judged('inconclusive', 'no data')) }, 'Judged', ['Accepted True Valid', 'Running False Sealed', 'Complete True Judged', 'Passed False Inconclusive']],
] as const satisfies readonly (readonly [string, Finding, string, readonly string[]])[]) {
  test(`what is said of one that is ${name}`, () => {
    const said = status(finding)
    assert.deepEqual([said.phase, conditions(said)], [phase, expected])
    assert.equal(said.observedGeneration, 2)
  })
}

test('verdict, reasons and dates are there when the run is over', () => {
  const { runId, verdict, reasons, startedAt, completedAt } = status({ is: 'run', state: after(...judged('failed', 'errors: 3 %')) })
  assert.deepEqual({ runId, verdict, reasons, startedAt, completedAt }, {
    runId: 'pause-0c9d9ac6-58fd-2', verdict: 'failed', reasons: ['errors: 3 %'], startedAt: '2026-01-01T00:00:00Z', completedAt: '2026-01-01T00:00:05Z',
  })
  assert.deepEqual(status({ is: 'run', state: after(aborting) }).reasons, ['aborted by the deletion of its Experiment'])
})

test('a condition keeps its date until it changes', () => {
  const before = status({ is: 'run', state: after() }, undefined, startMs)
  const next = status({ is: 'run', state: after(...judged('passed')) }, before, startMs + 60_000)
  const dates = Object.fromEntries(next.conditions.map(({ type, lastTransitionTime }: Condition) => [type, lastTransitionTime.slice(14, 16)]))
  assert.deepEqual(dates, { Accepted: '00', Running: '01', Complete: '01', Passed: '01' })
})

test('what was run is not run again because the log is gone; a changed one is', () => {
  const told = status({ is: 'run', state: after() })
  assert.equal(wasSubmitted({ ...object, status: told }), true)
  assert.equal(wasSubmitted({ ...object, status: told, metadata: { ...object.metadata, generation: 3 } }), false)
  assert.equal(wasSubmitted(object), false)
  assert.deepEqual(readExperimentObject({ ...raw, status: told })?.status, told)
})

const origin = readOrigin(printOrigin(object))
const targets = [{ id: 'pod:1', pod: { namespace: 'shop', name: 'web-1', uid: 'u1', node: 'n1' }, description: 'd' }, { id: 'process:1:2', pid: 1, startTicks: 2, description: 'd' }]
const injected = (verified: boolean) => fact('fault.injected', { fault: '1-pod-pause', kind: 'pod-pause', node: 'n1', targets, verified, readBack: [], requestedAtMs: 1, injectedAtMs: 2, clock: 'c' })
const reverted = (verified: boolean, cause: 'abort' | 'instant' = 'abort') => fact('fault.reverted', { fault: '1-pod-pause', kind: 'pod-pause', node: 'n1', targets, verified, cause, readBack: [], revertedAtMs: 3, clock: 'c' })
const told = (stored: StoredFact, isOfObject = true) => eventsOf(stored, isOfObject ? origin : undefined).map(({ namespace, regarding, type, reason, note }) => `${type} ${reason} ${regarding.kind} ${namespace}/${regarding.name}: ${note}`)

test('a fault is told of at the experiment and at each pod; at the pods alone when no object has asked for it', () => {
  assert.deepEqual(told(injected(true)), ['Experiment shop/pause', 'Pod shop/web-1'].map(at => `Warning FaultInjected ${at}: pod-pause (1-pod-pause of the run pause-run)`))
  assert.deepEqual(told(injected(false), false), ['Warning FaultInjected Pod shop/web-1: pod-pause (1-pod-pause of the run pause-run), not seen to have worked'])
  assert.deepEqual(told(reverted(true), false), ['Normal FaultReverted Pod shop/web-1: pod-pause (1-pod-pause of the run pause-run), ended by abort'])
  assert.deepEqual(told(reverted(false), false), ['Warning RevertUnconfirmed Pod shop/web-1: pod-pause (1-pod-pause of the run pause-run), ended by abort'])
  assert.deepEqual(told(reverted(true, 'instant')), [])
  const elsewhere = [
    { id: 'node:1', node: { name: 'n1', uid: 'u2' }, description: 'd' },
    { id: 'workload:1', workload: { namespace: 'shop', kind: 'Deployment' as const, name: 'web', uid: 'u3' }, description: 'd' },
  ]
  const drained = fact('fault.injected', { fault: '1-node-drain', kind: 'node-drain', node: 'cluster', targets: elsewhere, verified: true, readBack: [], requestedAtMs: 1, injectedAtMs: 2, clock: 'c' })
  assert.deepEqual(told(drained, false), ['Node default/n1', 'Deployment shop/web'].map(at => `Warning FaultInjected ${at}: node-drain (1-node-drain of the run pause-run)`))
})

test('a run is told of at the experiment; what is only counted is not told', () => {
  const submitted = fact('run.submitted', { experiment: {}, experimentHash: '', epoch: { bucketCreatedMs: 1, revision: 1 } })
  assert.deepEqual([submitted, aborting, ...judged('failed', 'errors'), ...judged('passed')].flatMap(stored => told(stored)), [
    'Normal RunSubmitted Experiment shop/pause: run pause-run', 'Warning RunAborting Experiment shop/pause: user: aborted by the deletion of its Experiment',
    'Warning RunJudged Experiment shop/pause: failed; errors', 'Normal RunJudged Experiment shop/pause: passed',
  ])
  assert.deepEqual(told(fact('fault.refused', { fault: 'f', kind: 'k', node: 'n1', why: 'busy' })), ['Warning FaultRefused Experiment shop/pause: f on n1: busy'])
  assert.deepEqual(told(fact('fault.lapsed', { fault: 'f', kind: 'k', node: 'n1', atMs: 1 })), ['Warning LeaseLapsed Experiment shop/pause: f on n1 was renewed by nobody'])
  assert.deepEqual(told(submitted, false), [])
})

test('the same fact makes Events of the same names, another fact others', () => {
  const [one, other] = [injected(true), injected(true)]
  const names = (stored: StoredFact) => eventsOf(stored, origin).map(({ name }) => name)
  assert.deepEqual(names(one), names(one))
  assert.equal(new Set([...names(one), ...names(other)]).size, 4)
  for (const name of names(one)) assert.match(name, /^[a-z0-9][-a-z0-9.]{0,251}[a-z0-9]$/)
})
