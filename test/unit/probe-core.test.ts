import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FactData, StoredFact } from '#shared/events.ts'
import { emptyProbes, faultedNodesOf, probeFigures, foldProbes, outagesOf, probeRecoveryOf, viewFigures, viewsOf, type ProbesState, type ProbeView } from '#shared/probe-core.ts'
import type { ProbeSpec } from '#shared/probe.ts'
import { longestHole, watchedOf } from '#shared/probe-watched.ts'
import { clock, t0 } from '../parts/verdict-log-builder.ts'
import { ledgerOf, proberFact, samplesOf, type Looking } from '../parts/probe-log.ts'

const spec: ProbeSpec = { name: 'orders', kind: 'postgres', endpoint: 'shop-database', intervalMs: 100, timeoutMs: 1_000, description: 'd', plan: { by: 'postgres', ledger: true }, keepsLedger: true }
const recovery = { withinMs: 10_000, stableMs: 3_000 }
const injectedMs = t0 + 5_000

const opened = (node: string, prober: string) => proberFact('probe.opened', { node, probes: ['orders'], atMs: t0, clock }, { prober })
const ended = (atMs: number): StoredFact => proberFact('run.phase', { phase: 'verify', atMs })
function looks(looking: Partial<Looking>, { node = 'n1', prober = node, ledger }: { node?: string; prober?: string; ledger?: Partial<FactData<'probe.ledger'>> | null } = {}): StoredFact[] {
  const samples = samplesOf({ node, fromMs: t0, toMs: t0 + 20_000, ...looking }).map(data => proberFact('probe.samples', data, { prober }))
  return [opened(node, prober), ...samples, ...ledger === null ? [] : [proberFact('probe.ledger', ledgerOf({ node, ...ledger }), { prober })]]
}
const fold = (...facts: StoredFact[]): ProbesState => facts.reduce(foldProbes, emptyProbes)
const judged = (...facts: StoredFact[]) => probeFigures(fold(...facts, ended(t0 + 20_000)), spec, { recovery }, injectedMs)
const failedBetween = (fromMs: number, toMs: number) => (atMs: number) => atMs >= fromMs && atMs < toMs ? 'failed' as const : 'ok' as const
const viewOf = (state: ProbesState): ProbeView => {
  const [view] = viewsOf(state, 'orders')
  assert.ok(view)
  return view
}

test('the recovery time is that from the first failed slot to the good one from which on none failed', () => {
  const figures = judged(...looks({ outcomeAt: failedBetween(t0 + 6_000, t0 + 8_500) }))
  assert.deepEqual([figures.recoveryTimeMs, figures.steady, figures.failures, figures.attempts, figures.blind], [2_500, true, 25, 201, undefined])
})

test('a probe that flaps has one outage until it is steady, though its longest time without a good slot is short', () => {
  const flapping = (atMs: number) => atMs >= t0 + 6_000 && atMs < t0 + 10_000 && atMs % 1_000 === 0 ? 'failed' as const : 'ok' as const
  const state = fold(...looks({ outcomeAt: flapping }))
  assert.deepEqual(outagesOf(viewOf(state), injectedMs, 3_000), [{ startMs: t0 + 6_000, endMs: t0 + 9_100, over: true }])
  assert.equal(viewFigures(viewOf(state), injectedMs, 3_000).longestOutageMs, 100)
})

test('two outages with steady time between are two, and the longer counts', () => {
  const twice = (atMs: number) => failedBetween(t0 + 6_000, t0 + 6_500)(atMs) === 'failed' || failedBetween(t0 + 12_000, t0 + 13_000)(atMs) === 'failed' ? 'failed' as const : 'ok' as const
  assert.equal(judged(...looks({ outcomeAt: twice })).recoveryTimeMs, 1_000)
})

test('what failed before the first injection is no part of the recovery', () => {
  assert.equal(judged(...looks({ outcomeAt: failedBetween(t0, t0 + 4_900) })).recoveryTimeMs, 0)
  assert.equal(judged(...looks({ outcomeAt: failedBetween(t0 + 4_000, t0 + 6_000) })).recoveryTimeMs, 1_000, 'from the injection on')
})

test('a probe that was not steady again when the run ended says so, with what had passed by then', () => {
  const figures = judged(...looks({ outcomeAt: failedBetween(t0 + 15_000, t0 + 30_000) }))
  assert.deepEqual([figures.steady, figures.recoveryTimeMs], [false, 5_000])
  assert.equal(judged(...looks({ outcomeAt: failedBetween(t0 + 15_000, t0 + 18_000) })).steady, false, 'good again, but not for long enough')
})

test('a write that no replica confirmed is a failed slot', () => {
  assert.equal(judged(...looks({ outcomeAt: atMs => atMs === t0 + 7_000 ? 'unconfirmed' : 'ok' })).failures, 1)
})

test('the worst of several probers counts, and one on a node that a fault was done to does not', () => {
  const good = looks({}, { node: 'n1' })
  const bad = looks({ outcomeAt: failedBetween(t0 + 6_000, t0 + 10_000) }, { node: 'n2', ledger: { missing: 3, oldestMissingAtMs: t0 + 5_500 } })
  assert.deepEqual([judged(...good, ...bad).recoveryTimeMs, judged(...good, ...bad).ledger?.missing], [4_000, 3])
  const target = { id: 'node:1', node: { name: 'n2', uid: '1' }, description: 'n2' }
  const onNode = { kind: 'fault.injected', fact: { source: '/faultline/injector/1', data: { kind: 'node-power', targets: [target] } } } as unknown as StoredFact
  const figures = judged(...good, ...bad, onNode)
  assert.deepEqual([figures.recoveryTimeMs, figures.ledger?.missing], [0, 0])
  const onPod = { kind: 'fault.injected', fact: { source: '/faultline/injector/1', data: { kind: 'pod-kill', targets: [{ id: 'pod:1', pod: { namespace: 'a', name: 'b', uid: '1', node: 'n2' }, description: 'b' }] } } } as unknown as StoredFact
  assert.equal(judged(...good, ...bad, onPod).recoveryTimeMs, 4_000, 'a pod\'s node is not faulted')
  assert.deepEqual(faultedNodesOf({ targets: [] }), [])
})

test('the recovery point is the age of the oldest missing write when the next slot failed, and 0 when none is missing', () => {
  const outcomeAt = failedBetween(t0 + 6_000, t0 + 8_500)
  assert.equal(judged(...looks({ outcomeAt })).rpoMs, 0)
  const lost = looks({ outcomeAt }, { ledger: { missing: 2, oldestMissingAtMs: t0 + 2_000, newestMissingAtMs: t0 + 5_900 } })
  assert.equal(judged(...lost).rpoMs, 4_000)
  assert.equal(viewFigures(viewOf(fold(...lost)), injectedMs, 3_000).newestLostAgeMs, 100)
  const later = looks({ outcomeAt }, { ledger: { missing: 1, oldestMissingAtMs: t0 + 7_000, newestMissingAtMs: t0 + 7_000 } })
  assert.equal(judged(...later).rpoMs, 0, 'acknowledged while others failed')
  const unnoticed = looks({}, { ledger: { missing: 1, oldestMissingAtMs: t0 + 7_000, newestMissingAtMs: t0 + 7_000 } })
  assert.equal(judged(...unnoticed).rpoMs, 13_000, 'nothing ever failed: to the last attempt')
})

test('a time that nobody who counts has watched makes it blind', () => {
  const hole = (fromMs: number, toMs: number) => (atMs: number) => atMs > fromMs && atMs < toMs ? undefined : 'ok' as const
  assert.equal(judged(...looks({ outcomeAt: hole(t0 + 6_000, t0 + 8_000) })).blind, undefined, '2 s are borne')
  assert.match(judged(...looks({ outcomeAt: hole(t0 + 6_000, t0 + 8_200) })).blind ?? '', /orders for 2200 ms/)
  assert.match(judged(...looks({ toMs: t0 + 12_000 })).blind ?? '', /8000 ms/, 'at the end')
  assert.match(judged(...looks({ fromMs: t0 + 9_000 })).blind ?? '', /4000 ms/, 'at the injection')
  const other = looks({}, { node: 'n2' })
  assert.equal(judged(...looks({ outcomeAt: hole(t0 + 6_000, t0 + 9_000) }), ...other).blind, undefined, 'another prober saw it')
  assert.match(judged().blind ?? '', /no prober that counts/)
  assert.match(probeFigures(fold(...looks({})), spec, { recovery }, injectedMs).blind ?? '', /did not come to its end/)
  assert.equal(probeFigures(fold(...looks({}), ended(t0 + 20_000)), spec, { recovery }, undefined).blind, undefined, 'without any fault, from its first slot')
})

test('a slow probe is not blind between its attempts', () => {
  assert.equal(longestHole(watchedOf([], [0, 10_000, 20_000]), { startMs: 0, endMs: 25_000 }, 10_000), undefined)
  assert.deepEqual(longestHole(watchedOf([], [0, 10_000, 20_000]), { startMs: 0, endMs: 25_000 }, 100), { startMs: 0, endMs: 10_000 })
})

test('a ledger that did not come, or could not be read, is no evidence', () => {
  assert.match(judged(...looks({}, { ledger: null })).ledgerBlind ?? '', /no ledger came/)
  assert.match(judged(...looks({}), ...looks({}, { node: 'n2', ledger: null })).ledgerBlind ?? '', /prober on n2 never came/)
  assert.match(judged(...looks({}, { ledger: { unread: 4 } })).ledgerBlind ?? '', /4 acknowledged writes could not be looked for/)
  assert.match(probeFigures(fold(...looks({})), { ...spec, keepsLedger: false }, { recovery }, injectedMs).ledgerBlind ?? '', /keeps no ledger/)
  assert.equal(judged(...looks({})).ledgerBlind, undefined)
})

test('a prober that is started again in mid-run is another one, and its first life\'s ledger is missed', () => {
  const first = looks({ toMs: t0 + 10_000 }, { prober: 'first', ledger: null })
  const second = looks({ fromMs: t0 + 11_000 }, { prober: 'second' })
  const figures = judged(...first, ...second)
  assert.deepEqual([figures.attempts, figures.blind], [101 + 91, undefined])
  assert.match(figures.ledgerBlind ?? '', /prober on n1 never came/)
})

test('facts of a prober that never opened, and of an empty batch, change nothing', () => {
  const [data] = samplesOf({ fromMs: t0, toMs: t0 })
  assert.ok(data)
  assert.equal(fold(proberFact('probe.samples', data)).views.size, 0)
  assert.equal(viewOf(fold(opened('n1', 'p1'), proberFact('probe.closed', { node: 'n1', atMs: t0 }, { prober: 'p1' }))).closed, true)
  assert.equal(viewOf(fold(opened('n1', 'p1'), proberFact('probe.closed', { node: 'n1', atMs: t0 }, { prober: 'p11' }))).closed, false)
})

test('recovered is a probe that is steady again by the deadline, for every prober that counts', () => {
  const lastEndedMs = t0 + 8_000
  const after = (...facts: StoredFact[]) => probeRecoveryOf(fold(...facts), 'orders', lastEndedMs, recovery)
  assert.deepEqual(after(...looks({})), { is: 'met', afterMs: 0 })
  assert.deepEqual(after(...looks({ outcomeAt: failedBetween(t0 + 6_000, t0 + 8_500) })), { is: 'met', afterMs: 500 })
  assert.deepEqual(after(...looks({}), ...looks({ outcomeAt: failedBetween(t0 + 6_000, t0 + 9_000) }, { node: 'n2' })), { is: 'met', afterMs: 1_000 })
  assert.deepEqual(after(...looks({ toMs: t0 + 10_000 })), { is: 'watching' }, 'not for long enough yet')
  assert.deepEqual(after(...looks({ toMs: t0 + 17_000, outcomeAt: failedBetween(t0 + 6_000, t0 + 30_000) })), { is: 'watching' }, 'it may yet')
  assert.deepEqual(after(...looks({ outcomeAt: failedBetween(t0 + 6_000, t0 + 30_000) })), { is: 'missed' })
  assert.deepEqual(after(...looks({ toMs: t0 + 30_000, outcomeAt: failedBetween(t0 + 6_000, t0 + 18_500) })), { is: 'missed' }, 'too late')
  assert.deepEqual(after(...looks({}), ...looks({ toMs: t0 + 9_000, outcomeAt: failedBetween(t0 + 6_000, t0 + 30_000) }, { node: 'n2' })), { is: 'met', afterMs: 0 }, 'a prober that is gone is not waited for')
  assert.deepEqual(after(), { is: 'unseen' })
})
