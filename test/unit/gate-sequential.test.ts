import assert from 'node:assert/strict'
import { test } from 'node:test'
import { beginEProcess, nextBlock } from '#shared/e-process.ts'
import type { FactData, StoredFact } from '#shared/events.ts'
import { experimentSchema, type Experiment } from '#shared/experiment.ts'
import { emptyGates, fold, reports, type GateState } from '#shared/gate-core.ts'
import { countOnce } from '#shared/gate-share.ts'
import { beginTally, printAgainst, thinned } from '#shared/gate-sequential.ts'
import { advance, beginWatch, watchStatus } from '#shared/gate-watch.ts'
import { sequentialBreachOf } from '#shared/verdict-breach-sequential.ts'
import { breachOf } from '#shared/verdict-breach.ts'
import { judge } from '#shared/verdict.ts'
import { document, duringFault, injectedMs, LogBuilder, logOf, sample, t0, type Story } from '../parts/verdict-log-builder.ts'

/** The log's load: ten requests in 200 ms, so 500 in the ten seconds that the fault lasts. */
const rateGate = { name: 'errors', limit: 'rate', errorRate: { max: '2%' } }
const budgetGate = { name: 'errors', limit: 'budget', requests: 500, errorRate: { max: '2%' } }
const counts = (ok: number, failed: number, inFlight: Record<string, number> = {}) => ({ ok: ok > 0 ? { 20: ok } : {}, failed: failed > 0 ? { 20: failed } : {}, inFlight })
const experimentOf = (story: Story): Experiment => experimentSchema.parse(document(story))
const folded = (story: Story): GateState => logOf(story).reduce(fold, emptyGates('r1'))
const judgedGate = (story: Story) => {
  const [gate] = judge(logOf(story)).gates
  assert.ok(gate)
  return gate
}
const oneGate = (experiment: Experiment) => {
  const [gate] = experiment.gates
  assert.ok(gate)
  return gate
}
/** Some of the ten requests of each second's last sample fail. */
const failing = (failed: number) => (atMs: number) => atMs > injectedMs && atMs <= injectedMs + 10_000 && (atMs - injectedMs) % 1_000 === 0 ? counts(10 - failed, failed) : {}
const withSustainedLoss = (failedOfTen: number) => duringFault(counts(10 - failedOfTen, failedOfTen))

test('with enough requests below the limit it passes, and says how little is still believable', () => {
  const judgement = judge(logOf({ gates: [rateGate] }))
  assert.equal(judgement.verdict, 'passed', judgement.reasons.join('\n'))
  const [gate] = judgement.gates
  assert.equal(gate?.evidence, 'at most 2 % failed requests, those waiting longer than 2s included, in every stretch: 0 bad of 500 requests; E = 0.41 of 20 needed, enough for a pass (below 0.5974 %); 10 of 10 looks readable')
  assert.deepEqual({ ...gate.sequential, eValue: 0, upperBound: 0 }, { limit: 'rate', blocks: 10, bad: 0, total: 500, upperBound: 0, missingRequests: 0, eValue: 0, eNeeded: 20 })
})

test('never passes: too few requests, with the number that is missing', () => {
  const judgement = judge(logOf({ gates: [{ ...rateGate, errorRate: { max: '0.1%' } }] }))
  assert.equal(judgement.verdict, 'inconclusive')
  assert.match(judgement.reasons.join('\n'), /2495 more requests without a bad one were needed for a pass: 0 bad of 500 do not rule out 0\.1 %/)
})

test('never passes: enough requests if they failed one by one, but they fail in bursts', () => {
  assert.equal(judge(logOf({ gates: [rateGate] })).verdict, 'passed')
  const judgement = judge(logOf({ gates: [{ ...rateGate, burst: 10 }] }))
  assert.equal(judgement.verdict, 'inconclusive')
  assert.match(judgement.reasons.join('\n'), /983 more requests/)
})

test('never passes: a share right at the limit', () => {
  const story = { gates: [{ ...rateGate, errorRate: { max: '10%' } }], sampleAt: withSustainedLoss(1) }
  const { verdict, sequential } = judgedGate(story)
  assert.deepEqual([verdict, sequential?.bad, sequential?.total], ['inconclusive', 50, 500])
  assert.ok((sequential?.eValue ?? 0) < 20)
})

test('an outage is a breach as soon as the evidence is enough, and is dated by its samples', () => {
  const story = { gates: [rateGate], sampleAt: withSustainedLoss(10) }
  const state = folded(story)
  const [watch] = state.watches
  assert.equal(watch?.ended?.is, 'breached')
  assert.equal(watch.ended.by.endMs, injectedMs + 2_000)
  const gate = judgedGate(story)
  assert.match(gate.evidence, /broken 2000 ms into the phase, with 100 bad of 100 requests; E = 54 of 20 needed; the last look 100 % \(50 bad of 50 requests\)/)
  assert.deepEqual([gate.verdict, gate.breachedAtMs], ['failed', injectedMs + 2_000])
  assert.equal(gate.sequential?.total, 100, 'the figures are those of the breach, not of what came after it')
})

test('several rate gates share the probability of a false abort, each keeps all of it for its pass, and budgets take no part', () => {
  const gates = [rateGate, { ...rateGate, name: 'p95', errorRate: undefined, latency: { quantile: 0.95, max: '500ms' } }, { ...budgetGate, name: 'spent' }, { name: 'plain', errorRate: { max: '1%' } }]
  const { gates: resolved } = experimentOf({ gates: gates.map(gate => JSON.parse(JSON.stringify(gate)) as object) })
  assert.deepEqual(resolved.map(({ sequential }) => sequential && [sequential.limit.is, sequential.limit.is === 'rate' ? sequential.limit.eNeeded : sequential.limit.mostBad, sequential.pass.alpha]),
    [['rate', 40, 0.05], ['rate', 40, 0.05], ['budget', 10, 0.05], undefined])
  assert.equal(resolved[1]?.sequential?.pass.budget, 0.05)
})

test('a budget is breached with the first request that it does not have, and dated by the sample that has it', () => {
  const story = { gates: [budgetGate], sampleAt: (atMs: number) => atMs > injectedMs + 4_000 && atMs <= injectedMs + 6_200 ? counts(9, 1) : {} }
  assert.deepEqual(oneGate(experimentOf(story)).sequential?.limit, { is: 'budget', requests: 500, mostBad: 10 })
  const gate = judgedGate(story)
  assert.deepEqual([gate.verdict, gate.breachedAtMs, gate.sequential?.bad, gate.sequential?.mostBad], ['failed', injectedMs + 6_200, 11, 10])
  assert.match(gate.evidence, /of 500 in the whole run \(10 bad\): broken 7000 ms into the phase, with 11 bad of 350 requests; 11 of 10 bad requests spent/)
  const held = judgedGate({ ...story, sampleAt: atMs => atMs > injectedMs + 4_000 && atMs <= injectedMs + 6_000 ? counts(9, 1) : {} })
  assert.deepEqual([held.verdict, held.sequential?.bad], ['inconclusive', 10], 'all of it spent is no breach, and no pass either')
})

test('a request that hangs is spent once, however many blocks it hangs in and whatever becomes of it', () => {
  const hangs = duringFault(counts(10, 0, { 2_500: 3 }))
  assert.equal(judgedGate({ gates: [budgetGate], sampleAt: hangs }).sequential?.bad, 3)
  const ends = (atMs: number) => atMs > injectedMs && atMs <= injectedMs + 4_000 ? counts(10, 0, { 2_500: 3 }) : atMs === injectedMs + 4_200 ? { ok: { 20: 10, 6_000: 3 } } : {}
  const gate = judgedGate({ gates: [budgetGate], sampleAt: ends })
  assert.deepEqual([gate.sequential?.bad, gate.sequential?.total], [3, 503])
})

test('what was overdue before the fault is not the fault\'s', () => {
  const before = (atMs: number) => atMs <= injectedMs + 10_000 ? counts(10, 0, { 2_500: 12 }) : {}
  assert.equal(judgedGate({ gates: [budgetGate], sampleAt: before }).sequential?.bad, 0)
})

test('what failed before the fault is not spent by it, not when the breach is dated either', () => {
  const gate = judgedGate({ gates: [budgetGate], sampleAt: atMs => atMs <= injectedMs + 2_200 ? counts(9, 1) : {} })
  assert.deepEqual([gate.verdict, gate.breachedAtMs, gate.sequential?.bad], ['failed', injectedMs + 2_200, 11])
})

/** The samples of the fault's seconds `fromMs` to `untilMs` are on record only then, in their order, as after the machine of the load or of the bridge stood still. */
function heldUp(story: Story, fromMs: number, untilMs: number): StoredFact[] {
  const log = new LogBuilder()
  const held: FactData<'load.sample'>[] = []
  for (const { kind, fact } of logOf(story)) {
    if (kind === 'load.sample' && fact.data.endMs > injectedMs + fromMs && fact.data.endMs <= injectedMs + untilMs) {
      held.push(fact.data)
      continue
    }
    log.add(kind, fact.data)
    if (kind === 'slo.tick' && fact.data.atMs === injectedMs + untilMs) for (const late of held.splice(0)) log.add('load.sample', late)
  }
  return log.facts
}
const allFail = (fromMs: number, untilMs: number) => (atMs: number) => atMs > injectedMs + fromMs && atMs <= injectedMs + untilMs ? counts(0, 10) : {}

test('a request whose sample comes when its block is closed counts once all the same', () => {
  for (const gate of [rateGate, budgetGate]) {
    const { verdict, gates: [held] } = judge(heldUp({ gates: [gate] }, 3_000, 5_000))
    assert.deepEqual([verdict, held?.sequential?.bad, held?.sequential?.total], ['passed', 0, 500])
    assert.match(held?.evidence ?? '', /9 of 10 looks readable/)
  }
  const hangs = (atMs: number) => atMs > injectedMs + 3_000 && atMs <= injectedMs + 5_000 ? counts(10, 0, { 2_500: 3 }) : atMs === injectedMs + 5_200 ? { ok: { 20: 10, 6_000: 3 } } : {}
  const [spent] = judge(heldUp({ gates: [budgetGate], sampleAt: hangs }, 3_000, 5_000)).gates
  assert.deepEqual([spent?.sequential?.bad, spent?.sequential?.total], [3, 503])
})

test('never passes: a second of failures whose samples came late', () => {
  const story = { sampleAt: allFail(3_000, 4_000) }
  const rate = judge(heldUp({ ...story, gates: [rateGate] }, 3_000, 5_000))
  assert.deepEqual([rate.verdict, rate.gates[0]?.sequential?.bad], ['inconclusive', 50])
  assert.match(rate.reasons.join('\n'), /50 bad of 500 do not rule out 2 %/)
  const budget = judge(heldUp({ ...story, gates: [budgetGate] }, 3_000, 5_000))
  assert.deepEqual([budget.verdict, budget.gates[0]?.breachedAtMs], ['failed', injectedMs + 3_400])
})

test('a budget is spent by what comes after its last block is closed, too', () => {
  const facts = heldUp({ gates: [budgetGate], sampleAt: allFail(9_000, 10_000) }, 9_000, 11_000)
  assert.equal(judge(facts).verdict, 'failed')
  assert.deepEqual(judge([...facts, ...facts].reverse()), judge(facts))
})

test('each request counts once: when it ends in time, or when it is overdue', () => {
  const rule = { budget: 0.01, overdueAfterMs: 2_000, failedIsBad: true, description: '' }
  const load = (more: Partial<FactData<'load.sample'>>) => sample(t0, { ok: {}, ...more })
  assert.deepEqual(countOnce(load({ ok: { 20: 5, 2_000: 1 }, failed: { 30: 2 } }), rule, 0), { bad: 2, total: 8, waiting: 0 })
  assert.deepEqual(countOnce(load({ inFlight: { 2_000: 4, 2_050: 3 } }), rule, 0), { bad: 3, total: 3, waiting: 3 }, 'one of exactly the timeout may still end in time')
  assert.deepEqual(countOnce(load({ inFlight: { 2_250: 3 }, ok: { 2_001: 1 } }), rule, 3), { bad: 1, total: 1, waiting: 3 }, 'late, and never seen waiting')
  assert.deepEqual(countOnce(load({ ok: { 3_000: 2 }, failed: { 3_000: 1 } }), rule, 3), { bad: 0, total: 0, waiting: 0 }, 'counted when it was overdue')
  assert.deepEqual(countOnce(load({}), rule, 3), { bad: 0, total: 0, waiting: 0 }, 'the sample with their end was lost')
  assert.deepEqual(countOnce(load({ ok: { 20: 1 }, failed: { 30: 2 } }), { ...rule, failedIsBad: false }, 0), { bad: 0, total: 3, waiting: 0 }, 'a latency asks only how long')
})

/** Each of these made some tool say "passed". */
const traps: [peer: string, story: Story, reason: RegExp][] = [
  ['k6: no samples', { sampleAt: duringFault(null) }, /no load sample came|could not be read/],
  ['Krkn: no data, assuming pass', { sampleAt: duringFault({ ok: {} }) }, /no request ended/],
  ['Argo Rollouts: terminated with no measurement', { abort: { cause: 'user', detail: 'terminated', atMs: injectedMs + 300 } }, /terminated/],
  ['Argo Rollouts: promoted on Inconclusive', { gates: [{ ...rateGate, errorRate: { max: '0.1%' } }] }, /more requests/],
  ['blocks in which a worker is silent', { sampleAt: atMs => atMs > injectedMs && (atMs - injectedMs) % 1_000 !== 0 && Math.floor((atMs - injectedMs) / 1_000) % 4 === 1 ? null : {} }, /of 10 looks were readable/],
]
for (const [name, story, reason] of traps) {
  test(`never passes: ${name}`, () => {
    for (const gate of [rateGate, budgetGate]) {
      const judgement = judge(logOf({ gates: [gate], ...story }))
      assert.equal(judgement.verdict, 'inconclusive')
      assert.match(judgement.reasons.join('\n'), reason)
    }
  })
}

test('empty blocks are no evidence, neither for a breach nor for a pass', () => {
  const one = judgedGate({ gates: [rateGate], sampleAt: atMs => atMs === injectedMs + 5_000 ? { ok: {} } : {} })
  assert.deepEqual([one.verdict, one.sequential?.total], ['passed', 490])
  const watch = advance(beginWatch(oneGate(experimentOf({ gates: [rateGate] })), 'during', t0), { samples: [], tickMs: t0 + 3_600 })
  assert.deepEqual([watch.tally?.blocks, watch.tally?.measured, watchStatus(watch)], [3, 0, 'no-data'])
  assert.ok(Math.abs((judgedGate({ gates: [rateGate], sampleAt: duringFault({ ok: {} }) }).sequential?.eValue ?? 0) - 1) < 1e-9)
})

test('the status says where it stands: pending until a pass is earned, breaking half the way to a breach, breached for good', () => {
  const statuses = (story: Story) => {
    const told: string[] = []
    logOf(story).reduce((state, stored) => {
      const next = fold(state, stored)
      for (const { status, phase } of reports(next)) if (phase === 'during' && told.at(-1) !== status) told.push(status)
      return next
    }, emptyGates('r1'))
    return told
  }
  assert.deepEqual(statuses({ gates: [rateGate] }), ['pending', 'holding'])
  assert.deepEqual(statuses({ gates: [rateGate], sampleAt: withSustainedLoss(1) }), ['pending', 'breaking', 'breached'])
  assert.deepEqual(statuses({ gates: [budgetGate], sampleAt: failing(1) }), ['pending', 'breaking'])
})

test('recovery is asked of looks, as of any other gate', () => {
  const judgement = judge(logOf({ gates: [rateGate] }))
  assert.deepEqual([judgement.recovery?.met, judgement.recovery?.recoveredInMs], [true, 0])
  const state = folded({ gates: [rateGate] })
  assert.ok(state.recovery.every(({ tally, gate }) => tally === undefined && gate.sequential === undefined))
})

test('a log in any order, doubled, gives the same judgement', () => {
  const facts = logOf({ gates: [rateGate, { ...budgetGate, name: 'spent' }], sampleAt: failing(1) })
  assert.deepEqual(judge([...facts, ...facts].reverse()), judge(facts))
})

test('with several workers, each one\'s waiting requests are its own', () => {
  const gate = oneGate(experimentOf({ gates: [budgetGate] }))
  const both = ['w1', 'w2'].flatMap(worker => [200, 400, 600, 800, 1_000, 1_200].map(ms => sample(t0 + ms, { worker, ...counts(5, 0, worker === 'w2' && ms > 400 ? { 2_200: 4 } : {}) })))
  const watch = advance(beginWatch(gate, 'during', t0), { samples: both, tickMs: t0 + 1_200 })
  assert.deepEqual([watch.tally?.bad, watch.tally?.total, watch.tally?.waiting], [4, 54, { w1: 0, w2: 4 }])
})

test('a breach that the raw samples do not show is not dated', () => {
  for (const written of [rateGate, budgetGate]) assert.equal(breachOf(oneGate(experimentOf({ gates: [written] })), injectedMs, logOf({ gates: [written] })).is, 'unknown')
})

test('looks are thinned out, not forgotten: of two neighbours the worse stays, and memory does not grow', () => {
  const measured = (bad: number) => ({ endMs: bad, measurement: { is: 'measured' as const, value: bad / 10, breaks: false, bad, total: 10 } })
  const none = { endMs: 0, measurement: { is: 'no-data' as const, why: '' } }
  const looks = [measured(0), measured(3), measured(5), measured(1), none, measured(0)]
  assert.equal(thinned(looks), looks)
  const many = thinned([...looks, ...Array.from({ length: 241 - looks.length }, () => measured(0))])
  assert.deepEqual([many.length, ...many.slice(0, 3)], [121, measured(3), measured(5), measured(0)])
})

test('evidence is told with the digits that move, and nothing was seen before the first block', () => {
  const spec = oneGate(experimentOf({ gates: [rateGate] })).sequential
  assert.ok(spec?.limit.is === 'rate')
  const { plan } = spec.limit
  const after = (blocks: number) => Array.from({ length: blocks }).reduce<ReturnType<typeof beginEProcess>>(process => nextBlock(plan, process, 1), beginEProcess(plan))
  const told = (blocks: number) => printAgainst(spec, { ...beginTally(spec), process: after(blocks) })
  assert.deepEqual([told(0), told(2)], ['E = 1 of 20 needed', 'E = 54 of 20 needed'])
  assert.match(told(8), /^E = \d\.\de\+\d+ of 20 needed$/)
})

test('looks without data are worth less than any other, and those that count no requests as much as none that was bad', () => {
  const blind = (endMs: number) => ({ endMs, measurement: { is: 'no-data' as const, why: 'silence' } })
  const uncounted = (endMs: number) => ({ endMs, measurement: { is: 'measured' as const, value: 1, breaks: false } })
  const many = Array.from({ length: 242 }, (_, index) => index % 2 === 0 ? blind(index) : uncounted(index))
  assert.ok(thinned(many).every(({ measurement }) => measurement.is === 'measured'))
})

test('a breach that the raw samples do not show is not dated', () => {
  const facts = logOf({ sampleAt: atMs => (atMs - injectedMs) % 3_000 === 0 ? {} : null })
  for (const [written, why] of [[rateGate, /not evidence enough/], [budgetGate, /do not spend the budget/]] as const) {
    const gate = oneGate(experimentOf({ gates: [written] }))
    assert.ok(gate.sequential)
    const dated = sequentialBreachOf(gate.sequential, gate, injectedMs, facts)
    assert.ok(dated.is === 'unknown')
    assert.match(dated.why, why)
  }
})
