import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hearRenewal, mostRunsRemembered, type HeardRenewals, type Renewal } from '../../services/injector/renewals.ts'

const nowMs = 1_000_000
const nobody: HeardRenewals = { startedAtMs: nowMs - 60_000, last: new Map() }
const epoch = (revision: number) => ({ bucketCreatedMs: 1, revision })
const renewal = (changes: Partial<Renewal> = {}): Renewal => ({ run: 'r1', epoch: epoch(1), sentAtMs: nowMs, ...changes })
const hearAll = (renewals: readonly Renewal[], from = nobody): HeardRenewals => renewals.reduce((heard, next) => hearRenewal(heard, next, nowMs).heard, from)
const why = (heard: HeardRenewals, next: Renewal, atMs = nowMs) => hearRenewal(heard, next, atMs).why

test('a renewal counts once, and none that was sent before it counts after it', () => {
  const heard = hearAll([renewal()])
  assert.match(why(heard, renewal()) ?? '', /no later than one that was obeyed/)
  assert.match(why(heard, renewal({ sentAtMs: nowMs - 1 })) ?? '', /no later/)
  assert.equal(why(heard, renewal({ sentAtMs: nowMs + 1 })), undefined)
})

test('each run has its own order: a scheduler of an older version sends for several in one millisecond', () => {
  const heard = hearAll([renewal()])
  assert.equal(why(heard, renewal({ run: 'r2' })), undefined)
})

test('the next leader begins anew, by whatever clock it has; the one before is not listened to again', () => {
  const heard = hearAll([renewal(), renewal({ epoch: epoch(2), sentAtMs: nowMs - 5_000 })])
  assert.equal(why(heard, renewal({ epoch: epoch(2), sentAtMs: nowMs - 4_999 })), undefined)
  assert.match(why(heard, renewal({ sentAtMs: nowMs + 1 })) ?? '', /followed by another/)
})

test('one that was held back for longer than ten seconds counts no more, and one of a clock that is far ahead not yet', () => {
  assert.equal(why(nobody, renewal(), nowMs + 10_000), undefined)
  assert.match(why(nobody, renewal(), nowMs + 10_001) ?? '', /came 10001 ms after it was sent.*NTP/)
  assert.equal(why(nobody, renewal({ sentAtMs: nowMs + 30_000 })), undefined)
  assert.match(why(nobody, renewal({ sentAtMs: nowMs + 30_001 })) ?? '', /clock is ahead/)
})

test('what was sent before the agent started is refused, since it may have been obeyed by the start before', () => {
  const started: HeardRenewals = { startedAtMs: nowMs, last: new Map() }
  assert.match(why(started, renewal({ sentAtMs: nowMs - 1 })) ?? '', /before this agent started/)
  assert.equal(why(started, renewal()), undefined)
})

test('what is refused changes nothing: neither what is remembered, nor for whom', () => {
  const heard = hearAll([renewal()])
  for (const refused of [renewal(), renewal({ run: 'r2', sentAtMs: nowMs + 60_000 }), renewal({ run: 'r2', sentAtMs: nowMs - 20_000 })]) assert.deepEqual(hearRenewal(heard, refused, nowMs).heard, heard)
})

test('what is remembered is bounded, by forgetting the run that was heard of longest ago', () => {
  const many = Array.from({ length: mostRunsRemembered + 1 }, (_, n) => renewal({ run: `r${n}` }))
  const heard = hearAll(many)
  assert.equal(heard.last.size, mostRunsRemembered)
  assert.deepEqual([heard.last.has('r0'), heard.last.has('r1')], [false, true])
  const [, second] = many
  assert.ok(second)
  const again = hearAll([{ ...second, sentAtMs: nowMs + 1 }, renewal({ run: 'new' })], heard)
  assert.deepEqual([again.last.size, again.last.has('r1'), again.last.has('r2')], [mostRunsRemembered, true, false])
})

test('whatever comes in whatever order and at whatever times, no renewal counts twice, and none after a later one of its run and epoch', () => {
  const sent = fc.record({ run: fc.constantFrom('r1', 'r2'), epoch: fc.nat(2).map(epoch), sentAtMs: fc.nat(3_000) })
  fc.assert(fc.property(fc.array(sent, { minLength: 1, maxLength: 6 }), fc.array(fc.tuple(fc.integer({ min: -500, max: 3_000 }), fc.nat(10)), { maxLength: 40 }), (renewals, arrivals) => {
    let heard: HeardRenewals = { startedAtMs: 0, last: new Map() }
    let atMs = 0
    const obeyed: Renewal[] = []
    for (const [laterMs, which] of arrivals) {
      atMs += laterMs // clocks are put back, too
      const next = renewals[which % renewals.length]
      assert.ok(next)
      const answer = hearRenewal(heard, next, atMs)
      heard = answer.heard
      if (answer.why === undefined) obeyed.push(next)
    }
    for (const run of ['r1', 'r2']) {
      const places = obeyed.filter(one => one.run === run).map(one => one.epoch.revision * 10_000 + one.sentAtMs)
      assert.deepEqual(places, [...new Set(places)].sort((a, b) => a - b))
    }
  }))
})
