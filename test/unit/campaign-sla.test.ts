import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgeSla, wholeAvailability, type SlaEvidence, type SlaLimits } from '../../services/cli/campaign/sla.ts'

const limits: SlaLimits = { availability: 0.999, recoveryMs: { primary: 30_000, pod: 60_000 }, rpoMs: 900_000, lostWrites: 0, manualSteps: 0 }
const ledger = { probe: 'orders', acknowledged: 1_200, missing: 0, unread: 0, rpoMs: 0 }
const kept: SlaEvidence = {
  load: { attempted: 10_000, acknowledged: 9_999 },
  whole: { attempted: 20_000, acknowledged: 19_000 },
  steps: [{ step: 'primary', runs: 5, recoveryMs: 12_340, ledgers: [ledger] }, { step: 'pod', runs: 1, recoveryMs: 0, ledgers: [] }],
  manualSteps: [{ run: 'r1', steps: [] }],
}

const [primary, pod] = kept.steps as [SlaEvidence['steps'][number], SlaEvidence['steps'][number]]
/** The bars that are not met, as `name: measured`. */
const unmet = (change: Partial<SlaEvidence>, change2: Partial<SlaLimits> = {}) => judgeSla({ ...limits, ...change2 }, { ...kept, ...change }).filter(({ met }) => !met).map(({ name, measured }) => `${name}: ${measured}`)

test('what was kept is met, each bar with its figure', () => {
  const bars = judgeSla(limits, kept)
  assert.deepEqual(bars.map(({ met }) => met), [true, true, true, true, true, true])
  assert.deepEqual(bars.map(({ name, measured }) => `${name}: ${measured}`), [
    'availability without faults: 99.99 % (9,999 of 10,000 requests)', 'recovery time, primary: 12.3 s, the worst of 5 runs', 'recovery time, pod: 0.0 s',
    'recovery point: 0.0 s', 'lost writes: 0 of 1,200 acknowledged', 'manual steps: 0',
  ])
})

test('availability must be more than the limit, and is not measured without a request', () => {
  assert.match(unmet({ load: { attempted: 1_000, acknowledged: 999 } }).join(), /99.9 %/)
  assert.match(unmet({ load: undefined }).join(), /not measured: no load without faults/)
  assert.match(unmet({ load: { attempted: 0, acknowledged: 0 } }).join(), /not measured/)
})

test('a recovery of exactly the limit is too long; one that was not seen or not run is not measured', () => {
  assert.deepEqual(unmet({ steps: [{ ...primary, recoveryMs: 30_000 }, pod] }), ['recovery time, primary: 30.0 s, the worst of 5 runs'])
  assert.deepEqual(unmet({ steps: [{ ...primary, recoveryMs: undefined }, pod] }), ['recovery time, primary: not measured: in a run nothing was injected, or no probe saw it steady again'])
  assert.deepEqual(unmet({ steps: [primary] }), ['recovery time, pod: not measured: it was not run'])
  assert.deepEqual(unmet({ steps: [primary, { ...pod, runs: 0 }] }), ['recovery time, pod: not measured: it was not run'])
})

test('one lost write is one too many, and the recovery point is the worst of all ledgers', () => {
  const lost = { ...ledger, missing: 1, rpoMs: 900_000 }
  assert.deepEqual(unmet({ steps: [{ ...primary, ledgers: [ledger, lost] }, pod] }), ['recovery point: 900.0 s', 'lost writes: 1 of 2,400 acknowledged'])
  assert.deepEqual(unmet({ steps: [{ ...primary, ledgers: [ledger, { ...lost, rpoMs: 1_000 }] }, pod] }, { lostWrites: 1 }), [])
})

test('without a ledger, with an unread one or one without an acknowledged write nothing is known of lost writes', () => {
  assert.deepEqual(unmet({ steps: [{ ...primary, ledgers: [] }, pod] }), ['recovery point: not measured: no ledger came', 'lost writes: not measured: no write was acknowledged in any run'])
  assert.deepEqual(unmet({ steps: [{ ...primary, ledgers: [{ ...ledger, acknowledged: 0 }] }, pod] }), ['lost writes: not measured: no write was acknowledged in any run'])
  assert.deepEqual(unmet({ steps: [{ ...primary, ledgers: [{ ...ledger, unread: 3, rpoMs: null }] }, pod] }), [
    'recovery point: not measured: a ledger could not be read', 'lost writes: not measured: orders of primary could not all be looked for',
  ])
  assert.match(unmet({ steps: [{ ...primary, ledgers: [{ ...ledger, unread: 3, missing: 2 }] }, pod] }).join(), /lost writes: 2 of 1,200/)
})

test('each manual step is told, up to five; without an audit log or a fault they are not measured', () => {
  const step = { atMs: 0, by: 'admin', what: 'delete pods a' }
  assert.deepEqual(unmet({ manualSteps: [{ run: 'r1', steps: [step] }] }), ['manual steps: 1: admin: delete pods a (r1)'])
  assert.match(unmet({ manualSteps: [{ run: 'r1', steps: Array.from({ length: 7 }, () => step) }] }).join(), /manual steps: 7: .*; …$/)
  assert.match(unmet({ manualSteps: undefined }).join(), /not measured: there is no audit log/)
  assert.match(unmet({ manualSteps: [] }).join(), /not measured: no fault was injected/)
})

test('the figure of the whole campaign stands beside, faults and all', () => {
  assert.equal(wholeAvailability(kept), '95 % (19,000 of 20,000 requests)')
  assert.equal(wholeAvailability({ ...kept, whole: { attempted: 0, acknowledged: 0 } }), 'no request was sent')
})
