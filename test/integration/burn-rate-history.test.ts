import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { experimentSchema } from '#shared/experiment.ts'
import type { GateRule } from '#shared/gate.ts'
import { connectPrometheus, type Answer, type Prometheus } from '#shared/prometheus.ts'
import { startPrometheus } from '../parts/prometheus.ts'
import { seededRandom } from '../parts/seeded-random.ts'

/**
 * Burn rates of each kind of objective, as a real Prometheus answers them, against what is reckoned here from the same samples without PromQL: an hour of a service
 * that is well, ill, slow, without traffic and without samples in turn. A unit of time is what it was, or NaN where nobody knows; then so is every mean of it.
 */
const parts = new AsyncDisposableStack()
let prometheus: Prometheus

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const startMs = Math.floor(Date.now() / hourMs) * hourMs - 4 * hourMs
/**
 * What each minute was: w well, i ill, e just as bad as a slice may be; q without a request, - without a sample; g well and h ill, with four seconds without samples, over which Prometheus keeps a
 * value alive.
 */
const minutes = 'wwwwwwwwiiiiiiiiwwwewwwwwwwiiiiiqiiiiiiiweegwwwwww-wwwhiiiii'

interface Scrape { atMs: number; total: number; bad: number; depth: number }

/** One a second, between whole seconds, so that no sample is at the end of a slice, which Prometheus 2 and 3 count in other slices. */
const scrapes = history(seededRandom(8))
function history(random: () => number): Scrape[] {
  let [total, bad] = [1_000_000, 500_000]
  return minutes.split('').flatMap((minute, index) => Array.from({ length: 60 }, (_, second): Scrape | [] => {
    const requests = minute === 'q' ? 0 : 100
    const isIll = 'ih'.includes(minute)
    total += requests
    bad += requests * (minute === 'e' ? 0.1 : (isIll ? 0.6 : 0.04) * random())
    const depth = minute === 'e' ? [11, 13, 15].includes(second) ? 4 : 3 : (isIll ? 3 : 1) + Math.floor(3 * random())
    return minute === '-' || ('gh'.includes(minute) && second >= 20 && second < 24) ? [] : { atMs: startMs + index * minuteMs + second * 1_000 + 500, total, bad, depth }
  })).flat()
}

before(async () => {
  const series = (name: string, type: string, value: (scrape: Scrape) => number, labels = '') => [`# TYPE ${name.replace(/_total$/, '')} ${type}`, ...scrapes.map(scrape => `${name}${labels} ${value(scrape)} ${scrape.atMs / 1_000}`)]
  const text = [...series('requests_total', 'counter', ({ total }) => total), ...series('failures_total', 'counter', ({ bad }) => bad), ...series('depth', 'gauge', ({ depth }) => depth), '# EOF\n'].join('\n')
  const { url } = parts.use(await startPrometheus([], { history: text }))
  prometheus = connectPrometheus({ url })
  parts.defer(() => prometheus.close())
})
after(() => parts.disposeAsync())

/** Whatever the unit is: how much of it was bad. */
type BadUnit = (endMs: number) => number

const within = (afterMs: number, untilMs: number) => scrapes.filter(({ atMs }) => atMs > afterMs && atMs <= untilMs)
/** Of whole units that end in the window. */
function meanOf(unit: BadUnit, unitMs: number, endMs: number, windowMs: number): number {
  let [sum, count] = [0, 0]
  for (let atMs = Math.floor(endMs / unitMs) * unitMs; atMs > endMs - windowMs; atMs -= unitMs) {
    sum += unit(atMs)
    count++
  }
  assert.equal(count, windowMs / unitMs)
  return sum / count
}

function shareOfMinute(endMs: number): number {
  const samples = within(endMs - minuteMs, endMs)
  const [first, last] = [samples[0], samples.at(-1)]
  return first && last ? (last.bad - first.bad) / (last.total - first.total) : NaN // 0 / 0 without traffic, or with one sample
}
const stepMs = 2_000
/** `depth` must be below 4. */
const isDeep: BadUnit = endMs => {
  const last = within(endMs - stepMs, endMs).at(-1)
  return last ? Number(last.depth >= 4) : NaN
}
const deepTime: BadUnit = endMs => meanOf(isDeep, stepMs, endMs, minuteMs)
const isMore = (share: number, limit: number) => Number.isNaN(share) ? NaN : Number(share > limit + 1e-9)

const from = (query: string) => ({ metricSource: { type: 'Prometheus', spec: { query } } })
const ratio = { ratioMetric: { counter: true, bad: from('failures_total'), total: from('requests_total') } }
const threshold = { thresholdMetric: from('sum(depth)') }
const slices = { timeSliceTarget: 0.9, timeSliceWindow: '1m' }

function ruleOf(budgetingMethod: string, spec: object, objective: object, written: object): GateRule {
  const document = { apiVersion: 'openslo/v1', kind: 'SLO', metadata: { name: 'held' }, spec: { budgetingMethod, indicator: { spec }, objectives: [{ target: 0.8, ...objective }] } }
  const { gates: [gate] } = experimentSchema.parse({
    apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'held' }, faults: [], hold: '1h', slos: [{ documents: [document] }],
    gates: [{ name: 'budget', burnRate: { slo: 'held', max: 1.5, ...written } }],
  })
  return gate?.rule ?? assert.fail('it has a gate')
}

const kinds: { name: string; rule: GateRule; unit: BadUnit; unitMs: number }[] = [
  {
    name: 'Timeslices of a ratioMetric', unitMs: minuteMs, unit: endMs => isMore(shareOfMinute(endMs), 0.1),
    rule: ruleOf('Timeslices', ratio, slices, { long: '6m', short: '1m' }),
  },
  {
    name: 'RatioTimeslices of a ratioMetric', unitMs: minuteMs, unit: shareOfMinute,
    rule: ruleOf('RatioTimeslices', ratio, { target: 0.9, timeSliceWindow: '1m' }, { long: '6m', short: '2m' }),
  },
  {
    name: 'Occurrences of a thresholdMetric', unitMs: stepMs, unit: isDeep,
    rule: ruleOf('Occurrences', threshold, { op: 'lt', value: 4 }, { long: '1m', short: '10s', step: '2s' }),
  },
  {
    name: 'Timeslices of a thresholdMetric', unitMs: minuteMs, unit: endMs => isMore(deepTime(endMs), 0.1),
    rule: ruleOf('Timeslices', threshold, { op: 'lt', value: 4, ...slices }, { long: '6m', short: '1m', step: '2s' }),
  },
  {
    name: 'RatioTimeslices of a thresholdMetric', unitMs: minuteMs, unit: deepTime,
    rule: ruleOf('RatioTimeslices', threshold, { op: 'lt', value: 4, timeSliceWindow: '1m' }, { long: '6m', short: '1m', step: '2s' }),
  },
]

/** Of the budget of each kind: how many times as fast as it may it burns. */
const budgetOf = (rule: GateRule) => Number(/\((\d+) %/.exec(rule.description)?.[1]) / 100
const numberIn = (answer: Answer) => answer.is === 'value' ? answer.value : NaN
const isNear = (a: number, b: number) => Number.isNaN(a) ? Number.isNaN(b) : Math.abs(a - b) < 1e-9

for (const { name, rule, unit, unitMs } of kinds) {
  test(`${name}: each window's burn is the mean of its whole units over the budget, above the limit and below; a gap in one of them is no data`, async () => {
    const looks = Array.from({ length: 48 }, (_, index) => startMs + 10 * minuteMs + index * 61_234).map((atMs, index) => index % 5 === 0 ? Math.floor(atMs / minuteMs) * minuteMs : atMs)
    const seen = { above: 0, below: 0, unknown: 0 }
    for (const atMs of looks) {
      const burns = await Promise.all((rule.ranges ?? []).map(async ({ windowMs, query }) => {
        const reckoned = meanOf(unit, unitMs, atMs, windowMs) / budgetOf(rule)
        const answer = await prometheus.ask(query, atMs, { freshForMs: 5_000 })
        assert.ok(isNear(numberIn(answer), reckoned), `over ${windowMs} ms at ${atMs - startMs} ms: ${JSON.stringify(answer)}, but it is ${reckoned}`)
        return reckoned
      }))
      const least = Math.min(...burns)
      assert.ok(isNear(numberIn(await prometheus.ask(rule.query({ run: 'r', windowMs: 0 }), atMs, { freshForMs: 5_000 })), least), `the lesser at ${atMs - startMs} ms`)
      seen[Number.isNaN(least) ? 'unknown' : least > rule.limit.value ? 'above' : 'below']++
    }
    assert.ok(Math.min(...Object.values(seen)) >= 3, `not enough of each was looked at: ${JSON.stringify(seen)}`)
  })
}

test('a slice of which just as much was good as must be is good, whatever binary fractions make of it', async () => {
  const burnOf = async (good: number) => {
    const rule = ruleOf('Timeslices', { ratioMetric: { rawType: 'success', raw: from(`vector(${good})`) } }, { ...slices, timeSliceTarget: 0.95 }, { long: '6m', short: '1m' })
    return numberIn(await prometheus.ask(rule.query({ run: 'r', windowMs: 0 }), startMs + 10 * minuteMs, { freshForMs: 5_000 }))
  }
  assert.deepEqual(await Promise.all([0.9501, 0.95, 0.9499].map(burnOf)), [0, 0, 5])
})

test('at its value, and on both sides of it, an operator is met or missed as it says; several values and none are no data', async () => {
  const burnOf = async (query: string, op: string) => {
    const rule = ruleOf('Occurrences', { thresholdMetric: from(query) }, { op, value: -3 }, { long: '1m', short: '10s' })
    return numberIn(await prometheus.ask(rule.query({ run: 'r', windowMs: 0 }), startMs + 5 * minuteMs, { freshForMs: 5_000 })) * budgetOf(rule)
  }
  for (const [op, burns] of Object.entries({ lte: [0, 0, 1], lt: [0, 1, 1], gte: [1, 0, 0], gt: [1, 1, 0] })) {
    const found = await Promise.all(['vector(-3.1)', 'vector(-3)', 'vector(1 / 0)'].map(query => burnOf(query, op)))
    assert.ok(found.every((burn, index) => isNear(burn, burns[index] ?? NaN)), `${op}: ${found.join(', ')}`)
    for (const query of ['sum(nowhere)', 'vector(0 / 0)', '{__name__=~"depth|requests_total"}']) assert.ok(Number.isNaN(await burnOf(query, op)), `${op} of ${query}`)
  }
})
