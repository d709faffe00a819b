import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CounterSeries } from '#shared/counter-series.ts'
import { planEProcess } from '#shared/e-process.ts'
import type { FactData } from '#shared/events.ts'
import { experimentSchema } from '#shared/experiment.ts'
import { emptyGates, fold, reports } from '#shared/gate-core.ts'
import { looksOf } from '#shared/look-record.ts'
import { judge } from '#shared/verdict.ts'
import { counterBreachOf } from '#shared/verdict-breach-counters.ts'
import { planInCluster } from '../../services/cli/plan/experiment-plan.ts'
import { evidenceWarnings } from '../../services/cli/plan/evidence-warnings.ts'
import { tellFact } from '../../services/cli/timeline.ts'
import { printReportHtml } from '../../services/cli/report/report-html.ts'
import { printReportMarkdown } from '../../services/cli/report/report-markdown.ts'
import { reportOf } from '../../services/cli/report/run-report.ts'
import { scrapedUntil, type Course, type Exposed } from '../parts/scraped-counters.ts'
import { document, injectedMs, LogBuilder, logOf, revertedMs, t0, type Story } from '../parts/verdict-log-builder.ts'

/** The fault lasts five blocks of two seconds. Each arm is scraped every 500 ms: the gate's own at 250 and 750, the control 150 ms later. */
const own = { total: 'all{zone="a"}', bad: 'bad{zone="a"}' }
const control = { total: 'all{zone="b"}', bad: 'bad{zone="b"}' }
const alone = { name: 'asked', limit: 'rate', block: '2s', errorRate: { max: '2%', ...own } }
const controlled = { ...alone, control }

type Answer = FactData<'slo.answer'>['answer']
type Counters = Extract<Answer, { is: 'counters' }>

const hundred = (ms: number) => 5_000 + Math.round(ms / 500) * 100
const total: Exposed = { part: 'total', course: hundred }
const bad = (course: Course): Exposed => ({ part: 'bad', course })
const none = bad(() => 7)
/** This share of the hundred requests of each scrape. */
const always = (share: number) => bad(ms => hundred(ms) * share)
/** From then on. */
const from = (sinceMs: number, share: number) => bad(ms => Math.max(0, hundred(ms) - hundred(sinceMs)) * share)

const storyOf = (gate: object, owns: readonly Exposed[], others: readonly Exposed[], change: (answer: Counters, afterMs: number) => Answer = answer => answer): Story => ({
  gates: [JSON.parse(JSON.stringify(gate)) as object], load: false,
  answerAt(atMs) {
    if (atMs > revertedMs) return { is: 'value', value: 0 }
    const arm = (exposed: readonly Exposed[], offsetMs: number) => scrapedUntil(atMs, exposed, { offsetMs, backMs: 4_500 })
    return { ...change({ is: 'counters', ...arm(owns, 250), control: arm(others, 400) }, atMs - injectedMs), counted: true }
  },
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

test('where neither arm has trouble it passes, and says how many requests of either that takes', () => {
  const { judgement, evidence, sequential } = judged(storyOf(controlled, [total, none], [total, none]))
  assert.equal(judgement.verdict, 'passed', judgement.reasons.join('\n'))
  assert.match(evidence, /^bad requests at most 2 % above the control, in every stretch \(by itself: at most 2 % failed requests\): 0 bad of 1900 against the control's 0 bad of 1900 requests; E = .* of 20 needed, enough for a pass \(less than 0\.\d+ % above the control\); 5 of 5 looks readable$/)
  assert.deepEqual(sequential?.control, { bad: 0, total: 1_900, compared: 1_800 })
  const seldom = storyOf({ ...controlled, errorRate: { max: '0.2%', ...own } }, [total, none], [total, none])
  assert.match(inconclusive(seldom), /570 more requests of either arm without a bad one were needed for a pass: 0 bad of 1900 against the control's 0 bad of 1900 do not rule out 0\.2 % more than in the control/)
})

test('noise on both arms is neither a breach nor a pass, though a gate without a control takes it for one', () => {
  const noisy = storyOf(controlled, [total, always(0.3)], [total, always(0.3)])
  assert.match(inconclusive(noisy), /570 bad of 1900 against the control's 570 bad of 1900 requests; E = \S+ of 20 needed, 1800 of \d+ requests of either arm for a pass/)
  assert.equal(judged({ ...noisy, gates: [alone] }).verdict, 'failed')
})

test('trouble of its own alone is a breach, in the midst of noise too, dated by the scrape that had it', () => {
  for (const [mine, theirs, badByThen] of [[from(3_000, 0.5), none, 100], [bad(ms => (from(3_000, 0.5).course(ms) ?? 0) + hundred(ms) * 0.1), always(0.1), 170]] as const) {
    const story = storyOf(controlled, [total, mine], [total, theirs])
    const { verdict, evidence, breachedAtMs, sequential } = judged(story)
    assert.deepEqual([verdict, sequential?.bad, sequential?.total], ['failed', badByThen, 700], evidence)
    assert.match(evidence, /broken 4000 ms into the phase, with \d+ bad of 700 against the control's \d+ bad of 700 requests; E = .* of 20 needed; the last look 3\d\.\d+ % above the control \(1\d+ bad of 300 requests against \d+ of 400\)/)
    assert.equal(breachedAtMs, injectedMs + 3_750)
    assert.equal(reports(logOf(story).reduce(fold, emptyGates('r1'))).find(({ phase }) => phase === 'during')?.status, 'breached')
  }
})

test('noise that comes between the scrapes of one arm and the other is not taken for trouble of its own', () => {
  const burst = (ms: number) => ms > 1_880 ? 100 : 0 // seen by the control in the first block, at 1,900, and by the gate in the second, at 2,250
  const { verdict, evidence, looks } = judged(storyOf(controlled, [total, bad(burst)], [total, bad(burst)]))
  assert.notEqual(verdict, 'failed', evidence)
  assert.deepEqual(looks.map(({ value }) => value), [-1 / 3, 0, 0, 0, 0])
})

test('a control that has no requests, or is not scraped, lets nothing pass', () => {
  assert.match(inconclusive(storyOf(controlled, [total, none], [{ part: 'total', course: () => 5 }, none])), /the last look no data: control: no request was counted/)
  assert.match(inconclusive(storyOf(controlled, [total, from(3_000, 0.5)], [{ part: 'total', course: () => 5 }, none])), /control: no request was counted/, 'nor is anything broken then')
  assert.match(inconclusive(storyOf(controlled, [total, none], [{ part: 'total', course: ms => ms > 3_000 ? undefined : hundred(ms) }, none])), /control: no sample came/)
  assert.match(inconclusive(storyOf(controlled, [{ part: 'total', course: () => 5 }, none], [total, none])), /the last look no data: no request was counted/)
})

test('a control that could not be asked, or was not, is no data', () => {
  assert.match(inconclusive(storyOf(controlled, [total, none], [total, none], () => ({ is: 'no-data', why: 'control: no series of all{zone="b"} has a sample then' }))), /control: no series of all\{zone="b"\} has a sample then/)
  assert.match(inconclusive(storyOf(controlled, [total, none], [total, none], ({ control: _, ...answer }) => answer)), /control: it was not asked for/)
  const once = judged(storyOf({ ...controlled, block: '1s' }, [total, none], [total, none], (answer, afterMs) => afterMs === 4_000 ? { is: 'no-data', why: 'gone' } : answer))
  assert.deepEqual([once.sequential?.total, once.sequential?.control?.total], [1_900, 1_900], 'the next answer brings what this one should have, of both')
})

test('with a warning about the control nothing is broken and nothing holds', () => {
  const warned = (answer: Counters): Answer => ({ ...answer, ...(answer.control && { control: { ...answer.control, warnings: ['partial response'] } }) })
  for (const mine of [none, from(3_000, 0.5)]) assert.match(inconclusive(storyOf(controlled, [total, mine], [total, none], warned)), /control: Prometheus warned that it may not be all: partial response/)
})

test('with a warning about its own counters it can be broken, but not hold', () => {
  const warned = (answer: Counters): Answer => ({ ...answer, warnings: ['partial response'] })
  assert.match(inconclusive(storyOf(controlled, [total, none], [total, none], warned)), /Prometheus warned that it may not be all/)
  assert.equal(judged(storyOf(controlled, [total, always(0.5)], [total, none], warned)).verdict, 'failed')
})

test('several series of the control are counted together only where the file says so', () => {
  const pods = ['a', 'b'].flatMap((pod): Exposed[] => [{ ...total, series: `{pod="${pod}"}`, target: `{instance="${pod}"}` }, { ...none, series: `{pod="${pod}"}`, target: `{instance="${pod}"}` }])
  assert.match(inconclusive(storyOf(controlled, [total, none], pods)), /control: 2 series of what is counted in all, not one; add series: sum/)
  const { verdict, sequential } = judged(storyOf({ ...controlled, series: 'sum' }, [total, none], pods))
  assert.deepEqual([verdict, sequential?.control?.total], ['passed', 3_800])
})

test('what is bad in the control must be a part of it, and blocks must hold scrapes of both', () => {
  assert.match(inconclusive(storyOf(controlled, [total, none], [total, always(3)])), /control: 1200 bad of 400 requests: what bad names must be a part of what total names/)
  const everySecond = ({ course, ...rest }: Exposed): Exposed => ({ ...rest, course: ms => Math.floor(ms / 500) % 2 === 0 ? course(ms) : undefined })
  const seldom = [total, none].map(everySecond)
  assert.match(inconclusive(storyOf({ ...controlled, block: '1s' }, seldom, seldom)), /no scrape of it began and ended between two of the control; give a block of four scrape intervals or more/)
})

test('an availability and a latency are compared by their bad requests', () => {
  const up = storyOf({ ...controlled, errorRate: undefined, availability: { min: '98%', ...own } }, [total, none], [total, none])
  assert.deepEqual([judged(up).verdict, judged(up).looks[2]?.value, judged(storyOf({ ...controlled, errorRate: undefined, availability: { min: '98%', ...own } }, [total, always(0.5)], [total, none])).verdict], ['passed', 0, 'failed'])
  const slow = { ...alone, errorRate: undefined, latency: { quantile: 0.95, max: '700ms', histogram: 'seconds{zone="a"}' }, control: { histogram: 'seconds{zone="b"}' } }
  const fast = (share: number, part: CounterSeries['part'] = 'fast'): Exposed => ({ part, series: '{of="total"}', course: ms => hundred(ms) * share })
  assert.equal(judged(storyOf(slow, [total, fast(0.9)], [total, fast(0.9)])).verdict, 'passed', 'a tenth of both is slow, which is no matter with so many')
  assert.equal(judged(storyOf(slow, [total, fast(0.5)], [total, fast(0.9)])).verdict, 'failed')
  const open = (surely: number, maybe: number) => [total, fast(surely, 'surely-fast'), fast(maybe, 'maybe-fast')]
  const unclear = judged(storyOf(slow, open(0.8, 1), open(0.8, 1)))
  assert.equal(unclear.verdict, 'inconclusive', 'either arm may have a fifth more than the other')
  assert.match(unclear.evidence, /0 to 380 bad of 1900 against the control's 0 to 380 bad of 1900 requests/)
  assert.deepEqual(unclear.sequential?.control, { bad: 0, badAtMost: 380, total: 1_900, compared: 1_800 })
})

test('what one arm has of a time in which the other has nothing waits for it', () => {
  const pausing: Exposed = { part: 'total', course: ms => hundred(ms > 1_300 && ms < 4_100 ? 900 : ms) } // the control is idle for all of the second block, and then makes up for it
  const { verdict, sequential } = judged(storyOf(controlled, [total, none], [pausing, none]))
  assert.equal(verdict, 'inconclusive', 'one of five blocks could not be compared')
  assert.equal(sequential?.control?.compared, 100 + 800 + 400 + 400)
})

test('a log in any order, doubled, gives the same judgement, and its state is plain JSON', () => {
  const facts = logOf(storyOf({ ...controlled, series: 'sum' }, [total, always(0.05)], [total, always(0.04)]))
  assert.deepEqual(judge([...facts, ...facts].reverse()), judge(facts))
  for (const { tally } of facts.reduce(fold, emptyGates('r1')).watches) assert.deepEqual(JSON.parse(JSON.stringify(tally)), tally)
})

test('every look is on record with the counts of both arms', () => {
  const looks = looksOf(logOf(storyOf(controlled, [total, always(0.05)], [total, always(0.04)]))).filter(({ phase }) => phase === 'during')
  assert.equal(looks.length, 5)
  const [first] = looks
  assert.ok(first?.measurement.is === 'measured' && first.eValue !== undefined)
  assert.deepEqual([first.bad, first.total, first.control, first.measurement.bad, first.measurement.total, first.measurement.control], [15, 300, { bad: 12, total: 300 }, 10, 200, { bad: 12, total: 300 }])
})

test('a breach that the samples of both arms do not show is not dated', () => {
  const spec = experimentSchema.parse(document({ gates: [controlled], load: false })).gates[0]?.sequential
  assert.ok(spec?.counted.is === 'counters')
  const noisy = logOf(storyOf(controlled, [total, always(0.3)], [total, always(0.3)]))
  const lostControl = logOf(storyOf(controlled, [total, from(4_000, 0.5)], [total, none], ({ control: other, ...answer }) => (
    { ...answer, control: other && { ...other, series: other.series.map(series => ({ ...series, samples: series.samples.filter(([atMs]) => atMs < injectedMs + 4_000) })) } })))
  for (const facts of [[], noisy, lostControl]) {
    const dated = counterBreachOf(spec, spec.counted.counters, 'asked', injectedMs, facts)
    assert.match(dated.is === 'unknown' ? dated.why : '', /not evidence enough/)
  }
})

test('where nobody planned how many blocks there are, the breach is dated all the same', () => {
  const spec = experimentSchema.parse(document({ gates: [controlled], load: false })).gates[0]?.sequential
  assert.ok(spec?.counted.is === 'counters' && spec.limit.is === 'rate')
  const unplanned = { ...spec, limit: { ...spec.limit, plan: planEProcess(spec.limit.plan.p0) } }
  const dated = counterBreachOf(unplanned, spec.counted.counters, 'asked', injectedMs, logOf(storyOf(controlled, [total, from(3_000, 0.5)], [total, none])))
  assert.deepEqual(dated, { is: 'dated', atMs: injectedMs + 3_750, clocks: [] })
})

test('the recovery of such a gate is asked of both arms too', () => {
  const [gate] = experimentSchema.parse(document({ gates: [controlled], load: false })).gates
  const share = (zone: string) => `((sum(increase(bad{zone="${zone}"}[2000ms])) or 0 * sum(increase(bad{zone!=""}[2000ms]))) / sum(increase(all{zone="${zone}"}[2000ms])))`
  assert.equal(gate?.rule.query({ run: 'r1', windowMs: 2_000 }), `${share('a')} - ${share('b')}`)
  const [slow] = experimentSchema.parse(document({ gates: [{ ...alone, errorRate: undefined, latency: { quantile: 0.95, max: '700ms', histogram: 'seconds{zone="a"}' }, control: { histogram: 'seconds{zone="b"}' } }], load: false })).gates
  assert.match(slow?.rule.query({ run: 'r1', windowMs: 2_000 }) ?? '', /^\(1 - .*zone="a".*\) - \(1 - .*zone="b".*\)$/)
  assert.deepEqual([gate?.rule.limit, slow?.rule.limit.value], [{ value: 0.02, breaksWhen: 'above', unit: 'ratio' }, 0.05])
})

test('plan and reports say what it is compared with, and what a pass takes of either arm', () => {
  const experiment = experimentSchema.parse(document({ gates: [controlled], load: false }))
  const [planned] = planInCluster(experiment, []).gates
  assert.deepEqual([planned?.limit?.pass, planned?.promql?.split('\n').length], ['takes 235 requests of either arm if none is bad, and more with each that is', 4])
  assert.match(evidenceWarnings(experiment).map(({ says }) => says).join('\n'), /to pass needs 235 requests of either arm: 24 a second for 10s/)
  const facts = logOf(storyOf(controlled, [total, from(3_000, 0.5)], [total, none]))
  const report = reportOf(facts, judge(facts))
  for (const text of [printReportMarkdown(report), printReportHtml(report)]) assert.match(text, /100 bad of 700 against the control(?:'|&#39;|&#x27;|&apos;)s 0 bad of 700/)
  const [stored] = new LogBuilder().add('gate.status', {
    gate: 'asked', phase: 'during', status: 'breaking', lookEndMs: t0, atMs: t0, evidence: 'E = 12 of 20 needed', measurement: { is: 'measured', value: 0.1, breaks: true, bad: 12, total: 100, control: { bad: 2, total: 100 } },
  }).facts
  assert.match(stored ? tellFact(stored, { startedMs: t0, experiment })?.text ?? '' : '', /E = 12 of 20 needed/)
})

test('an answer of before there were controls is still read, by gates that have none', () => {
  const old = logOf(storyOf(alone, [total, none], [total, none], ({ control: _, ...answer }) => answer))
  assert.equal(judge(old).verdict, 'passed')
})
