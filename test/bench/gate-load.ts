import { parseFact, type StoredFact, type FactData, type FactType } from '#shared/events.ts'
import { emptyGates, fold, reports, type GateState } from '#shared/gate-core.ts'

/**
 * What a thousand gates cost: ten runs of a hundred gates each, the most that an experiment has, folded as the evaluator folds them, with their
 * statuses asked for as often. Samples come from one worker five times a second, ticks twice.
 */
const runs = 10
const gatesPerRun = 100

export interface GateLoad {
  gates: number
  simulatedS: number
  cpuS: number
  /** Heap after a collection, at that time and at the end. */
  earlyS: number
  heapEarlyMiB: number
  heapLateMiB: number
}

export function measureGateLoad(simulatedS: number, collect: () => void): GateLoad {
  const t0 = 1_000_000
  let states = Array.from({ length: runs }, (_, run) => begun(`r${run}`, simulatedS, t0))
  const heapMiB = () => { collect(); return process.memoryUsage().heapUsed / 2 ** 20 }
  const earlyS = Math.min(600, simulatedS / 2)
  let heapEarlyMiB = 0
  const begin = process.cpuUsage()
  for (let atMs = t0 + 100; atMs <= t0 + simulatedS * 1_000; atMs += 100) {
    if (atMs % 200 === 0) states = states.map(state => heard(state, 'load.sample', sampleUntil(atMs)))
    if (atMs % 500 === 0) states = states.map(state => heard(state, 'slo.tick', { atMs }))
    for (const state of states) for (const { status } of reports(state)) if (status === 'breached') throw new Error('expected every gate to hold')
    if (atMs === t0 + earlyS * 1_000) heapEarlyMiB = heapMiB()
  }
  const { user, system } = process.cpuUsage(begin)
  const heapLateMiB = heapMiB()
  const gates = states.reduce((sum, { watches }) => sum + watches.length, 0) // asked last, so that what is measured is still there
  return { gates, simulatedS, cpuS: (user + system) / 1e6, earlyS, heapEarlyMiB, heapLateMiB }
}

function begun(run: string, simulatedS: number, atMs: number): GateState {
  const gates = Array.from({ length: gatesPerRun }, (_, gate) => ({ name: `gate-${gate}`, limit: 'rate', errorRate: { max: '1%' } }))
  const experiment = {
    apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: run }, load: { users: 50, host: 'http://127.0.0.1:8000' }, faults: [], hold: `${simulatedS}s`, gates,
  }
  return heard(heard(emptyGates(run), 'run.submitted', { experiment, experimentHash: 'x', epoch: { bucketCreatedMs: 0, revision: 1 } }), 'run.phase', { phase: 'hold', atMs })
}

/** One bad request in five hundred, as a healthy service has them. */
function sampleUntil(endMs: number): FactData<'load.sample'> {
  const isBad = endMs % 5_000 === 0
  return {
    worker: 'w1', index: endMs / 200, startMs: endMs - 200, endMs, users: 50, ok: { 20: 10, 35: 6, 60: isBad ? 3 : 4 }, failed: isBad ? { 40: 1 } : {}, inFlight: {},
    inFlightTotal: 0, lateMs: 0, dropped: 0, clock: 'boot-1',
  }
}

let stream = 0
function heard<T extends FactType>(state: GateState, type: T, data: FactData<T>): GateState {
  stream += 1
  const stored: StoredFact = parseFact({
    specversion: '1.0', id: `bench/${stream}`, source: '/faultline/bench/1', type: `dev.faultline.${type}`, subject: state.run, time: '2026-01-01T00:00:00.000Z',
    datacontenttype: 'application/json', sequence: stream, traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, data,
  }, stream)
  return fold(state, stored)
}
