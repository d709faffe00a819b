import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FactData } from '#shared/events.ts'
import { experimentSchema, type Experiment } from '#shared/experiment.ts'
import { emptyGates, fold } from '#shared/gate-core.ts'
import { gateKinds } from '#shared/gate-kinds.ts'
import { beginWatch } from '#shared/gate-watch.ts'
import { breaksRule, type GatePhase } from '#shared/gate.ts'
import { judge } from '#shared/verdict.ts'
import { breachOf } from '#shared/verdict-breach.ts'
import { printValue } from '../../services/cli/report/figures.ts'
import { planExperiment } from '../../services/cli/plan/experiment-plan.ts'
import { renderPlan } from '../../services/cli/plan/render-plan.ts'
import { emptyLiveRun, foldLive, newsOf } from '../../services/scheduler/live-news.ts'
import { value as shownValue } from '../../services/scheduler/page/figures.ts'
import { begin, leastOf, step } from '../../services/slo-evaluator/core.ts'
import { document, injectedMs, logOf, revertedMs, t0, type Story } from '../parts/verdict-log-builder.ts'

const from = (query: string) => ({ metricSource: { type: 'Prometheus', spec: { query } } })
const ofRatio = { ratioMetric: { counter: true, bad: from('bad_total'), total: from('all_total') } }
const slo = (name: string, spec: object, objectives: object[], budgetingMethod = 'Occurrences') => ({ apiVersion: 'openslo/v1', kind: 'SLO', metadata: { name }, spec: { budgetingMethod, indicator: { spec }, objectives } })
const threshold = (op: string, value: number) => slo(`is-${op}`, { thresholdMetric: from('depth') }, [{ op, value, target: 0.9 }])

function experimentWith(gates: object[], documents: object[] = [], more: object = {}): Experiment {
  return experimentSchema.parse({ apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'held' }, faults: [], hold: '5m', gates, slos: [{ documents }], ...more })
}
const only = (experiment: Experiment) => experiment.gates[0] ?? assert.fail('it has a gate')
const answers = slo('answers', ofRatio, [{ target: 0.999 }])

test('a ratio\'s gate holds the share of bad events in its window against the budget', () => {
  const gate = only(experimentWith([{ name: 'a', slo: { name: 'answers' }, window: '3s' }], [answers]))
  assert.deepEqual([gate.source, gate.windowMs, gate.anchorMs, gate.rule.limit], ['prometheus', 3_000, undefined, { value: 0.001, breaksWhen: 'above', unit: 'ratio' }])
  assert.equal(gate.rule.query({ run: 'r', windowMs: gate.windowMs }), '(sum(increase(bad_total[3000ms])) or 0 * sum(increase(bad_total[3000ms]))) / sum(increase(all_total[3000ms]))')
  assert.equal(gate.rule.description, 'at most 0.1 % bad of answers')
  assert.equal(gate.rule.measure({ startMs: 0, endMs: 1, samples: [], latestByWorker: [] }).is, 'no-data')
})

test('a slice\'s gate looks at a whole slice, from when one lies behind the fault\'s start', () => {
  const slices = (method: string, objective: object) => only(experimentWith([{ name: 'a', slo: { name: 'sliced' } }], [slo('sliced', ofRatio, [{ target: 0.99, timeSliceWindow: '1m', ...objective }], method)]))
  const each = slices('Timeslices', { timeSliceTarget: 0.95 })
  assert.deepEqual([each.windowMs, each.anchorMs, each.rule.limit.value, each.rule.description], [60_000, 60_000, 0.05, 'at most 5 % bad of sliced in 1m'])
  const mean = slices('RatioTimeslices', {})
  assert.deepEqual([mean.windowMs, mean.rule.limit.value], [60_000, 0.01])
  const steady = only(experimentWith([{ name: 'a', phase: 'steady', slo: { name: 'sliced' } }, { name: 'b', promql: { query: 'up', min: 1 } }], [slo('sliced', ofRatio, [{ target: 0.99, timeSliceWindow: 1 }], 'RatioTimeslices')]))
  assert.deepEqual([steady.windowMs, steady.anchorMs], [60_000, undefined], 'before the first fault there is no start of it')
})

test('the recovery is looked at over five seconds, since a slice would see the fault long after its end', () => {
  const gate = only(experimentWith([{ name: 'a', slo: { name: 'sliced' } }], [slo('sliced', ofRatio, [{ target: 0.99, timeSliceWindow: '1m' }], 'RatioTimeslices')]))
  assert.deepEqual(['steady', 'during', 'recovery'].map(phase => beginWatch(gate, phase as GatePhase, t0).gate.windowMs), [60_000, 60_000, 5_000])
  const short = only(experimentWith([{ name: 'a', slo: { name: 'answers' }, window: '9s' }], [answers]))
  assert.equal(beginWatch(short, 'recovery', t0).gate.windowMs, 9_000, 'a window that the file asks for is kept')
})

test('a threshold\'s gate breaks on the value itself where the document says so, on either side and around 0', () => {
  const broken = (op: string, limit: number, ...values: number[]) => {
    const { rule } = only(experimentWith([{ name: 'a', slo: { name: `is-${op}` } }], [threshold(op, limit)]))
    return [rule.description, ...values.map(value => breaksRule(rule, value))]
  }
  assert.deepEqual(broken('lte', 0.5, 0.5, 0.5000000000000001), ['at most 0.5 for is-lte', false, true])
  assert.deepEqual(broken('lt', 0.5, 0.49999999999999994, 0.5), ['below 0.5 for is-lt', false, true])
  assert.deepEqual(broken('gte', -3, -3, -3.0000000000000004), ['at least -3 for is-gte', false, true])
  assert.deepEqual(broken('gt', -3, -2.9999999999999996, -3), ['above -3 for is-gt', false, true])
  assert.deepEqual(broken('gt', 3, 3.0000000000000004, 3), ['above 3 for is-gt', false, true])
  assert.deepEqual(broken('gt', 0, Number.MIN_VALUE, 0), ['above 0 for is-gt', false, true])
  assert.deepEqual(broken('lt', 0, -Number.MIN_VALUE, 0), ['below 0 for is-lt', false, true])
})

test('of several objectives the gate chooses one by its name, and is told the names when it does not', () => {
  const two = slo('two', ofRatio, [{ displayName: 'Promise', target: 0.99 }, { displayName: 'Hope', target: 0.999 }])
  assert.equal(only(experimentWith([{ name: 'a', slo: { name: 'two', objective: 'Hope' } }], [two])).rule.limit.value, 0.001)
  assert.equal(only(experimentWith([{ name: 'a', burnRate: { slo: 'two', objective: 'Promise', max: 2, long: '1m' } }], [two])).rule.description, 'at most 2x the budget of two (1 % bad), over 1m and 5s at once')
  const refused = (gate: object, written: object) => experimentSchema.safeParse({ ...experimentWritten, gates: [gate], slos: [{ documents: [written] }] }).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
  assert.deepEqual(refused({ name: 'a', slo: { name: 'two' } }, two), ['gates.0.slo.name: the displayName of one objective: Promise, Hope'])
  assert.deepEqual(refused({ name: 'a', burnRate: { slo: 'two', objective: 'Wish', max: 2, long: '1m' } }, two), ['gates.0.burnRate.objective: the displayName of one objective: Promise, Hope'])
  const unnamed = slo('two', ofRatio, [{ target: 0.99 }, { target: 0.999 }])
  assert.deepEqual(refused({ name: 'a', burnRate: { slo: 'two', max: 2, long: '1m' } }, unnamed), ['gates.0.burnRate.slo: an SLO whose objectives each have a displayName, by which one of them can be chosen'])
})
const experimentWritten = { apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'held' }, faults: [], hold: '5m' }

const own = { target: '99.9%', total: 'all_total{job="web"}', bad: 'bad_total{job="web"}' }

test('a burn rate is the share of bad events over the budget, in two windows of which the lesser is held against the limit', () => {
  const { rule, ...gate } = only(experimentWith([{ name: 'a', burnRate: { ...own, max: 14.4, long: '1m', short: '10s' } }]))
  assert.deepEqual([gate.source, gate.windowMs, gate.anchorMs, rule.limit], ['prometheus', 60_000, 60_000, { value: 14.4, breaksWhen: 'above', unit: 'times' }])
  assert.equal(rule.description, 'at most 14.4x the budget of all_total (0.1 % bad), over 1m and 10s at once')
  const share = (range: string) => `((sum(increase(bad_total{job="web"}[${range}])) or 0 * sum(increase(bad_total{job!=""}[${range}]))) / sum(increase(all_total{job="web"}[${range}]))) / 0.001`
  assert.deepEqual(rule.ranges, [{ windowMs: 60_000, query: share('60000ms') }, { windowMs: 10_000, query: share('10000ms') }])
  assert.equal(rule.query({ run: 'r', windowMs: 60_000 }), `(${share('60000ms')} < ${share('10000ms')}) or (${share('10000ms')} <= ${share('60000ms')})`)
  assert.equal(rule.measure({ startMs: 0, endMs: 1, samples: [], latestByWorker: [] }).is, 'no-data')
  assert.equal(only(experimentWith([{ name: 'a', burnRate: { ...own, max: 2, long: '2s' } }])).rule.ranges?.[1]?.windowMs, 1_000, 'at least a second')
  assert.equal(only(experimentWith([{ name: 'a', burnRate: { ...own, max: 2, long: '1m', straddle: true } }])).anchorMs, undefined)
})

test('a rule on an SLO says nothing before it is bound', () => {
  const unbound = gateKinds.get('burnRate')?.bound.parse({ slo: 'answers', max: 2, long: '1m' })
  assert.deepEqual([unbound?.query({ run: 'r', windowMs: 1 }), unbound && breaksRule(unbound, 1e300)], ['', false])
})

test('of two windows the lesser is the answer; without one of them there is none', () => {
  const ranges = [{ windowMs: 60_000, query: 'a' }, { windowMs: 10_000, query: 'b' }]
  assert.deepEqual(leastOf(ranges, [{ is: 'value', value: 20.1 }, { is: 'value', value: 22 }]), { is: 'value', value: 20.1, over: [{ windowMs: 60_000, value: 20.1 }, { windowMs: 10_000, value: 22 }] })
  assert.deepEqual(leastOf(ranges, [{ is: 'value', value: 20 }, { is: 'no-data', why: 'empty' }]), { is: 'no-data', why: 'over 10s: empty' })
  assert.deepEqual(leastOf(ranges, [{ is: 'value', value: 20 }]), { is: 'no-data', why: 'over 10s: not asked' })
})

/** Ten seconds of fault, a long window of four: the first look comes after five. */
const burning = { name: 'asked', burnRate: { ...own, max: 10, long: '4s', short: '1s' } }
const burn = (inLong: number, inShort: number): FactData<'slo.answer'>['answer'] => ({ is: 'value', value: Math.min(inLong, inShort), over: [{ windowMs: 4_000, value: inLong }, { windowMs: 1_000, value: inShort }] })
const story = (answerAt: NonNullable<Story['answerAt']>): Story => ({ gates: [burning], load: false, answerAt })

test('no look is taken before the long window lies behind the fault\'s start, and in the recovery looks come at once', () => {
  const { watches, recovery } = logOf(story(() => burn(0.5, 0.5))).reduce(fold, emptyGates('r1'))
  assert.deepEqual(watches.map(({ startMs, phaseStartMs, looks }) => [startMs, phaseStartMs, looks.map(({ endMs }) => endMs)]), [
    [injectedMs + 4_000, injectedMs, [5_000, 6_000, 7_000, 8_000, 9_000, 10_000].map(ms => injectedMs + ms)],
  ])
  assert.equal(recovery[0]?.looks[0]?.endMs, revertedMs + 1_000)
  const judgement = judge(logOf(story(() => burn(0.5, 0.5))))
  assert.deepEqual([judgement.verdict, judgement.gates.map(({ evidence }) => evidence)], ['passed', [
    'at most 10x the budget of all_total (0.1 % bad), over 4s and 1s at once: 0 of 6 readable looks broke it, the worst burns 0.5x its budget over 4s and 0.5x over 1s; 6 of 6 looks readable',
  ]])
})

test('the evaluator asks for each window at the date of the look, from the first on that reaches back to nothing before the fault', () => {
  let state = begin('r1')
  const asked: [number, string[]][] = []
  let nowMs = t0
  const take = (input: Parameters<typeof step>[1]) => {
    const next = step(state, input, nowMs)
    state = next.state
    for (const effect of next.effects) if (effect.effect === 'ask' && effect.evaluatedAtMs <= revertedMs) asked.push([effect.evaluatedAtMs - injectedMs, effect.ranges?.map(({ query }) => query) ?? []])
    return next.effects
  }
  take({ is: 'caught-up' })
  const histories = logOf({ gates: [burning], load: false }).flatMap(stored => {
    if (stored.kind === 'slo.tick') nowMs = stored.fact.data.atMs
    return take({ is: 'fact', stored }).flatMap(effect => effect.effect === 'history' ? [effect.startMs - injectedMs] : [])
  })
  assert.deepEqual(asked.map(([atMs]) => atMs), [5_000, 6_000, 7_000, 8_000, 9_000, 10_000])
  assert.ok(asked.every(([, queries]) => queries.length === 2))
  assert.deepEqual(histories, [4_000])
})

test('in the recovery the short window alone is asked for: the long one is full of what was before, and would hold while the service is down', () => {
  let state = begin('r1')
  let nowMs = t0
  const effects = [{ is: 'caught-up' } as const, ...logOf({ gates: [burning], load: false }).map(stored => ({ is: 'fact', stored } as const))].flatMap(input => {
    if (input.is === 'fact' && input.stored.kind === 'slo.tick') nowMs = input.stored.fact.data.atMs
    const next = step(state, input, nowMs)
    state = next.state
    return next.effects
  })
  const [long, short] = only(experimentSchema.parse(document({ gates: [burning], load: false }))).rule.ranges ?? []
  assert.ok(long && short)
  const asked = effects.flatMap(effect => effect.effect === 'ask' && effect.evaluatedAtMs > revertedMs ? [effect] : [])
  assert.ok(asked.length >= 3)
  for (const { query, ranges } of asked) assert.deepEqual([query, ranges], [short.query, [short]])
  const judgement = judge(logOf(story(atMs => atMs <= revertedMs ? burn(0.5, 0.5) : { is: 'value', value: 100, over: [{ windowMs: 1_000, value: 100 }] })))
  assert.equal(judgement.verdict, 'failed')
  assert.match(judgement.reasons.join('\n'), /the worst burns 100x its budget over 1s/)
})

test('a breach takes both windows: burning in one of them alone is none', () => {
  const verdictOf = (answer: FactData<'slo.answer'>['answer']) => judge(logOf(story(atMs => atMs <= revertedMs ? answer : burn(0, 0)))).verdict
  assert.deepEqual([verdictOf(burn(20, 0)), verdictOf(burn(0, 20)), verdictOf(burn(20, 20))], ['passed', 'passed', 'failed'])
})

test('the evidence of a breach has the burn over both windows, and since when the fault was there', () => {
  const facts = logOf(story(atMs => atMs >= injectedMs + 8_000 && atMs <= revertedMs ? burn(20.12, 22) : burn(0, 0)))
  const [gate] = judge(facts).gates
  assert.equal(gate?.evidence, 'at most 10x the budget of all_total (0.1 % bad), over 4s and 1s at once: broken in 2 looks in a row, 9000 ms into the phase; the last of them burns 20.1x its budget over 4s and 22x over 1s; 6 of 6 looks readable')
})

test('a breach is dated from the history, of which nothing counts that reaches back to before the fault', () => {
  const watch = logOf({ gates: [burning], load: false }).reduce(fold, emptyGates('r1')).watches[0] ?? assert.fail('it is watched')
  const points = (burnsFromMs: number) => Array.from({ length: 101 }, (_, index): [number, number] => [injectedMs + 100 * index, index * 100 >= burnsFromMs ? 20 : 0])
  const dated = (burnsFromMs: number) => breachOf(watch.gate, watch.startMs, logOf({ gates: [burning], load: false, history: points(burnsFromMs) }))
  assert.deepEqual([dated(0), dated(7_000)], [{ is: 'dated', atMs: injectedMs + 5_000, clocks: [] }, { is: 'dated', atMs: injectedMs + 8_000, clocks: [] }])
})

test('an abort before the first look proves nothing', () => {
  const abort = { cause: 'user' as const, detail: 'enough', atMs: injectedMs + 2_000 }
  const [gate] = judge(logOf({ ...story(() => burn(0, 0)), abort })).gates
  assert.equal(gate?.verdict, 'inconclusive')
})

test('plan and pages say from when a burn rate is looked at, how often, and how fast it burns', () => {
  const plan = planExperiment(experimentWith([burning]), [])
  const text = renderPlan({ file: 'x.yaml', possible: true, problems: [], parents: [], cluster: null, experiments: [plan] }, 200)
  assert.match(text, /every 1s, from 4s after the phase's start on; 2 in a row that break it are a breach/)
  assert.deepEqual([printValue('times', 20.123), shownValue('times', 0.5)], ['20.1x', '0.5x'])
  const facts = logOf({ gates: [burning], load: false })
  const underWay = facts.slice(0, facts.findIndex(({ kind }) => kind === 'fault.injected') + 1).reduce(foldLive, emptyLiveRun('r1'))
  assert.deepEqual(newsOf(emptyLiveRun('r1'), underWay, t0)?.gates?.map(({ dueLooks, looks }) => [dueLooks, looks]), [[6, []]])
})
