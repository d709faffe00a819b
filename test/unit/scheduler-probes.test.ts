import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FactData, FactType, StoredFact } from '#shared/events.ts'
import { experimentSchema } from '#shared/experiment.ts'
import { begin, decide, fold, patience, type RunState } from '../../services/scheduler/core.ts'

const experiment = experimentSchema.parse({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'x' },
  faults: [{ kind: 'kill', target: { process: { match: 'postgres' } }, at: '2s' }],
  gates: [{ name: 'back', recoveryTime: { probe: 'orders', max: '30s' } }],
  probes: [{ name: 'orders', postgres: { endpoint: 'shop-database' } }],
  recovery: { within: '10s' }, hold: '1s',
})

function after<T extends FactType>(state: RunState, kind: T, data: FactData<T>, prober = 'p1'): RunState {
  return fold(state, { kind, stream: 1, fact: { data, subject: 'r', source: prober } } as unknown as StoredFact)
}
const phase = (state: RunState, name: FactData<'run.phase'>['phase'], atMs: number) => after(state, 'run.phase', { phase: name, atMs })
const opened = (state: RunState, prober = 'p1', node = 'n1') => after(state, 'probe.opened', { node, probes: ['orders'], atMs: 0, clock: 'c' }, prober)
const told = (state: RunState, at: 'up' | 'down', why?: string, prober = 'p1') => after(state, 'probe.state', { node: 'n1', probe: 'orders', state: at, ...(why !== undefined && { why }), atMs: 0, clock: 'c' }, prober)
const probesClosed = (state: RunState, prober = 'p1') => after(state, 'probe.closed', { node: 'n1', atMs: 0 }, prober)
const injected = (state: RunState, node?: string) => after(state, 'fault.injected', {
  fault: '1-kill', kind: 'kill', node: 'agent', verified: true, readBack: [], requestedAtMs: 3_000, injectedAtMs: 3_000, clock: 'c',
  targets: [node === undefined ? { id: 'process:1:1', pid: 1, startTicks: 1, description: 'postgres' } : { id: 'node:1', node: { name: node, uid: '1' }, description: node }],
})
const keys = (state: RunState, nowMs: number) => decide(state, nowMs).map(effect => effect.key)
const abortOf = (state: RunState, nowMs: number) => decide(state, nowMs).flatMap(effect => effect.effect === 'abort' ? [`${effect.cause}: ${effect.detail}`] : [])

const steady = () => phase(begin('r', experiment, 0), 'steady', 1_000)
const recovering = (prober = opened(steady()), node?: string) =>
  phase(phase(injected(phase(told(prober, 'up'), 'inject', 3_000), node), 'revert', 5_000), 'recover', 5_100)
const recovered = (state: RunState) => after(state, 'gate.status', { gate: 'back', phase: 'recovery', status: 'met', lookEndMs: 0, evidence: 'e', atMs: 0 })

test('nothing is done before each probe was seen well by some prober', () => {
  assert.deepEqual(keys(steady(), 4_000), [])
  assert.deepEqual(keys(opened(steady()), 4_000), [])
  assert.deepEqual(keys(told(opened(steady()), 'down', 'refused'), 4_000), [])
  assert.deepEqual(keys(told(opened(steady()), 'up'), 2_900), [], 'nor before its time')
  assert.deepEqual(keys(told(opened(steady()), 'up'), 4_000), ['phase/inject'])
  assert.deepEqual(keys(told(told(opened(opened(steady()), 'p2', 'n2'), 'down'), 'up', undefined, 'p2'), 4_000), ['phase/inject'], 'one of them is enough')
})

test('probes that do not come up end the run before any fault, with what each prober said', () => {
  const late = 3_000 + patience.probesUpMs + 1
  assert.match(abortOf(steady(), late)[0] ?? '', /^steady: .*orders was attempted by nobody \(no prober is there\)/)
  assert.match(abortOf(opened(steady()), late)[0] ?? '', /probers on n1/)
  assert.match(abortOf(told(opened(steady()), 'down', 'connection refused'), late)[0] ?? '', /orders fails: n1: connection refused/)
  assert.match(abortOf(told(opened(steady()), 'down'), late)[0] ?? '', /n1: no answer/)
})

test('a probe that cannot be made ends the run at once', () => {
  const refused = after(steady(), 'probe.refused', { node: 'n1', probe: 'orders', why: 'no endpoint is called shop-database', atMs: 0 })
  assert.deepEqual(abortOf(refused, 1_100), ['refused: the probe orders cannot be made on n1: no endpoint is called shop-database'])
  assert.deepEqual(abortOf(after(refused, 'probe.refused', { node: 'n2', probe: 'orders', why: 'other', atMs: 0 }), 1_100), abortOf(refused, 1_100), 'the first is told')
})

test('after the recovery the ledgers are verified, and the seal waits for every prober', () => {
  let run = recovering(opened(opened(steady()), 'p2', 'n2'))
  assert.deepEqual(keys(run, 6_000), [])
  run = recovered(run)
  assert.deepEqual(keys(run, 6_000), ['phase/verify'])
  run = phase(run, 'verify', 6_000)
  assert.deepEqual(keys(run, 6_100), [])
  assert.deepEqual(keys(probesClosed(run), 6_100), [])
  assert.deepEqual(keys(probesClosed(probesClosed(run), 'p2'), 6_100), ['seal'])
})

test('a prober that never closes is waited for, but not for ever', () => {
  const run = phase(recovered(recovering()), 'verify', 6_000)
  assert.deepEqual(keys(run, 6_000 + patience.verifyMs), [])
  assert.deepEqual(keys(run, 6_001 + patience.verifyMs), ['seal'])
})

test('a prober on a node that a fault was done to is not waited for', () => {
  const run = phase(recovered(recovering(opened(steady()), 'n1')), 'verify', 6_000)
  assert.deepEqual(keys(run, 6_100), ['seal'])
})

test('a run without any prober is sealed without verifying', () => assert.deepEqual(keys(recovered(phase(phase(injected(phase(steady(), 'inject', 3_000)), 'revert', 5_000), 'recover', 5_100)), 6_000), ['seal']))

test('what an unknown prober says changes nothing', () => {
  assert.equal(told(steady(), 'up').probers.size, 0)
  assert.equal(probesClosed(steady()).probers.size, 0)
})

test('an aborted run verifies too, before and after its recovery', () => {
  const abort = (state: RunState, cause: FactData<'run.aborting'>['cause']) => after(state, 'run.aborting', { cause, detail: 'd', atMs: 4_000, clock: 'c' })
  const early = abort(opened(steady()), 'user')
  assert.deepEqual(keys(early, 4_600), ['phase/verify'])
  assert.deepEqual(keys(probesClosed(phase(early, 'verify', 4_600)), 4_700), ['seal'])
  const late = phase(recovered(abort(recovering(), 'unreadable')), 'verify', 6_000)
  assert.deepEqual(keys(late, 6_100), [])
  assert.deepEqual(keys(probesClosed(late), 6_200), ['seal'])
})
