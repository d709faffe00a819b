import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { beginEProcess, eValue, nextBlock, planEProcess, type EPlan, type EState } from '#shared/e-process.ts'
import { isAborted } from '../bench/gate-simulation.ts'
import { seededRandom } from '../parts/seeded-random.ts'

type Block = [bad: number, total: number]
const shareOf = ([bad, total]: Block) => total === 0 ? undefined : bad / total
const after = (plan: EPlan, blocks: readonly Block[], from: EState = beginEProcess(plan)) => blocks.reduce((state, block) => nextBlock(plan, state, shareOf(block)), from)
const e = (plan: EPlan, blocks: readonly Block[]) => eValue(plan, after(plan, blocks))
const close = (a: number, b: number) => Math.abs(a - b) <= 1e-9 * Math.max(a, b)

const block = fc.integer({ min: 0, max: 40 }).chain(total => fc.integer({ min: 0, max: total }).map((bad): Block => [bad, total]))
const blocks = fc.array(block, { maxLength: 60 })
const plans = fc.record({ p0: fc.double({ min: 1e-4, max: 0.999, noNaN: true }), planned: fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined }) })
  .map(({ p0, planned }) => planEProcess(p0, planned))

test('a service at its limit is aborted in at most alpha of the runs (Ville), however often it is looked at', () => {
  const service = { requestsPerSecond: 20, badShare: 0.02, burstS: 0 }
  const random = seededRandom(1)
  const runs = 400
  const aborted = Array.from({ length: runs }, () => isAborted(service, { blockS: 0.5, phaseS: 60, alpha: 0.1 }, random)).filter(Boolean).length
  assert.ok(aborted > 0, 'the bound says nothing when nothing is ever aborted')
  assert.ok(aborted / runs <= 0.1, `${aborted} of ${runs}`)
})

test('E begins at 1, is never negative and always finite, past the planned blocks too', () => {
  fc.assert(fc.property(plans, blocks, (plan, seen) => {
    assert.equal(e(plan, []), 1)
    let state = beginEProcess(plan)
    for (const each of seen) {
      state = nextBlock(plan, state, shareOf(each))
      assert.ok(eValue(plan, state) >= 0 && Number.isFinite(eValue(plan, state)), String(eValue(plan, state)))
    }
  }))
})

test('hours of outage keep E finite, and the next good blocks are still heard', () => {
  for (const plan of [planEProcess(1e-4, 10_000), planEProcess(0.01)]) {
    const down = after(plan, Array.from({ length: 5_000 }, (): Block => [10, 10]))
    assert.ok(eValue(plan, down) >= 1e200 && Number.isFinite(eValue(plan, down)))
    assert.ok(eValue(plan, after(plan, Array.from({ length: 100 }, (): Block => [0, 10]), down)) < eValue(plan, down))
  }
})

test('one bad request more in any block never makes E less once the share is above the limit there, and E is monotone in a single block', () => {
  fc.assert(fc.property(plans, fc.integer({ min: 1, max: 40 }), (plan, total) => {
    const values = Array.from({ length: total + 1 }, (_, bad) => e(plan, [[bad, total]]))
    values.reduce((before, value) => { assert.ok(value >= before - 1e-12); return value })
  }))
  fc.assert(fc.property(plans, blocks, block, blocks, (plan, before, [bad, total], later) => {
    if (bad === total) return
    assert.ok(e(plan, [...before, [bad, total], ...later]) <= e(plan, [...before, [bad + 1, total], ...later]) * (1 + 1e-12))
  }))
})

test('an empty block changes nothing while blocks are planned, and nothing past them', () => {
  fc.assert(fc.property(plans, blocks, (plan, seen) => assert.ok(close(e(plan, seen), e(plan, [...seen, [0, 0]])))))
})

test('taken up from any prefix, through JSON, E goes on as if nothing had been', () => {
  fc.assert(fc.property(plans, blocks, fc.nat({ max: 60 }), (plan, seen, cut) => {
    const prefix = JSON.parse(JSON.stringify(after(plan, seen.slice(0, cut)))) as EState
    assert.deepEqual(after(plan, seen.slice(cut), prefix), after(plan, seen))
  }))
})

test('past the planned blocks nothing is bet any more, so that good blocks cannot make E negative', () => {
  const plan = planEProcess(0.01, 10)
  const good = after(plan, Array.from({ length: 200 }, (): Block => [0, 20]))
  assert.ok(eValue(plan, good) >= 0 && eValue(plan, good) < 0.1)
  assert.ok(eValue(plan, after(plan, Array.from({ length: 5 }, (): Block => [20, 20]), good)) < 20, 'what begins later than planned is judged by what was bet until then')
})

test('each alternative is above the limit and at most 1, whatever the limit', () => {
  fc.assert(fc.property(fc.double({ min: 1e-9, max: 1 - 1e-9, noNaN: true }), p0 => {
    const { slopes } = planEProcess(p0, 1)
    const shares = slopes.map(slope => p0 + slope * p0 * (1 - p0))
    assert.equal(shares.length, 8)
    for (const share of shares) assert.ok(share > p0 && share <= 1 + 1e-12, `${share} for ${p0}`)
  }))
  const [first] = planEProcess(0.01, 1).slopes
  assert.ok(first !== undefined && close(first, 0.01 / (0.01 * 0.99)), 'the first is twice the limit')
})

test('a limit of 0 or 1, and a phase without a block, are refused', () => {
  for (const p0 of [0, 1, -0.1, Number.NaN]) assert.throws(() => planEProcess(p0, 10), /expected a limit between 0 and 1/)
  assert.throws(() => planEProcess(0.1, 0), /at least one planned block/)
})
