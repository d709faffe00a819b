import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { clockApart } from '#shared/prometheus-clock.ts'

const nowMs = Date.UTC(2026, 10, 28, 12, 0, 0, 400)
const headerOf = (dateMs: number) => new Date(dateMs).toUTCString()

test('a clock that is apart by no more than two seconds is never refused, however long the answer took and wherever in that time it was dated', () => {
  fc.assert(fc.property(fc.integer({ min: -2_000, max: 2_000 }), fc.integer({ min: 0, max: 60_000 }), fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 0, max: 999 }), (apartMs, tookMs, share, fractionMs) => {
    const askedAtMs = nowMs + fractionMs
    const dated = headerOf(askedAtMs + tookMs * share + apartMs)
    assert.equal(clockApart(dated, { askedAtMs, answeredAtMs: askedAtMs + tookMs }), undefined)
  }))
})

test('one that is apart by more than that, the header\'s second and the answer\'s time is refused, and the side is named', () => {
  fc.assert(fc.property(fc.integer({ min: 3_001, max: 1e12 }), fc.integer({ min: 0, max: 5_000 }), fc.integer({ min: 0, max: 999 }), (apartMs, tookMs, fractionMs) => {
    const asked = { askedAtMs: nowMs + fractionMs, answeredAtMs: nowMs + fractionMs + tookMs }
    assert.match(clockApart(headerOf(asked.answeredAtMs + apartMs), asked) ?? '', /ahead of the evaluator's/)
    assert.match(clockApart(headerOf(asked.askedAtMs - apartMs), asked) ?? '', /behind the evaluator's/)
  }))
})

test('what says no date, or nonsense, is not refused for it', () => {
  for (const date of [undefined, '', 'yesterday', 7, ['x']]) assert.equal(clockApart(date, { askedAtMs: nowMs, answeredAtMs: nowMs }), undefined, String(date))
})
