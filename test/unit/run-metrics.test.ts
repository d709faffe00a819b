import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { experimentSchema } from '#shared/experiment.ts'
import type { FactData, FactType, StoredFact } from '#shared/events.ts'
import { begin, fold, type RunState } from '../../services/scheduler/core.ts'
import { lingerMs, showRuns, shownVerdicts } from '../../services/scheduler/run-metrics.ts'
import type { FactListener } from '../../services/scheduler/service.ts'

const experiment = experimentSchema.parse({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'pause-shop' },
  faults: [{ kind: 'pause', target: { process: { match: 'postgres' } }, at: '2s', duration: '5s' }],
  gates: [{ name: 'works', promql: { query: 'vector(1)', min: 2, max: 5 } }],
})
const target = { id: 'process:1:1', pid: 1, startTicks: 1, description: 'postgres' }
const fault = { fault: '1-pause', kind: 'pause', node: 'n1' }
const injected = { ...fault, targets: [target], verified: true, readBack: [], requestedAtMs: 5_000, injectedAtMs: 5_040, clock: 'agent' }
const reverted = { ...fault, targets: [target], cause: 'abort' as const, verified: true, readBack: [], revertedAtMs: 9_000, clock: 'agent' }
const breached = { gate: 'works', phase: 'during' as const, status: 'breached' as const, lookEndMs: 0, measurement: { is: 'measured' as const, value: 1.5, breaks: true }, evidence: 'as seen', atMs: 0 }
const aborting = { cause: 'gate' as const, detail: 'd', gate: 'works', atMs: 7, clock: 'scheduler' }
const judged = { verdict: 'failed' as const, reasons: [], revertUnconfirmed: false }

/** Facts as a scheduler would fold them, and what its metrics say to it. */
function startFold({ leading = true } = {}) {
  const metrics = new Registry()
  const runs = new Map<string, RunState>()
  const listeners = new Set<FactListener>()
  const room = {
    nowMs: 0, leading,
    /** `history`: from before the start, so that nobody is told. */
    take<T extends FactType>(run: string, kind: T, data: FactData<T>, { history = false } = {}) {
      const stored = { kind, stream: 1, fact: { subject: run, data, time: new Date(room.nowMs).toISOString() } } as unknown as StoredFact
      const next = fold(runs.get(run) ?? begin(run, experiment, room.nowMs), stored)
      runs.set(run, next)
      if (!history) for (const tell of listeners) tell(stored, next)
    },
    /** Lines of the exposition that begin like this, without comments. */
    async lines(name: string): Promise<string[]> {
      return (await metrics.metrics()).split('\n').filter(line => line.startsWith(name))
    },
  }
  showRuns({
    metrics, clock: { nowMs: () => room.nowMs, monotonicMs: () => room.nowMs }, runs: () => [...runs.values()], leads: () => room.leading,
    onFact(listener) { listeners.add(listener); return { stop: () => void listeners.delete(listener) } },
  })
  return room
}

const one = async (room: ReturnType<typeof startFold>, name: string) => { const [line, ...more] = await room.lines(name); assert.deepEqual(more, []); return line }
const names = 'run="r",experiment="pause-shop"'

test('a run is shown in its phase until it is sealed, a fault while it may be held, a verdict from then on', async () => {
  const room = startFold()
  room.take('r', 'run.phase', { phase: 'steady', atMs: 1 })
  assert.equal(await one(room, 'faultline_run_active'), `faultline_run_active{${names},phase="steady"} 1`)
  assert.deepEqual(await room.lines('faultline_fault_active'), [])
  room.take('r', 'run.phase', { phase: 'inject', atMs: 2 })
  room.take('r', 'fault.injected', injected)
  assert.equal(await one(room, 'faultline_run_active'), `faultline_run_active{${names},phase="inject"} 1`)
  assert.equal(await one(room, 'faultline_fault_active'), `faultline_fault_active{${names},fault="1-pause",kind="pause"} 1`)
  assert.equal(await one(room, 'faultline_fault_injected_timestamp_seconds'), `faultline_fault_injected_timestamp_seconds{${names},fault="1-pause",kind="pause"} 5.04`)
  room.take('r', 'fault.reverted', { ...reverted, verified: false })
  assert.equal((await room.lines('faultline_fault_active')).length, 1, 'it is not confirmed as gone')
  assert.equal(await one(room, 'faultline_faults_unconfirmed'), 'faultline_faults_unconfirmed 1')
  room.take('r', 'fault.reverted', reverted)
  assert.deepEqual(await room.lines('faultline_fault_active'), [])
  assert.equal(await one(room, 'faultline_faults_unconfirmed'), 'faultline_faults_unconfirmed 0')
  assert.equal(await one(room, 'faultline_runs_active'), 'faultline_runs_active 1')
  room.take('r', 'run.sealed', { atMs: 10 })
  assert.deepEqual(await room.lines('faultline_run_active'), [])
  assert.equal(await one(room, 'faultline_runs_active'), 'faultline_runs_active 0')
  room.nowMs = 12_500
  room.take('r', 'run.judged', judged)
  assert.equal(await one(room, 'faultline_run_judged_timestamp_seconds'), `faultline_run_judged_timestamp_seconds{${names},verdict="failed"} 12.5`)
})

test('what joined a fault later is no series of its own', async () => {
  const room = startFold()
  room.take('r', 'fault.injected', injected)
  for (const part of ['1-pause.2', '1-pause.3']) room.take('r', 'fault.injected', { ...injected, fault: part })
  assert.equal((await room.lines('faultline_fault_active')).length, 1)
  assert.equal((await room.lines('faultline_fault_injected_timestamp_seconds')).length, 1)
})

test('a gate shows its status, measurement and both limits until some minutes after the run', async () => {
  const room = startFold()
  room.take('r', 'gate.status', { ...breached, status: 'holding', measurement: { is: 'measured', value: 3, breaks: false } })
  room.take('r', 'gate.status', breached)
  const shown = async () => (await Promise.all(['faultline_gate_status', 'faultline_gate_measurement', 'faultline_gate_limit'].map(name => room.lines(name)))).flat()
  const expected = [
    `faultline_gate_status{${names},gate="works",phase="during",status="breached"} 1`,
    `faultline_gate_measurement{${names},gate="works"} 1.5`,
    `faultline_gate_limit{${names},gate="works",bound="max"} 5`, `faultline_gate_limit{${names},gate="works",bound="min"} 2`,
  ]
  assert.deepEqual(await shown(), expected)
  room.take('r', 'run.sealed', { atMs: 1_000 })
  room.nowMs = 1_000 + lingerMs - 1
  assert.deepEqual(await shown(), expected)
  room.nowMs += 1
  assert.deepEqual(await shown(), [])
})

test('a breach is timed to the abort and to the last confirmed revert, by the clock that heard of all three', async () => {
  const room = startFold()
  room.take('r', 'fault.injected', injected)
  room.nowMs = 6_000
  room.take('r', 'gate.status', breached)
  room.nowMs = 6_020
  room.take('r', 'run.aborting', aborting)
  room.take('r', 'run.aborting', { ...aborting, atMs: 8, cause: 'user' }) // somebody was late
  room.nowMs = 6_200
  room.take('r', 'fault.reverted', { ...reverted, verified: false })
  room.nowMs = 6_500
  room.take('r', 'fault.reverted', reverted)
  room.take('r', 'fault.reverted', reverted)
  assert.deepEqual(await room.lines('faultline_breach_to_abort_seconds_sum'), ['faultline_breach_to_abort_seconds_sum 0.02'])
  assert.deepEqual(await room.lines('faultline_breach_to_reverted_seconds_sum'), ['faultline_breach_to_reverted_seconds_sum 0.5'])
  assert.deepEqual(await room.lines('faultline_breach_to_reverted_seconds_count'), ['faultline_breach_to_reverted_seconds_count 1'])
  assert.deepEqual(await room.lines('faultline_fault_injection_seconds_sum'), ['faultline_fault_injection_seconds_sum{kind="pause"} 0.04'])
  assert.deepEqual((await room.lines('faultline_runs_aborted_total')).filter(line => !line.endsWith(' 0')), ['faultline_runs_aborted_total{cause="gate"} 1'])
})

test('counters count each fact once, while leading, and never history', async () => {
  const story = (room: ReturnType<typeof startFold>, options = {}) => {
    room.take('r', 'fault.injected', injected, options)
    room.take('r', 'fault.lapsed', { ...fault, atMs: 1 }, options)
    room.take('r', 'fault.reverted', { ...reverted, cause: 'lease' }, options)
    room.take('r', 'fault.refused', { ...fault, fault: '2-pause', why: 'busy' }, options)
    room.take('r', 'run.judged', judged, options)
    room.nowMs += 1
    room.take('r', 'run.judged', { ...judged, verdict: 'passed' }, options) // another evaluator, which did not hear of the first
  }
  const counted = async (room: ReturnType<typeof startFold>) => (await Promise.all(['faultline_runs_judged_total', 'faultline_faults_'].map(name => room.lines(name)))).flat()
    .filter(line => line.includes('_total') && !line.endsWith(' 0'))
  const standby = startFold({ leading: false })
  story(standby)
  assert.deepEqual(await counted(standby), [])
  const room = startFold()
  story(room, { history: true })
  assert.deepEqual(await counted(room), [])
  const leader = startFold()
  story(leader)
  assert.deepEqual(await counted(leader), [
    'faultline_runs_judged_total{verdict="failed"} 1', 'faultline_faults_injected_total{kind="pause"} 1', 'faultline_faults_reverted_total{kind="pause",cause="lease",verified="true"} 1',
    'faultline_faults_refused_total{kind="pause"} 1', 'faultline_faults_lapsed_total{kind="pause"} 1',
  ])
  assert.equal((await leader.lines('faultline_run_judged_timestamp_seconds')).length, 1, 'history is shown, though not counted')
  assert.equal((await room.lines('faultline_run_judged_timestamp_seconds')).length, 1)
})

test('every verdict, cause and kind has its series before the first of them is counted', async () => {
  const room = startFold()
  assert.equal((await room.lines('faultline_runs_judged_total')).length, 3)
  assert.ok((await room.lines('faultline_faults_injected_total')).includes('faultline_faults_injected_total{kind="network-loss"} 0'))
  room.take('r', 'run.submitted', { experiment: {}, experimentHash: '', epoch: { bucketCreatedMs: 0, revision: 0 } })
  assert.deepEqual(await room.lines('faultline_fault_injection_seconds_count'), ['faultline_fault_injection_seconds_count{kind="pause"} 0'])
  assert.ok((await room.lines('faultline_faults_reverted_total')).includes('faultline_faults_reverted_total{kind="pause",cause="lease",verified="false"} 0'))
})

test('of many finished runs the latest few hundred verdicts are series', async () => {
  const room = startFold()
  for (let k = 0; k < shownVerdicts + 50; k++) {
    room.take(`run-${k}`, 'run.sealed', { atMs: k })
    room.take(`run-${k}`, 'run.judged', judged)
  }
  const lines = await room.lines('faultline_run_judged_timestamp_seconds')
  assert.equal(lines.length, shownVerdicts)
  assert.ok(lines.at(-1)?.includes(`run="run-${shownVerdicts + 49}"`))
})
