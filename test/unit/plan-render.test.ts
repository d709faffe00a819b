import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ExperimentPlan, FaultPlan, FilePlan } from '../../services/cli/plan/experiment-plan.ts'
import { renderPlan } from '../../services/cli/plan/render-plan.ts'

const candidate = (pid: number, commandLine = 'gunicorn: worker') => ({
  id: `process:${pid}:77`, pid, startTicks: 77, commandLine, agent: null,
  steps: [{ act: `kill -STOP ${pid} and its descendants`, undo: `kill -CONT ${pid} and its descendants`, lease: 'reverter' as const }],
})
const pause: FaultPlan = {
  id: '1-pause', kind: 'pause', atMs: 5_000, durationMs: 20_000, match: 'gunicorn', parent: null, pick: 'one', takes: 1,
  candidates: [candidate(1234), candidate(1235)], refusals: [],
}
const drop: FaultPlan = {
  id: '2-network-drop', kind: 'network-drop', atMs: 90_000, durationMs: 2_000, match: 'redis', parent: 'shop', pick: 'all', takes: 1, refusals: [],
  candidates: [{ ...candidate(99, 'redis-server *:6379'), steps: [{ act: 'nft -f - <<END\ntable t {\n  set lease { }\n}\nEND', undo: 'nft delete table t', lease: 'kernel' }] }],
}
const experiment: ExperimentPlan = {
  name: 'worker-pause', possible: true,
  timeline: {
    load: { users: 50, spawnRate: 25, rampMs: 2_000, reachedWithinMs: 32_000, host: 'http://127.0.0.1:8000', locustfile: null, parameters: {} },
    steadyMs: 5_000, holdEndMs: 92_000, recovery: { withinMs: 30_000, stableMs: 3_000, gates: ['works'] }, leaseMs: 3_000,
  },
  faults: [pause, drop],
  probes: [],
  gates: [
    { name: 'errors', kind: 'errorRate', phase: 'during', source: 'stream', rule: 'at most 1 % failed requests', everyMs: 1_000, windowMs: 1_000, consecutive: 3, noDataAfterMs: 5_000, minRequests: 5, promql: null },
    { name: 'works', kind: 'promql', phase: 'recovery', source: 'prometheus', rule: 'at least 10 for sum(rate(done_total[5s]))', everyMs: 1_000, windowMs: 5_000, consecutive: 1, noDataAfterMs: 5_000, minRequests: null, promql: 'sum(rate(done_total[5s]))' },
  ],
  falseAborts: null,
  warnings: [],
  noLookBefore: null,
}
const plan: FilePlan = { file: 'experiment.yaml', possible: true, problems: [], parents: [{ name: 'shop', pid: 1200, startTicks: 70 }], cluster: null, experiments: [experiment] }
const faultless: FilePlan = {
  ...plan, parents: [],
  experiments: [{ ...experiment, faults: [], gates: experiment.gates.slice(0, 1), timeline: { ...experiment.timeline, steadyMs: 0, holdEndMs: 180_000, recovery: { ...experiment.timeline.recovery, gates: [] } } }],
}
const withFault = (change: Partial<FaultPlan>): FilePlan => ({ ...plan, possible: false, experiments: [{ ...experiment, possible: false, faults: [{ ...pause, ...change }] }] })

test('a plan reads from what is planned through when, each fault and the gates to what comes of it', () => {
  assert.equal(renderPlan(plan, 100), `\
experiment worker-pause
  file      experiment.yaml
  within    shop (1200)

timeline
  before 0s       load      50 users on http://127.0.0.1:8000, 25 more each second for 2s; all there
                            within 32s, or the run is inconclusive; as the jewelry shop's users do,
                            since load.locustfile names no others
  from 0s         steady    5s of quiet; judged: nothing
  5s to 25s       fault     1-pause
  1m30s to 1m32s  fault     2-network-drop
  5s to 1m32s     hold      from the first fault on; judged: errors
  by 2m2s         recovery  works must hold again within 30s of the last revert, for 3s
  always          lease     a fault that is not renewed for 3s ends by itself

fault 1-pause: at 5s, for 20s
  targets   one of these 2, chosen by the run's name; matching "gunicorn"
  ended by  a reverter, a process started before it: after 20s, or 3s after the last heartbeat
  1234      gunicorn: worker
    bound   process:1234:77
    do      kill -STOP 1234 and its descendants
    undo    kill -CONT 1234 and its descendants
  1235      gunicorn: worker
    bound   process:1235:77
    do      kill -STOP 1235 and its descendants
    undo    kill -CONT 1235 and its descendants

fault 2-network-drop: at 1m30s, for 2s
  targets   this one; matching "redis" within shop
  ended by  the kernel's own timer: after 2s, or 3s after the last heartbeat
  99        redis-server *:6379
    bound   process:99:77
    do      nft -f - <<END
            table t {
              set lease { }
            }
            END
    undo    nft delete table t

gates
  errors (errorRate, during): a breach aborts the run
    rule    at most 1 % failed requests
    source  stream, blocks of at least 5 requests
    looks   every 1s; 3 in a row that break it are a breach; none readable for 5s is inconclusive
  works (promql, recovery): must hold again by the deadline
    rule    at least 10 for the query below
    source  prometheus
    looks   every 1s; one that breaks it or cannot be read starts the wait anew
    promql  sum(rate(done_total[5s]))

Everything can be done: 1 experiment, 2 faults.
Nothing was started or changed. A run looks for its targets again when each fault is due.
`)
})

test('what is too short stands before the outcome, and says when no run can pass', () => {
  const about = { requestsNeeded: null, requestsPerSecondNeeded: null, requestsExpected: null }
  const warnings = [{ ...about, gate: 'errors', about: 'looks' as const, never: true, says: 'the hold has room for no look' }, { ...about, gate: 'p95', about: 'requests' as const, never: false, says: 'it needs 59 requests' }]
  assert.match(renderPlan({ ...plan, experiments: [{ ...experiment, falseAborts: 'never measured' }] }, 100), /\n {2}A\/A {7}false aborts without a fault: never measured\n\nEverything/)
  assert.match(renderPlan({ ...plan, experiments: [{ ...experiment, warnings }] }, 100), /\n\ntoo short\n {2}errors {4}it can never pass: the hold has room for no look\n {2}p95 {7}it needs 59 requests\n\nEverything/)
  const toothless = { ...about, gate: 'all', about: 'limit' as const, never: false, says: 'nothing can break it' }
  assert.match(renderPlan({ ...plan, experiments: [{ ...experiment, warnings: [...warnings, toothless] }] }, 100), /\n\nno limit\n {2}all {7}nothing can break it\n\ntoo short\n {2}errors /)
})

test('that nobody looks before the first fault stands before the outcome', () => {
  assert.match(renderPlan({ ...plan, experiments: [{ ...experiment, noLookBefore: 'no gate looks' }] }, 100), /\n\nno look\n {2}before {4}no gate looks\n\nEverything/)
})

test('a refusal stands with the target that it is about, and the outcome names the fault', () => {
  const certain = renderPlan(withFault({ refusals: [{ target: 'process:1235:77', why: 'it is held', certain: true }] }), 100)
  assert.match(certain, / {2}1235 .*\n {4}bound .*\n {4}refused it is held\n/)
  assert.match(certain, /^1 of 1 fault would be refused, and the run be inconclusive: 1-pause\.$/m)
  const possible = renderPlan(withFault({ refusals: [{ target: 'process:1235:77', why: 'it is held', certain: false }] }), 100)
  assert.match(possible, /refused if picked: it is held\n/)
  assert.match(possible, /^1 of 1 fault could be refused/m)
  const nobody = renderPlan(withFault({ candidates: [], takes: 0, refusals: [{ target: null, why: 'no process is opted in', certain: true }] }), 100)
  assert.match(nobody, /^fault 1-pause: at 5s, for 20s\n {2}refused {3}no process is opted in\n\n/m)
})

test('with several experiments the outcome says which one each refused fault belongs to', () => {
  const refused = withFault({ refusals: [{ target: null, why: 'no', certain: true }] })
  assert.match(renderPlan({ ...refused, experiments: [experiment, ...refused.experiments] }, 100), /1 of 3 faults would be refused, .*: worker-pause\/1-pause\.$/m)
})

test('who is picked is said for one, for all and for some', () => {
  const said = (change: Partial<FaultPlan>) => / {2}targets {3}([^;]*);/.exec(renderPlan(withFault(change), 120))?.[1]
  const three = [candidate(1), candidate(2), candidate(3)]
  assert.equal(said({ candidates: [candidate(1)], takes: 1 }), 'this one')
  assert.equal(said({ candidates: three, takes: 3, pick: 'all' }), 'all of these 3')
  assert.equal(said({ candidates: three, takes: 2, pick: 2 }), '2 of these 3, chosen by the run\'s name')
})

test('nothing that a process calls itself reaches the terminal as a command, and no line of prose is longer than the terminal', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 300, size: 'max' }), fc.integer({ min: 60, max: 150 }), (commandLine, columns) => {
    const text = renderPlan(withFault({ candidates: [candidate(1, commandLine), candidate(2, `\u001b[2J${commandLine}\r\n\u202e`)] }), columns)
    assert.doesNotMatch(text, /[^\P{C}\n\p{Cn}\p{Co}]/u)
    assert.equal(text.split('\n').filter(line => line.startsWith('    bound')).length, 2)
    assert.deepEqual(text.split('\n').filter(line => line.length > Math.min(columns, 120) && !/^ {4}(?:do|undo|promql)/.test(line)), [])
    assert.doesNotMatch(text, /\n\n\n| \n/)
  }))
})

test('a plan without faults has a hold, and neither a recovery nor a lease', () => {
  const printed = renderPlan(faultless, 100)
  assert.match(printed, /^ {2}from 0s {2,}steady {2}none: no gate is judged before the hold$/m)
  assert.match(printed, /^ {2}0ms to 3m {2,}hold {4}no fault; judged: errors$/m)
  assert.doesNotMatch(printed, /recovery|lease|fault \d/)
  assert.match(printed, /^Everything can be done: 1 experiment, no fault\.$/m)
})

test('what the probers attempt is told before the gates on it, which are judged once', () => {
  const probed: ExperimentPlan = {
    ...experiment,
    probes: [{ name: 'orders', kind: 'http', endpoint: 'shop-orders', attempt: 'PUT /orders/{id} at shop-orders', everyMs: 100, timeoutMs: 500, ledger: true }],
    gates: [{ name: 'orders-kept', kind: 'lostWrites', phase: 'recovery', source: 'probe', rule: 'no acknowledged write of orders is lost', everyMs: 1_000, windowMs: 1_000, consecutive: 1, noDataAfterMs: 5_000, minRequests: null, promql: null }],
  }
  assert.equal(renderPlan({ ...plan, experiments: [probed] }, 100).split('\n\n').slice(-3, -1).join('\n\n'), `\
probes
  orders (http), by every prober
    attempt PUT /orders/{id} at shop-orders, every 100ms; failed without an answer in 500ms
    ledger  each acknowledged write is looked for at the end

gates
  orders-kept (lostWrites, recovery): must hold again by the deadline
    rule    no acknowledged write of orders is lost
    source  probe`)
})
