import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { grow, nothingSeen } from '#shared/counter-growth.ts'
import type { CounterSeries, DatedValue } from '#shared/counter-series.ts'
import type { FactData } from '#shared/events.ts'
import { experimentSchema } from '#shared/experiment.ts'
import type { CounterRule, RequestRule } from '#shared/gate.ts'
import { printReconciliation, reconcile } from '#shared/reconciliation.ts'
import { judge } from '#shared/verdict.ts'
import { planInCluster } from '../../services/cli/plan/experiment-plan.ts'
import { renderPlan } from '../../services/cli/plan/render-plan.ts'
import { printReportHtml } from '../../services/cli/report/report-html.ts'
import { printReportJson } from '../../services/cli/report/report-json.ts'
import { printReportMarkdown } from '../../services/cli/report/report-markdown.ts'
import { reportOf } from '../../services/cli/report/run-report.ts'
import { document, duringFault, injectedMs, logOf, revertedMs, sample, t0, type Story } from '../parts/verdict-log-builder.ts'

/** The log's load: ten requests in 200 ms, so 500 in the ten seconds that the fault lasts. Its service is scraped twice a second, first 250 ms after the injection. */
const selectors = { total: 'requests_total', bad: 'requests_total{code="500"}' }
const client = { name: 'errors', limit: 'rate', errorRate: { max: '10%' }, reconcile: { with: 'asked' } }
const server = { name: 'asked', limit: 'rate', block: '1s', errorRate: { max: '10%', ...selectors } }
type Answer = FactData<'slo.answer'>['answer']
type Counts = Partial<FactData<'load.sample'>>

/** `perSecond`: what the service counts; `change`: what Prometheus says of it, by milliseconds since the injection. */
interface Counted { perSecond: { total: number; bad?: number | undefined }; change?: (answer: Answer, afterMs: number) => Answer }
const storyOf = (sampleAt: Story['sampleAt'], { perSecond: { total, bad = 0 }, change = answer => answer }: Counted, gates: object[] = [client, server]): Story => ({
  gates, ...(sampleAt && { sampleAt }),
  answerAt: atMs => atMs > revertedMs ? { is: 'value', value: 0 } : { ...change(scrapedBy(atMs, total, bad), atMs - injectedMs), counted: true },
})
function scrapedBy(atMs: number, total: number, bad: number): Answer {
  const dates = [0, 1, 2, 3, 4].map(back => Math.floor((atMs - 250) / 500) * 500 + 250 - back * 500)
  const series = (part: CounterSeries['part'], perSecond: number): CounterSeries => ({
    part, series: `{of="${part}"}`, target: '{job="shop"}', samples: dates.map((ms): DatedValue => [ms, 5_000 + Math.floor((ms - injectedMs) * perSecond / 1_000)]).reverse(),
  })
  return { is: 'counters', scrapeIntervalMs: 500, series: [series('total', total), series('bad', bad)] }
}
/** One of the ten requests of every second sample ends so during the fault. */
const oneOfTwenty = (more: Counts) => (atMs: number): Counts => atMs > injectedMs && atMs <= revertedMs && (atMs - injectedMs) % 400 === 0 ? { ok: { 20: 9 }, ...more } : {}
const failing = oneOfTwenty({ failed: { 20: 1 } })

function judged(story: Story) {
  const judgement = judge(logOf(story))
  const [gate, other] = judgement.gates
  assert.ok(gate && other)
  return { ...gate, other, judgement, reasons: judgement.reasons.join('\n') }
}

test('a service that counts what the load has seen leaves the verdict alone, and the gate says both sides', () => {
  const good = judged(storyOf(undefined, { perSecond: { total: 50 } }))
  assert.equal(good.judgement.verdict, 'passed', good.reasons)
  assert.match(good.evidence, /looks readable; the load had 440 to 500 requests answered, 0 bad, and alone saw 0 without an answer; asked counted 475, 0 bad: they agree$/)
  const withErrors = judged(storyOf(failing, { perSecond: { total: 50, bad: 2.5 } }))
  assert.deepEqual([withErrors.verdict, withErrors.reconciliation], ['passed', {
    is: 'agreed', with: 'asked', client: { answered: { least: 440, most: 500 }, bad: { least: 22, most: 25 }, unanswered: 0, late: 0, waiting: 0 },
    server: { requests: 475, bad: 24, badAtMost: 24 }, tolerated: { requests: 5, bad: 5 }, why: [],
  }], withErrors.evidence)
})

test('a service that fails requests and does not count them as bad, or not at all, is inconclusive with the numbers of both, although each side would pass', () => {
  for (const total of [50, 47.5]) { // it answers them with 200 as far as it knows; it does not count them
    const counted = Math.floor(9.75 * total) - Math.floor(0.25 * total)
    const { verdict, other, judgement, reasons, sequential } = judged(storyOf(failing, { perSecond: { total } }))
    assert.deepEqual([verdict, other.verdict, judgement.verdict, sequential?.missingRequests], ['inconclusive', 'passed', 'inconclusive', 0], reasons)
    assert.match(reasons, new RegExp(`errors \\(during\\): .*had 440 to 500 requests answered, 22 to 25 bad, .*; asked counted ${counted}, 0 bad: they do not agree, since 22 that were bad to the client were not counted as bad \\(tolerated: 5 requests, 5 bad ones\\)$`))
    assert.equal(judged(storyOf(failing, { perSecond: { total } }, [{ ...client, reconcile: undefined }, server].map(gate => JSON.parse(JSON.stringify(gate)) as object))).judgement.verdict, 'passed')
  }
})

test('requests that never reached the service are missed, and traffic of others is too much', () => {
  assert.match(judged(storyOf(undefined, { perSecond: { total: 45 } })).reasons, /asked counted 427, 0 bad: they do not agree, since 13 that were answered were not counted/)
  assert.match(judged(storyOf(undefined, { perSecond: { total: 100 } })).reasons, /450 more were counted than the load sent/)
  assert.match(judged(storyOf(undefined, { perSecond: { total: 50, bad: 2.5 } })).reasons, /24 were counted as bad that were good to the client/)
})

test('what had no answer the client alone saw: it is a figure of its own, and the service may have counted it or not', () => {
  const unanswered = oneOfTwenty({ failed: { 20: 1 }, unanswered: { 20: 1 } })
  for (const perSecond of [{ total: 47.5 }, { total: 50 }, { total: 50, bad: 2.5 }]) {
    const { verdict, evidence, sequential } = judged(storyOf(unanswered, { perSecond }))
    assert.deepEqual([verdict, sequential?.bad], ['passed', 25], evidence)
    assert.match(evidence, /the load had 418 to 475 requests answered, 0 bad, and alone saw 25 without an answer; .*: they agree$/)
  }
  assert.match(judged(storyOf(unanswered, { perSecond: { total: 60 } })).reasons, /more were counted than the load sent/)
})

test('how far the two may differ is for the file to say, but for bad ones not above half of the stricter limit', () => {
  const gates = (tolerance: string, max: string) => [{ ...client, reconcile: { with: 'asked', tolerance } }, { ...server, errorRate: { max, ...selectors } }]
  const verdictOf = (tolerance: string, max = '10%') => judged(storyOf(failing, { perSecond: { total: 50 } }, gates(tolerance, max)))
  assert.equal(verdictOf('4%').verdict, 'inconclusive')
  assert.equal(verdictOf('5%').verdict, 'passed')
  assert.deepEqual([verdictOf('20%').reconciliation?.tolerated, verdictOf('20%', '2%').reconciliation?.tolerated], [{ requests: 100, bad: 25 }, { requests: 100, bad: 5 }])
})

test('a failure on either side stays one', () => {
  const down = (atMs: number): Counts => atMs > injectedMs + 5_000 && atMs <= revertedMs ? { ok: {}, failed: { 20: 10 } } : {}
  const outage = judged(storyOf(down, { perSecond: { total: 50 } }))
  assert.deepEqual([outage.verdict, outage.reconciliation?.is, outage.judgement.verdict], ['failed', 'disagreed', 'failed'])
  const service = judged(storyOf(undefined, { perSecond: { total: 50, bad: 50 } }))
  assert.deepEqual([service.verdict, service.other.verdict, service.judgement.verdict], ['inconclusive', 'failed', 'failed'])
})

test('without counts of one side, or with too few of them, nothing agrees', () => {
  const silent = (since: number) => (answer: Answer, afterMs: number): Answer => afterMs > since ? { is: 'no-data', why: 'gone' } : answer
  const none = judged(storyOf(undefined, { perSecond: { total: 50 }, change: silent(0) }))
  assert.deepEqual([none.verdict, none.reconciliation?.is, none.reconciliation?.server], ['inconclusive', 'unseen', null])
  assert.match(none.reasons, /the load had 500 requests answered, 0 bad, and alone saw 0 without an answer; asked has no counts: they cannot be compared(?:\n|$)/)
  assert.match(judged(storyOf(undefined, { perSecond: { total: 50 }, change: silent(3_000) })).reasons, /asked counted 125, 0 bad: they cannot be compared, since the counters were scraped over 90 of the answered requests alone/)
  assert.match(judged(storyOf(duringFault(null), { perSecond: { total: 50 } })).reasons, /the load has no samples; asked counted 475, 0 bad: they cannot be compared(?:\n|$)/)
  const refused = judged(storyOf(duringFault({ ok: {}, failed: { 1: 10 }, unanswered: { 1: 10 } }), { perSecond: { total: 1 } }))
  assert.equal(refused.verdict, 'failed')
  assert.match(refused.evidence, /the load had 0 requests answered, 0 bad, and alone saw 500 without an answer; asked counted 9, 0 bad: they cannot be compared, since no request was answered$/)
  const unbegun = judged({ ...storyOf(undefined, { perSecond: { total: 50 } }), injected: null })
  assert.deepEqual([unbegun.reconciliation, unbegun.verdict], [undefined, 'inconclusive'])
})

test('every report says it, JSON has the numbers, and the log in any order, doubled, gives the same', () => {
  const facts = logOf(storyOf(failing, { perSecond: { total: 50 } }))
  const judgement = judge(facts)
  const report = reportOf(facts, judgement)
  for (const text of [printReportMarkdown(report), printReportHtml(report), printReportJson(report)]) assert.match(text, /asked counted 475, 0 bad: they do not agree, since 22 that were bad to the client were not counted as bad/)
  const { gates: [gate] } = JSON.parse(printReportJson(report)) as { gates: { reconciliation: unknown }[] }
  assert.deepEqual(gate?.reconciliation, judgement.gates[0]?.reconciliation)
  assert.deepEqual(judge([...facts, ...facts].reverse()), judgement)
})

test('a plan says which gate it must agree with, and how closely', () => {
  const plan = planInCluster(experimentSchema.parse(document({ gates: [client, server] })), [])
  assert.deepEqual(plan.gates.map(({ reconciled }) => reconciled), ['must agree with asked within 1 % of the requests; otherwise it is inconclusive', undefined])
  assert.match(renderPlan({ file: 'x.yaml', possible: true, problems: [], parents: [], cluster: null, experiments: [plan] }, 120), /\n {4}sides +must agree with asked within 1 % of the requests/)
})

// --- The arithmetic alone: a hundred seconds with fifty requests each, and scrapes every five seconds ---------------------------------------------------------

const rule: RequestRule = { budget: 0.1, overdueAfterMs: 2_000, failedIsBad: true, description: '' }
const counters: CounterRule = { is: 'pair', ...selectors, budget: 0.1, description: '' }
const phase = { fromMs: t0, untilMs: t0 + 100_000 }
const load = (change: (endMs: number) => Counts = () => ({})) => Array.from({ length: 510 }, (_, index) => sample(t0 - 800 + index * 200, change((index - 4) * 200)))
/** A counter's value by milliseconds since the phase began; undefined: its target is not there. */
type Course = (ms: number) => number | undefined
interface Target { course: Course; part?: CounterSeries['part']; of?: string; firstMs?: number; intervalMs?: number }
function scrapes(...targets: Target[]) {
  const series = targets.map(({ course, part = 'total', of = 'a', firstMs = -2_000, intervalMs = 5_000 }): CounterSeries => ({
    part, series: `{pod="${of}"}`, target: `{instance="${of}"}`,
    samples: Array.from({ length: Math.ceil((100_000 - firstMs) / intervalMs) }, (_, index) => firstMs + index * intervalMs).flatMap((ms): DatedValue[] => {
      const value = course(ms)
      return value === undefined ? [] : [[t0 + ms, value]]
    }),
  }))
  return { name: 'asked', counters, intervalMs: 5_000, grown: grow(nothingSeen, series, { fromMs: t0, intervalMs: 5_000 }).grown }
}
const held = (server: ReturnType<typeof scrapes>, samples = load()) => reconcile({ client: { rule, samples }, server, phase, tolerance: 0.01 })
const steady: Course = ms => 1_000 + ms / 20

test('what a counter had when its process was replaced is not asked of it, and of nothing else so much is forgiven', () => {
  const found = held(scrapes({ course: ms => ms < 52_900 ? 1_000 + ms / 20 : (ms - 52_900) / 20 }))
  assert.deepEqual([found.is, found.client?.answered, found.server?.requests], ['agreed', { least: 4_420, most: 4_790 }, 4_505])
  const withoutReset = held(scrapes({ course: ms => 1_000 + ms / 20 - (ms < 52_900 ? 0 : 245) }))
  assert.deepEqual([withoutReset.is, withoutReset.server?.requests, withoutReset.why], ['disagreed', 4_505, ['205 that were answered were not counted']])
})

test('a pod that goes takes its last counts along, and one that comes has counted from its beginning', () => {
  const pods = (left: number): Target[] => [
    { of: 'a', course: ms => 1_000 + ms / 40 + Math.max(0, ms - 52_900) / 40 - Math.max(0, ms - 60_000) / 40 },
    { of: 'b', course: ms => ms < left ? 1_000 + ms / 40 : undefined },
    { of: 'c', course: ms => ms < 60_000 ? undefined : (ms - 60_000) / 40 },
  ]
  const found = held(scrapes(...pods(52_900)))
  assert.deepEqual([found.is, found.client?.answered.least, found.server?.requests], ['agreed', 4_420, 4_627.5], found.why.join())
})

test('targets that are scraped at other times than each other are held to the time that all were', () => {
  const found = held(scrapes({ of: 'a', course: ms => 500 + ms / 40 }, { of: 'b', course: ms => 500 + ms / 40, firstMs: 1_000 }))
  assert.deepEqual([found.is, found.client?.answered], ['agreed', { least: 4_610, most: 4_890 }], found.why.join())
})

test('late and waiting requests are figures of their own, and a response that came is held against the service as what it was', () => {
  const found = held(scrapes({ course: steady }), load(ms => ms === 50_000 ? { ok: { 20: 9, 3_000: 1 } } : ms === 98_400 ? { inFlight: { 450: 3, 2_500: 4 } } : {}))
  assert.deepEqual([found.is, found.client?.late, found.client?.waiting, found.client?.bad.most], ['agreed', 1, 4, 0])
  assert.match(printReconciliation(found), /^the load had 4710 to 4790 requests answered, 0 bad and 1 too late, and alone saw 0 without an answer and 4 still waiting; asked counted 4750, 0 bad: they agree$/)
})

test('of a latency the slow ones are held against the buckets: a service that is fast while its clients wait does not agree', () => {
  const slow = { ...rule, overdueAfterMs: 500, failedIsBad: false }
  const histogram: CounterRule = { is: 'histogram', histogram: 'seconds', maxMs: 500, budget: 0.1, description: '' }
  const samples = load(() => ({ ok: { 20: 9 }, failed: { 800: 1 } }))
  const against = (...buckets: Target[]) => reconcile({ client: { rule: slow, samples }, server: { ...scrapes({ course: steady }, ...buckets), counters: histogram }, phase, tolerance: 0.01 })
  const fast = against({ part: 'fast', course: steady })
  assert.deepEqual([fast.is, fast.client?.bad, fast.client?.late, fast.why], ['disagreed', { least: 471, most: 479 }, 0, ['471 that were bad to the client were not counted as bad']])
  assert.equal(against({ part: 'fast', course: ms => 900 + ms / 20 * 0.9 }).is, 'agreed')
  const between = against({ part: 'surely-fast', course: ms => 800 + ms / 20 * 0.8 }, { part: 'maybe-fast', course: steady })
  assert.deepEqual([between.is, between.server?.bad, between.server?.badAtMost], ['agreed', 0, 950])
  assert.match(printReconciliation(between), /asked counted 4750, 0 to 950 bad: they agree$/)
  const refused = reconcile({ client: { rule: slow, samples: load(() => ({ ok: { 20: 9 }, failed: { 800: 1 }, unanswered: { 800: 1 } })) }, server: { ...scrapes({ course: ms => 900 + ms * 0.045 }, { part: 'fast', course: ms => 900 + ms * 0.045 }), counters: histogram }, phase, tolerance: 0.01 })
  assert.deepEqual([refused.is, refused.client?.bad.most, refused.client?.unanswered], ['agreed', 0, 479])
})

test('a service that counts each request agrees without any tolerance, however it is scraped and however its clock is off by less than a quarter of a second', () => {
  const traffic = fc.array(fc.array(fc.integer({ min: 0, max: 999 }), { minLength: 10, maxLength: 20 }), { minLength: 60, maxLength: 60 })
  fc.assert(fc.property(traffic, fc.integer({ min: 500, max: 5_000 }), fc.integer({ min: 0, max: 4_999 }), fc.integer({ min: -249, max: 249 }), (seconds, intervalMs, offsetMs, skewMs) => {
    const endsMs = seconds.flatMap((inSecond, second) => inSecond.map(ms => second * 1_000 + ms)).sort((a, b) => a - b)
    const samples = Array.from({ length: 300 }, (_, index) => sample(t0 + (index + 1) * 200, { ok: { 20: endsMs.filter(ms => Math.floor(ms / 200) === index).length } }))
    const counted = (ms: number) => 100 + endsMs.filter(endMs => endMs + skewMs <= ms).length
    const dates = Array.from({ length: 200 }, (_, index) => (offsetMs % intervalMs) + (index - 1) * intervalMs).filter(ms => ms <= 60_000)
    const series: CounterSeries = { part: 'total', series: '{}', target: '{}', samples: dates.map((ms): DatedValue => [t0 + ms, counted(ms)]) }
    const { grown } = grow(nothingSeen, [series], { fromMs: t0, intervalMs })
    const found = reconcile({ client: { rule, samples }, server: { name: 'asked', counters, grown, intervalMs }, phase: { fromMs: t0, untilMs: t0 + 60_000 }, tolerance: 0 })
    assert.deepEqual([found.is, found.why], ['agreed', []])
  }), { numRuns: 50 })
})
