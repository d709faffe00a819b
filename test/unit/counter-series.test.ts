import assert from 'node:assert/strict'
import { test } from 'node:test'
import { counterQueries, histogramSeries, pairSeries, scrapeIntervalMs, sinceThen, type DatedValue, type StoredSeries } from '#shared/counter-series.ts'
import { promqlProblem } from '#shared/promql.ts'

const limit = { budget: 0.05, description: '' }
const p95 = (maxMs: number, histogram = 'shop_seconds') => ({ is: 'histogram' as const, histogram, maxMs, ...limit })
const stored = (labels: Record<string, string>, ...samples: DatedValue[]): StoredSeries => ({ labels, samples, histograms: [] })
const bucket = (le: string, value: number, more: Record<string, string> = {}) => stored({ __name__: 'shop_seconds_bucket', le, job: 'shop', instance: 'a:1', ...more }, [1_000, value])
const shop = [bucket('0.25', 60), bucket('0.5', 80), bucket('1.0', 90), bucket('+Inf', 100)]
const partsOf = (maxMs: number, series: readonly StoredSeries[]) => histogramSeries(p95(maxMs), series).series.map(({ part, samples }) => [part, samples[0]?.[1]])

test('raw samples are asked for, of a histogram those of either kind in one query', () => {
  const pair = { is: 'pair' as const, total: 'a{x="1"}', bad: 'b', ...limit }
  assert.deepEqual(counterQueries(pair, 30_000), ['a{x="1"}[30000ms]', 'b[30000ms]'])
  assert.deepEqual(counterQueries(p95(500, 'shop_seconds{job="shop",}'), 5_000), ['{__name__=~"shop_seconds|shop_seconds_bucket",job="shop"}[5000ms]'])
  assert.deepEqual(counterQueries(p95(500), 5_000), ['{__name__=~"shop_seconds|shop_seconds_bucket"}[5000ms]'])
  for (const query of [...counterQueries(pair, 1), ...counterQueries(p95(1, 'x{a="b"}'), 1)]) assert.equal(promqlProblem(query), undefined)
})

test('a bucket that ends at the limit says exactly how many were fast, however its bound is written', () => {
  assert.deepEqual(partsOf(500, shop), [['total', 100], ['fast', 80]])
  assert.deepEqual(partsOf(1_000, shop), [['total', 100], ['fast', 90]])
  assert.equal(histogramSeries(p95(500), shop).gap, undefined)
})

test('between two buckets there are two bounds, and the gap is named', () => {
  assert.deepEqual(partsOf(700, shop), [['total', 100], ['surely-fast', 80], ['maybe-fast', 90]])
  assert.equal(histogramSeries(p95(700), shop).gap, 'no bucket of shop_seconds ends at 0.7 s; it lies between 0.5 s and 1 s')
  assert.deepEqual(partsOf(100, shop), [['total', 100], ['maybe-fast', 60]])
  assert.equal(histogramSeries(p95(100), shop).gap, 'no bucket of shop_seconds ends at 0.1 s; it lies between 0 s and 0.25 s')
  assert.deepEqual(partsOf(2_000, shop), [['total', 100], ['surely-fast', 90], ['maybe-fast', 100]])
  assert.equal(histogramSeries(p95(2_000), shop).gap, 'no bucket of shop_seconds ends at 2 s; it lies between 1 s and infinity')
})

test('each histogram is cut by itself, and its buckets bear one name', () => {
  const other = [bucket('0.7', 7, { instance: 'b:1' }), bucket('+Inf', 9, { instance: 'b:1' })]
  const { series } = histogramSeries(p95(700), [...shop, ...other])
  assert.deepEqual(series.map(({ part, series: name }) => `${part} ${name}`), [
    'total {instance="a:1",job="shop"}', 'surely-fast {instance="a:1",job="shop"}', 'maybe-fast {instance="a:1",job="shop"}', 'total {instance="b:1",job="shop"}', 'fast {instance="b:1",job="shop"}',
  ])
  assert.deepEqual(partsOf(700, shop.slice(0, 3)), [], 'without +Inf nobody knows the total')
  assert.deepEqual(partsOf(700, [stored({ __name__: 'shop_seconds_bucket' }, [1, 1]), stored({ __name__: 'shop_seconds' }, [1, 1])]), [])
})

test('a native histogram has bounds too, and classic buckets win where there are both', () => {
  const buckets = [{ lower: -0.001, upper: 0.001, count: 1 }, { lower: 0.4, upper: 0.5, count: 2 }, { lower: 0.5, upper: 0.6, count: 3 }, { lower: 0.6, upper: 0.8, count: 4 }]
  const native: StoredSeries = { labels: { __name__: 'shop_seconds', job: 'shop' }, samples: [], histograms: [[1_000, { count: 10, buckets }]] }
  assert.deepEqual(partsOf(500, [native]), [['total', 10], ['surely-fast', 3], ['maybe-fast', 3]])
  assert.equal(histogramSeries(p95(500), [native]).gap, undefined)
  assert.deepEqual(partsOf(700, [native]), [['total', 10], ['surely-fast', 6], ['maybe-fast', 10]])
  assert.equal(histogramSeries(p95(700), [native]).gap, 'no bucket of shop_seconds ends at 0.7 s; it lies between 0.6 s and 0.8 s')
  assert.deepEqual(partsOf(500, [native, ...shop]), [['total', 100], ['fast', 80]])
})

test('a series is told from the others by its labels, a target by job and instance, and what is no count is left out', () => {
  const [series] = pairSeries('bad', [stored({ __name__: 'x_total', le: '1', code: '5"0', job: 'shop', instance: 'a:1' }, [1, Number.NaN], [2, -1], [3, Infinity], [4, 0], [5, 2.5])])
  assert.deepEqual(series, { part: 'bad', series: '{code="5\\"0",instance="a:1",job="shop",le="1"}', target: '{instance="a:1",job="shop"}', samples: [[4, 0], [5, 2.5]] })
})

test('of what was before, the last sample is kept', () => {
  const [series] = pairSeries('total', [stored({}, [1, 1], [2, 2], [3, 3])])
  assert.ok(series)
  assert.deepEqual([0, 1, 2, 2.5, 9].map(sinceMs => sinceThen(series, sinceMs).samples.map(([ms]) => ms)), [[1, 2, 3], [1, 2, 3], [2, 3], [2, 3], [3]])
})

test('the scrape interval is that of the series that is scraped least often, whatever single scrapes were missed', () => {
  const every = (seconds: number, ...missing: number[]) => stored({ i: String(seconds) }, ...Array.from({ length: 6 }, (_, index): DatedValue => [index * seconds * 1_000, 0]).filter((_, index) => !missing.includes(index)))
  assert.equal(scrapeIntervalMs(pairSeries('total', [every(1), every(15, 2)])), 15_000)
  assert.equal(scrapeIntervalMs(pairSeries('total', [stored({}, [0, 0], [9, 9])])), undefined)
  assert.equal(scrapeIntervalMs(pairSeries('bad', [every(1)])), undefined)
})
