import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { countGrowth, grow, nothingSeen, type SeenCounters } from '#shared/counter-growth.ts'
import { sinceThen, type CounterSeries, type DatedValue } from '#shared/counter-series.ts'

const shop = '{instance="10.0.0.1:80",job="shop"}'
const one = (part: CounterSeries['part'], samples: DatedValue[], { series = '{}', target = shop } = {}): CounterSeries => ({ part, series, target, samples })
/** Scrapes are a second apart, and what is asked about began at 10 s. */
const moment = { fromMs: 10_000, intervalMs: 1_000 }
const at = (seconds: number, value: number): DatedValue => [seconds * 1_000, value]
const added = (answer: readonly CounterSeries[], part: CounterSeries['part'] = 'total', seen: SeenCounters = nothingSeen) =>
  grow(seen, answer, moment).grown.flatMap(growth => growth.part === part ? [[growth.is, growth.added]] : [])

test('what a counter had before the moment is not counted, nor what it gained across it', () => {
  assert.deepEqual(added([one('total', [at(8.5, 100), at(9.5, 110), at(10.5, 125), at(11.5, 130)])]), [['begun', 0], ['begun', 0], ['begun', 0], ['grown', 5]])
  assert.deepEqual(added([one('total', [at(9.5, 110), at(10.5, 3), at(11.5, 7)])]), [['begun', 0], ['begun', 0], ['grown', 4]], 'nor when it was reset across it')
  assert.deepEqual(added([one('total', [at(10, 110), at(11, 115)])]), [['begun', 0], ['grown', 5]], 'a sample of the very moment is what is counted from')
})

test('a reset adds what has come since', () => {
  assert.deepEqual(added([one('total', [at(10.5, 100), at(11.5, 104), at(12.5, 3), at(13.5, 3)])]), [['begun', 0], ['grown', 4], ['reset', 3], ['grown', 0]])
})

test('a series that appears with its first error counts from 0 when its target was scraped without it since the moment', () => {
  const total = one('total', [at(9.5, 100), at(10.5, 110), at(11.5, 120), at(12.5, 130)])
  const appearing = (...samples: DatedValue[]) => added([total, one('bad', samples, { series: '{code="500"}' })], 'bad')
  assert.deepEqual(appearing(at(11.5, 4), at(12.5, 6)), [['appeared', 4], ['grown', 2]])
  assert.deepEqual(appearing(at(10.5, 4), at(11.5, 6)), [['begun', 0], ['grown', 2]], 'its first errors may have been before the moment')
})

test('a target that nobody knew counts from 0 once it would have been scraped since the moment', () => {
  const born = { target: '{instance="10.0.0.2:80",job="shop"}' }
  assert.deepEqual(added([one('total', [at(10.5, 40), at(11.5, 50)], born)]), [['begun', 0], ['grown', 10]])
  assert.deepEqual(added([one('total', [at(11, 40), at(12, 50)], born)]), [['appeared', 40], ['grown', 10]])
})

test('bad ones that are a scrape ahead of the total wait for it', () => {
  const total = one('total', [at(10.5, 100), at(11.5, 110)])
  const bad = one('bad', [at(10.5, 0), at(11.5, 1), at(12.5, 9)])
  const first = grow(nothingSeen, [total, bad], moment)
  assert.deepEqual(countGrowth({ is: 'pair' }, first.grown), { total: 10, bad: 1, badAtMost: 1 })
  const second = grow(first.seen, [one('total', [at(12.5, 120)]), bad], moment)
  assert.deepEqual(countGrowth({ is: 'pair' }, second.grown), { total: 10, bad: 8, badAtMost: 8 })
  const alone = grow(first.seen, [one('bad', [at(10.5, 0), at(11.5, 0), at(12.5, 2)], { series: '{job="gateway"}', target: '{job="gateway"}' })], moment)
  assert.equal(countGrowth({ is: 'pair' }, alone.grown).bad, 2, 'of another target than the total\'s they need not')
  assert.equal(countGrowth({ is: 'pair' }, grow(alone.seen, [one('bad', [at(13.5, 5)], { series: '{job="gateway"}', target: '{job="gateway"}' })], moment).grown).bad, 3)
})

test('buckets are reset with their histogram, and one that shrinks alone speaks for neither side', () => {
  const counts = (...series: CounterSeries[]) => countGrowth({ is: 'histogram' }, grow(nothingSeen, series, moment).grown)
  assert.deepEqual(counts(one('total', [at(10.5, 100), at(11.5, 110)]), one('fast', [at(10.5, 90), at(11.5, 97)])), { total: 10, bad: 3, badAtMost: 3 })
  const total = one('total', [at(10.5, 100), at(11.5, 110)])
  assert.deepEqual(counts(total, one('surely-fast', [at(10.5, 80), at(11.5, 86)]), one('maybe-fast', [at(10.5, 90), at(11.5, 98)])), { total: 10, bad: 2, badAtMost: 4 })
  assert.deepEqual(counts(total, one('maybe-fast', [at(10.5, 90), at(11.5, 98)])), { total: 10, bad: 2, badAtMost: 10 }, 'without a bucket below all may be slow')
  assert.deepEqual(counts(total, one('surely-fast', [at(10.5, 80), at(11.5, 60)]), one('maybe-fast', [at(10.5, 90), at(11.5, 70)])), { total: 10, bad: 0, badAtMost: 10 })
  assert.deepEqual(counts(total, one('surely-fast', [at(10.5, 20), at(11.5, 80)]), one('maybe-fast', [at(10.5, 90), at(11.5, 95)])), { total: 10, bad: 5, badAtMost: 0 }, 'no more can be fast than there were')
  assert.deepEqual(counts(one('total', [at(10.5, 100), at(11.5, 20)]), one('fast', [at(10.5, 5), at(11.5, 12)])), { total: 20, bad: 8, badAtMost: 8 }, 'greater than before, and reset all the same')
  assert.deepEqual(counts(one('total', [at(9.5, 100), at(10.5, 120)]), one('fast', [at(9.5, 90), at(10.5, 95)])), { total: 0, bad: 0, badAtMost: 0 })
})

/** One target, scraped every second from 8 s on: by scrape what it served since the one before, and whether it began anew in between. */
const life = fc.array(fc.record({ served: fc.integer({ min: 0, max: 9 }), failed: fc.integer({ min: 0, max: 9 }), restarts: fc.boolean() }), { minLength: 4, maxLength: 25 })

/** What is exposed, and what was really served since the first scrape of the phase. An error series is not there before its first error. */
function scraped(scrapes: readonly { served: number; failed: number; restarts: boolean }[]): { total: DatedValue[]; bad: DatedValue[]; truth: { total: number; bad: number } } {
  const [total, bad, truth] = [[] as DatedValue[], [] as DatedValue[], { total: 0, bad: 0 }]
  let [all, failures] = [0, 0]
  for (const [index, { served, failed, restarts }] of scrapes.entries()) {
    const ms = 8_300 + index * 1_000
    // a restart is seen by a smaller value alone: it has served fewer since than before, and failed at least once, so that its error series is there
    const isNew = restarts && all > 1 && failures > 1
    const now = isNew ? { failed: Math.min(Math.max(1, failed), failures - 1), served: 0 } : { failed, served: served + failed }
    if (isNew) now.served = Math.min(Math.max(now.failed, served), all - 1)
    all = isNew ? now.served : all + now.served
    failures = isNew ? now.failed : failures + now.failed
    total.push([ms, all])
    if (failures > 0) bad.push([ms, failures])
    if (ms >= moment.fromMs + 1_000) {
      truth.total += now.served
      truth.bad += now.failed
    }
  }
  return { total, bad, truth }
}

test('however the samples are cut into answers, and however these overlap, what is counted is what was served', () => {
  fc.assert(fc.property(life, fc.array(fc.integer({ min: 0, max: 26_000 }), { maxLength: 8 }), fc.array(fc.integer({ min: 0, max: 5_000 }), { minLength: 9, maxLength: 9 }), (scrapes, cuts, overlaps) => {
    const { total, bad, truth } = scraped(scrapes)
    const looks = [...cuts.map(cut => 8_000 + cut), 8_000 + 26_000].sort((a, b) => a - b)
    let seen = nothingSeen
    let sinceMs = moment.fromMs
    const counted = { total: 0, bad: 0 }
    for (const [index, lookMs] of looks.entries()) {
      const until = (samples: DatedValue[]) => samples.filter(([ms]) => ms <= lookMs)
      const answer = [one('bad', until(bad), { series: '{code="500"}' }), one('total', until(total))].map(series => sinceThen(series, sinceMs)).filter(({ samples }) => samples.length > 0)
      const next = grow(seen, answer, moment)
      seen = next.seen
      const block = countGrowth({ is: 'pair' }, next.grown)
      counted.total += block.total
      counted.bad += block.bad
      if (lookMs > moment.fromMs) sinceMs = Math.max(moment.fromMs, lookMs) - (overlaps[index] ?? 0)
    }
    assert.deepEqual(counted, truth)
  }))
})

test('the state is plain JSON', () => {
  const { seen } = grow(nothingSeen, [one('total', [at(10.5, 1)], { target: '__proto__', series: '__proto__' })], moment)
  assert.deepEqual(grow(JSON.parse(JSON.stringify(seen)) as SeenCounters, [one('total', [at(11.5, 3)], { target: '__proto__', series: '__proto__' })], moment).grown.map(growth => growth.added), [2])
})
