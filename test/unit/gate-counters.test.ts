import assert from 'node:assert/strict'
import { test } from 'node:test'
import { experimentSchema } from '#shared/experiment.ts'
import { emptyGates, fold, reports } from '#shared/gate-core.ts'
import { wantedSamples } from '#shared/gate-counters.ts'
import { nothingCounted } from '#shared/gate-sequential.ts'
import type { FactData, StoredFact } from '#shared/events.ts'
import { counterBreachOf } from '#shared/verdict-breach-counters.ts'
import { judge } from '#shared/verdict.ts'
import { scrapedUntil, type Course, type Exposed } from '../parts/scraped-counters.ts'
import { document, injectedMs, logOf, revertedMs, t0, type Story } from '../parts/verdict-log-builder.ts'

/** The fault lasts ten blocks of a second; in each are two scrapes, 250 ms before and after its middle. */
const selectors = { total: 'requests_total', bad: 'requests_total{code="500"}' }
const rateGate = { name: 'asked', limit: 'rate', block: '1s', errorRate: { max: '2%', ...selectors } }
const budgetGate = { ...rateGate, limit: 'budget', requests: 1_000 }
const p95Gate = { ...rateGate, errorRate: undefined, latency: { quantile: 0.95, max: '700ms', histogram: 'shop_seconds' } }

type Answer = FactData<'slo.answer'>['answer']
type Counters = Extract<Answer, { is: 'counters' }>

const hundred: Course = ms => 5_000 + Math.round(ms / 500) * 100
const total: Exposed = { part: 'total', course: hundred }
const none: Exposed = { part: 'bad', course: () => 7 }

const storyOf = (gate: object, exposed: readonly Exposed[], change: (answer: Counters, afterMs: number) => Answer = answer => answer): Story => ({
  gates: [JSON.parse(JSON.stringify(gate)) as object], load: false,
  answerAt: atMs => atMs > revertedMs ? { is: 'value', value: 0 } : { ...change({ is: 'counters', ...scrapedUntil(atMs, exposed) }, atMs - injectedMs), counted: true },
})
function judged(story: Story) {
  const judgement = judge(logOf(story))
  const [gate] = judgement.gates
  assert.ok(gate)
  return { ...gate, judgement }
}
const inconclusive = (story: Story): string => {
  const { verdict, evidence } = judged(story)
  assert.equal(verdict, 'inconclusive', evidence)
  return evidence
}

test('with enough requests counted it passes, and says how many', () => {
  const { judgement, evidence, sequential } = judged(storyOf(rateGate, [total, none]))
  assert.equal(judgement.verdict, 'passed', judgement.reasons.join('\n'))
  assert.match(evidence, /^at most 2 % failed requests, in every stretch: 0 bad of 1900 requests; E = .* of 20 needed, enough for a pass \(below 0\.1575 %\); 10 of 10 looks readable$/)
  assert.deepEqual([sequential?.bad, sequential?.total, sequential?.resets, sequential?.appeared, sequential?.badAtMost], [0, 1_900, 0, 0, undefined])
  assert.match(inconclusive(storyOf({ ...rateGate, errorRate: { max: '0.1%', ...selectors } }, [total, none])), /1095 more requests without a bad one were needed for a pass: 0 bad of 1900 do not rule out 0\.1 %/)
})

test('errors that come with a new series are a breach, dated by the scrape that had them', () => {
  const story = storyOf(rateGate, [total, { part: 'bad', course: ms => ms < 3_000 ? undefined : Math.ceil((ms - 3_000) / 500) * 50 }])
  const { verdict, evidence, breachedAtMs, sequential } = judged(story)
  assert.deepEqual([verdict, sequential?.bad, sequential?.total, sequential?.appeared], ['failed', 200, 900, 1], evidence)
  assert.match(evidence, /broken 5000 ms into the phase, with 200 bad of 900 requests; 1 series appeared; E = .* of 20 needed; the last look 50 % \(100 bad of 200 requests\)/)
  assert.equal(breachedAtMs, injectedMs + 4_750)
  const status = logOf(story).reduce(fold, emptyGates('r1'))
  assert.equal(reports(status).find(({ phase }) => phase === 'during')?.status, 'breached')
})

test('a breach after blocks without a scrape is dated all the same', () => {
  const unscraped = (course: Course): Course => ms => ms > 2_000 && ms < 4_000 ? undefined : course(ms)
  const failing: Course = ms => Math.max(0, (hundred(ms) ?? 0) - (hundred(1_750) ?? 0))
  const { verdict, evidence, breachedAtMs } = judged(storyOf(rateGate, [{ part: 'total', course: unscraped(hundred) }, { part: 'bad', course: unscraped(failing) }]))
  assert.deepEqual([verdict, breachedAtMs], ['failed', injectedMs + 5_750], evidence)
})

test('what failed before the fault, or across its begin, is not the fault\'s', () => {
  const { verdict, sequential } = judged(storyOf(rateGate, [total, { part: 'bad', course: ms => ms < 250 ? 0 : 400 }]))
  assert.deepEqual([verdict, sequential?.bad], ['passed', 0])
})

test('a reset in mid-run loses nothing but what no scrape saw', () => {
  const reset: Course = ms => ms < 4_000 ? hundred(ms) : Math.round((ms - 4_000) / 500) * 100 + 30
  const { verdict, evidence, sequential } = judged(storyOf(rateGate, [{ part: 'total', course: reset }, none]))
  assert.deepEqual([verdict, sequential?.resets], ['passed', 1], evidence)
  assert.equal(sequential?.total, 7 * 100 + (reset(4_250) ?? 0) + 11 * 100)
  assert.match(evidence, /requests; 1 reset; E = /)
})

test('a budget is spent by what the counters gained, and breached with the scrape that has one too many', () => {
  const spending = (each: number): Exposed => ({ part: 'bad', course: ms => 3 + Math.max(0, Math.round((ms - 2_250) / 500)) * each })
  const { verdict, breachedAtMs, sequential } = judged(storyOf(budgetGate, [total, spending(3)]))
  assert.deepEqual([verdict, sequential?.mostBad, sequential?.bad, breachedAtMs], ['failed', 20, 21, injectedMs + 2_250 + 7 * 500])
  const held = judged(storyOf({ ...budgetGate, requests: 3_000 }, [total, spending(1)]))
  assert.deepEqual([held.verdict, held.sequential?.bad], ['passed', 15], held.evidence)
})

test('Prometheus that does not answer for long enough ends the run as inconclusive, and an answer that fails once costs nothing', () => {
  const gone = { is: 'no-data', why: 'Prometheus at http://p did not answer the query: ECONNREFUSED' } as const
  const facts = logOf(storyOf(rateGate, [total, none], (answer, afterMs) => afterMs > 2_000 ? gone : answer))
  const during = reports(facts.reduce(fold, emptyGates('r1'))).find(({ phase }) => phase === 'during')
  assert.equal(during?.status, 'unreadable')
  assert.equal(judge(facts).verdict, 'inconclusive')
  assert.match(during.evidence, /not readable for 5000 ms 7000 ms into the phase, .*ECONNREFUSED/)
  const once = judged(storyOf(rateGate, [total, none], (answer, afterMs) => afterMs === 5_000 ? gone : answer))
  assert.deepEqual([once.verdict, once.sequential?.total], ['passed', 1_900], once.evidence)
})

test('blocks of counters are given three before they are unreadable', () => {
  const [gate] = experimentSchema.parse(document({ gates: [{ ...rateGate, block: '3s' }], load: false })).gates
  assert.deepEqual([gate?.noDataAfterMs, gate?.windowMs, gate?.source], [9_000, 5_000, 'prometheus'])
})

test('several series are counted together only where the file says so', () => {
  const pods = ['a', 'b'].flatMap((pod): Exposed[] => [{ ...total, series: `{pod="${pod}"}`, target: `{instance="${pod}"}` }, { ...none, series: `{pod="${pod}"}`, target: `{instance="${pod}"}` }])
  assert.match(inconclusive(storyOf(rateGate, pods)), /2 series of what is counted in all, not one; add series: sum/)
  assert.match(inconclusive(storyOf(rateGate, [total, none, { ...none, series: '{code="503"}' }])), /2 series of what is bad, not one/)
  const { verdict, sequential } = judged(storyOf({ ...rateGate, series: 'sum' }, pods))
  assert.deepEqual([verdict, sequential?.total], ['passed', 3_800])
})

test('a block without a fresh sample is no data, and one that a target is missing in cannot hold a limit', () => {
  const stale = (ms: number) => ms > 3_000 ? undefined : hundred(ms)
  assert.match(inconclusive(storyOf(rateGate, [{ part: 'total', course: stale }, none])), /no sample came: the counters were not scraped in it/)
  const pods: Exposed[] = [{ ...total, target: '{instance="a"}' }, { part: 'total', series: '{pod="b"}', target: '{instance="b"}', course: stale }, none]
  const { evidence, looks } = judged(storyOf({ ...rateGate, series: 'sum' }, pods))
  assert.deepEqual(looks.map(({ value }) => value), [0, 0, 0, null, 0, 0, 0, 0, 0, 0], evidence)
})

test('samples that were stored after their block are counted with the next', () => {
  const late = (answer: Counters, afterMs: number): Answer => afterMs !== 4_000 ? answer : { ...answer, series: answer.series.map(series => ({ ...series, samples: series.samples.slice(0, -1) })) }
  const { verdict, sequential, looks } = judged(storyOf(rateGate, [total, none], late))
  assert.deepEqual([verdict, sequential?.total, looks.length], ['passed', 1_900, 10])
})

test('blocks shorter than the scrape interval cannot pass, and say what to do', () => {
  assert.match(inconclusive(storyOf(rateGate, [total, none], answer => ({ ...answer, scrapeIntervalMs: 15_000 }))), /blocks of 1s are shorter than the 15s between two scrapes; give a block of 30s/)
})

test('a first block that only has what later ones are counted from is not held against the gate', () => {
  const course: Course = ms => ms > 0 && ms < 500 ? undefined : hundred(ms)
  const { verdict, evidence, looks } = judged(storyOf(rateGate, [{ part: 'total', course }, none]))
  assert.deepEqual([verdict, looks[0]?.value], ['passed', null], evidence)
})

test('with a warning of Prometheus nothing holds, but a breach is one; both are shown', () => {
  const warned = (answer: Counters): Answer => ({ ...answer, warnings: ['partial response'] })
  assert.match(inconclusive(storyOf(rateGate, [total, none], warned)), /Prometheus warned that it may not be all: partial response.*; Prometheus warned: partial response/)
  assert.equal(judged(storyOf(rateGate, [total, { part: 'bad', course: hundred }], warned)).verdict, 'failed')
})

test('a value that Prometheus warns of, as of a partial response, is a breach or nothing; a note on the expression is no such warning', () => {
  const of = (value: number, ...warnings: string[]) => judged({ gates: [{ name: 'asked', promql: { query: 'up', max: 1 } }], load: false, answerAt: atMs => ({ is: 'value', value: atMs <= revertedMs ? value : 0, ...(atMs <= revertedMs && { warnings }) }) })
  const held = of(0, 'a', 'b', 'c', 'd')
  assert.equal(held.verdict, 'inconclusive')
  assert.match(held.evidence, /no data: Prometheus warned that it may not be all: a; b; c; d; 0 of \d+ looks readable; Prometheus warned: a; b; c; it could not be read for too long$/)
  const broken = of(2, 'partial response')
  assert.deepEqual([broken.verdict, broken.evidence.endsWith('; Prometheus warned: partial response')], ['failed', true], broken.evidence)
  assert.equal(of(0, 'PromQL info: metric might not be a counter').verdict, 'passed')
})

test('what is bad must be a part of what is counted in all', () => {
  assert.match(inconclusive(storyOf(rateGate, [total, { part: 'bad', course: ms => (hundred(ms) ?? 0) * 3 }])), /600 bad of 200 requests: what bad names must be a part of what total names/)
})

test('without a bucket at the limit only the lesser count is a breach, and only the greater a pass', () => {
  const bounds = (surely: number, maybe: number): Exposed[] => [
    total, { part: 'surely-fast', series: '{of="total"}', course: ms => (hundred(ms) ?? 0) / 100 * surely }, { part: 'maybe-fast', series: '{of="total"}', course: ms => (hundred(ms) ?? 0) / 100 * maybe },
  ]
  const gap = (answer: Counters): Answer => ({ ...answer, gap: 'no bucket of shop_seconds ends at 0.7 s; it lies between 0.5 s and 1 s' })
  const open = inconclusive(storyOf(p95Gate, bounds(90, 99), gap))
  assert.match(open, /19 to 190 bad of 1900 requests; no bucket of shop_seconds ends at 0\.7 s; it lies between 0\.5 s and 1 s; E = /)
  assert.match(open, /: 19 to 190 bad of 1900 requests, which may be a pass and may be none$/)
  assert.equal(judged(storyOf(p95Gate, bounds(98, 99), gap)).verdict, 'passed')
  const broken = judged(storyOf(p95Gate, bounds(50, 60), gap))
  assert.deepEqual([broken.verdict, (broken.sequential?.badAtMost ?? 0) > (broken.sequential?.bad ?? 0)], ['failed', true])
})

test('an availability is held by its good ones', () => {
  const { verdict, looks, description } = judged(storyOf({ ...rateGate, errorRate: undefined, availability: { min: '98%', ...selectors } }, [total, none]))
  assert.deepEqual([verdict, looks[3]?.value, description], ['passed', 1, 'at least 98 % of attempted requests acknowledged, in every stretch'])
})

test('a log in any order, doubled, gives the same judgement', () => {
  const facts = logOf(storyOf({ ...rateGate, series: 'sum' }, [total, { part: 'bad', course: ms => Math.max(0, Math.round(ms / 500)) }]))
  assert.deepEqual(judge([...facts, ...facts].reverse()), judge(facts))
})

test('what the recovery of the same gate is answered at the same date is none of its own', () => {
  const story = { ...storyOf(rateGate, [total, none]), fault: 'kill' as const } // its recovery counts from the injection, as the gate does
  const facts = logOf(story).flatMap((stored): StoredFact[] => {
    if (stored.kind !== 'slo.answer') return [stored]
    const { counted, ...data } = stored.fact.data
    return counted ? [{ ...stored, fact: { ...stored.fact, data: { ...data, answer: { is: 'no-data', why: 'empty' } } } }, stored] : [stored]
  })
  const during = facts.reduce(fold, emptyGates('r1')).watches.find(({ phase }) => phase === 'during')
  assert.deepEqual([during?.tally?.total, during?.tally?.measured], [1_900, 10])
})

test('where too few scrapes tell how often they come, a block stands for the interval', () => {
  const unknown = ({ scrapeIntervalMs: _, ...answer }: Counters): Answer => answer
  assert.deepEqual([judged(storyOf(rateGate, [total, none], unknown))].map(({ verdict, sequential }) => [verdict, sequential?.total]), [['passed', 1_900]])
})

test('a service that nobody asks anything is no data, and samples that all are older than the block too', () => {
  assert.match(inconclusive(storyOf(rateGate, [{ part: 'total', course: () => 5 }, none])), /the last look no data: no request was counted/)
  const late = (answer: Counters, afterMs: number): Answer => ({ ...answer, series: answer.series.map(series => ({ ...series, samples: series.samples.filter(([ms]) => ms <= injectedMs + afterMs - 1_000) })) })
  assert.match(inconclusive(storyOf(rateGate, [total, none], late)), /the last look no data: no sample in it came; those that did are older/)
})

test('an answer of another kind than the gate asks for is none', () => {
  assert.equal(judged(storyOf(rateGate, [total, none], () => ({ is: 'value', value: 0 }))).verdict, 'inconclusive')
  assert.equal(judged(storyOf({ name: 'asked', promql: { query: 'up', max: 1 } }, [total, none])).verdict, 'inconclusive')
})

test('a breach that the samples do not show is not dated', () => {
  for (const [written, why] of [[rateGate, /not evidence enough/], [budgetGate, /do not spend the budget/]] as const) {
    const spec = experimentSchema.parse(document({ gates: [written], load: false })).gates[0]?.sequential
    assert.ok(spec?.counted.is === 'counters')
    for (const facts of [[], logOf(storyOf(written, [total, none]))]) {
      const dated = counterBreachOf(spec, spec.counted.counters, 'asked', injectedMs, facts)
      assert.match(dated.is === 'unknown' ? dated.why : '', why)
    }
  }
})

test('a sample dated by a clock that leapt does not make the dating of a breach walk through all blocks until then', () => {
  const spec = experimentSchema.parse(document({ gates: [rateGate], load: false })).gates[0]?.sequential
  assert.ok(spec?.counted.is === 'counters')
  const leaping = storyOf(rateGate, [total, { part: 'bad', course: ms => (hundred(ms) ?? 0) * 2 }], answer => ({ ...answer, series: answer.series.map(series => ({ ...series, samples: [...series.samples, [8_640_000_000_000_000, 9e9]] })) }))
  assert.equal(counterBreachOf(spec, spec.counted.counters, 'asked', injectedMs, logOf(leaping)).is, 'unknown')
})

test('the first answer is to bring what was there before, each later one what is new since a block before the last', () => {
  const spec = experimentSchema.parse(document({ gates: [rateGate], load: false })).gates[0]?.sequential
  assert.ok(spec)
  assert.deepEqual(wantedSamples(t0, spec, nothingCounted), { fromMs: t0 - 300_000, sinceMs: t0 })
  assert.deepEqual(wantedSamples(t0, spec, { ...nothingCounted, answeredMs: t0 + 4_000 }), { fromMs: t0 + 3_000, sinceMs: t0 + 3_000 })
})
