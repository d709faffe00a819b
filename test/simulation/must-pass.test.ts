import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Spell } from './chaos.ts'
import { shortOfPass, whyExcused, type Played } from './must-pass.ts'
import type { Disturbance, Plan } from './plan.ts'
import { LogBuilder } from '../parts/verdict-log-builder.ts'

const pods = { pods: { namespace: 'shop', labels: { app: 'shop' }, pick: 'one' } }
const drop = { kind: 'network-drop', at: '1s', duration: '2s', target: pods }
const document = (changes: object = {}) => ({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'x' }, faults: [drop],
  gates: [{ name: 'holds', source: 'prometheus', interval: '500ms', promql: { query: 'failing_ratio', max: 0.1 } }], hold: '2s', recovery: { within: '3s', stable: '1s' }, ...changes,
})
const nothing: Played = { spells: [], orders: [] }
const plan = (changes: Partial<Plan> = {}): Plan => ({ seed: 1, place: 'cluster', constitution: { hurt: 0, healsMs: 0 }, documents: [{ atMs: 400, document: document() }], disturbances: [], ...changes })
const disturbed = (...disturbances: Disturbance[]) => whyExcused(plan({ disturbances }), nothing)
const asking = (...documents: object[]) => whyExcused(plan({ documents: documents.map(each => ({ atMs: 400, document: document(each) })) }), nothing)
const gone = (...spells: Spell[]) => whyExcused(plan(), { ...nothing, spells })

test('a run must pass whatever is done to one scheduler at a time', () => {
  const { spells: _, ...rest } = nothing
  assert.equal(whyExcused(plan(), nothing), undefined)
  assert.equal(disturbed({ is: 'paused', who: 'leader', atMs: 0, forMs: 9_000 }, { is: 'crash-at-step', who: 'scheduler-2', step: 3, forMs: 1 }, { is: 'partition', where: 's1', fromMs: 0, toMs: 2_000 }, { is: 'clock-jump', where: 's2', atMs: 0, byMs: -100 }), undefined)
  assert.equal(whyExcused(plan(), { ...rest, spells: [{ machine: 's2', fromMs: 2_500, untilMs: 2_600 }, { machine: 's1', fromMs: 0, untilMs: 2_000 }] }), undefined)
})

test('nobody demands it where something else is disturbed, or more than a scheduler can bear', () => {
  const others: Disturbance[] = [
    { is: 'paused', who: 'agent-n1', atMs: 0, forMs: 1 }, { is: 'crash', who: 'bridge', atMs: 0, forMs: 1 }, { is: 'partition', where: 'n1', fromMs: 0, toMs: 5_000 }, { is: 'nats-down', fromMs: 0, toMs: 1 }, { is: 'user-aborts', atMs: 1 },
    { is: 'partition', where: 's1', fromMs: 0, toMs: 1_999 }, { is: 'follower-stalled', where: 's1', fromMs: 0, toMs: 2_500 }, { is: 'clock-jump', where: 's1', atMs: 0, byMs: 101 }, { is: 'clock-jump', where: 's1', atMs: 0, byMs: -101 }, { is: 'lease-bucket-lost', atMs: 1 },
  ]
  for (const other of others) assert.match(disturbed(other) ?? '', /is not of one scheduler/, JSON.stringify(other))
  assert.match(whyExcused(plan({ constitution: { hurt: 0.5, healsMs: 0 } }), nothing) ?? '', /fails/)
})

test('nobody demands it where the second is gone before the first is back, or before anybody can have renewed the leases', () => {
  assert.match(gone({ machine: 's1', fromMs: 1_000, untilMs: 5_000 }, { machine: 's2', fromMs: 5_499, untilMs: 5_500 }) ?? '', /^at 5499 ms/)
  assert.match(gone({ machine: 's1', fromMs: 1_000, untilMs: 1_001 }, { machine: 's1', fromMs: 2_999, untilMs: 3_000 }) ?? '', /^at 2999 ms/)
  assert.equal(gone({ machine: 's1', fromMs: 1_000, untilMs: 1_001 }, { machine: 's1', fromMs: 3_000, untilMs: 3_001 }), undefined)
})

test('nobody demands it where a leader is gone as it tells several agents, and on another machine that is nothing', () => {
  const at = (fromMs: number, machine = 's1') => whyExcused(plan(), { spells: [{ machine, fromMs, untilMs: 9_000 }], orders: [{ machine: 's1', atMs: 3_000 }] })
  assert.deepEqual([2_999, 3_000, 3_003, 3_004].map(fromMs => at(fromMs) === undefined), [true, false, false, true])
  assert.equal(at(3_000, 's2'), undefined)
})

test('nobody demands it of an experiment whose lease is too short, or whose faults may be refused', () => {
  assert.match(asking({ lease: '2499ms' }) ?? '', /before another leads/)
  assert.equal(asking({ lease: '2500ms' }), undefined)
  for (const blastRadius of [{ maxTargets: 3 }, { maxTargets: 9, maxShare: '50%' }]) assert.match(asking({ blastRadius }) ?? '', /too much/)
  const pause = (at: string) => ({ kind: 'pod-pause', at, duration: '2s', target: pods })
  assert.equal(asking({ faults: [drop, drop, pause('1s')] }), undefined)
  assert.equal(asking({ faults: [pause('1s'), pause('8s')] }), undefined)
  for (const faults of [[pause('1s'), pause('7s')], [pause('7s'), pause('1s')], [drop, { kind: 'pod-kill', at: '1s', target: pods }]]) assert.match(asking({ faults }) ?? '', /the same target/)
  assert.match(asking({ faults: [pause('1s')] }, { faults: [pause('20s')] }) ?? '', /the same target/, 'two runs know nothing of each other')
})

test('a run that passed with a fault done twice, or ended by anything but its duration, falls short', () => {
  const fault = { fault: '1-network-drop', kind: 'network-drop', node: 'n1', targets: [{ id: 'process:1:2', pid: 1, startTicks: 2, description: 'x' }], verified: true, readBack: [], clock: 'c' }
  const judged = (verdict: 'passed' | 'inconclusive') => new LogBuilder().add('run.judged', { verdict, reasons: ['why'], revertUnconfirmed: false }).facts
  assert.deepEqual([shortOfPass(judged('passed')), shortOfPass(judged('inconclusive'))], [[], ['it is inconclusive: why']])
  const injected = { ...fault, requestedAtMs: 1, injectedAtMs: 2 }
  const twice = new LogBuilder().add('fault.injected', injected).add('fault.injected', { ...injected, node: 'n2' }).add('fault.injected', injected).facts
  assert.deepEqual(shortOfPass(twice), ['1-network-drop was done twice on n1'])
  const ended = new LogBuilder().add('fault.reverted', { ...fault, cause: 'duration', revertedAtMs: 3 }).add('fault.reverted', { ...fault, cause: 'lease', revertedAtMs: 3 }).facts
  assert.deepEqual(shortOfPass(ended), ['1-network-drop on n1 was ended by lease, not by its duration'])
})
